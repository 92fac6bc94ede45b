"""The index of a folder: what it finds, how it keeps up, and what becomes of it when it breaks."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcd.errors import SnapshotNotFound, StoreError
from bcd.snapshot.format import INDEX, file_name
from bcd.store.base import Filter
from bcd.store.sql import refreshing
from bcd.store.sql.folder import FolderIndex
from bcd.store.sql.opening import open_store
from tests.store.conftest import id_at, made

if TYPE_CHECKING:
    from collections.abc import Callable

REFRESHES = """
import sys
from bcd.store.base import Filter
from bcd.store.sql.folder import FolderIndex

index = FolderIndex(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(index.snapshots(Filter()).total)
"""


def put(folder: Path, number: int, kind: int = 0) -> Path:
    """Write the snapshot of a number."""
    snapshot_id, content = made(number, kind=kind)
    path = folder / file_name(snapshot_id, 0)
    path.write_bytes(content)
    return path


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "snapshots"
    folder.mkdir(mode=0o700)
    for number in range(3):
        put(folder, number, kind=number % 2)
    return folder


def ids(index: FolderIndex) -> list[str]:
    """The ids of all snapshots of an index, newest first."""
    page = index.snapshots(Filter())
    assert page.total == len(page.entries)
    return [entry.head.id for entry in page.entries]


def test_an_index_keeps_up_with_its_folder(folder: Path) -> None:
    """What comes is found, and what goes is not, by a new index as by an old one."""
    index = FolderIndex(str(folder))
    assert ids(index) == [id_at(2), id_at(1), id_at(0)]
    put(folder, 3)
    (folder / f"{id_at(1)}.bcd.json").unlink()
    assert ids(index) == [id_at(3), id_at(2), id_at(0)]
    assert ids(FolderIndex(str(folder))) == ids(index)


def test_an_entry_is_where_its_file_is(folder: Path) -> None:
    """The location of an entry is the path of its file, which can be read."""
    (entry,) = FolderIndex(str(folder)).snapshots(Filter(), limit=1).entries
    assert entry.location == str(folder / f"{id_at(2)}.bcd.json")
    assert entry.size == Path(entry.location).stat().st_size
    assert FolderIndex(str(folder)).find(entry.head.id).location == entry.location


def test_a_snapshot_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is indexed is not opened again, also when others come."""
    ids(FolderIndex(str(folder)))
    read: list[int] = []
    monkeypatch.setattr(refreshing, "read_head", _counting(refreshing.read_head, read))
    put(folder, 7)
    assert len(ids(FolderIndex(str(folder)))) == 4
    assert len(read) == 1


def _counting(function: Callable[[bytes], object], calls: list[int]) -> Callable[[bytes], object]:
    def counted(data: bytes) -> object:
        calls.append(len(data))
        return function(data)

    return counted


def test_an_unchanged_folder_is_not_looked_through(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a folder does not change its names are not listed, by no process."""
    os.utime(folder, (1_700_000_000, 1_700_000_000))
    ids(FolderIndex(str(folder)))  # makes its file, which changes the folder
    os.utime(folder, (1_700_000_001, 1_700_000_001))
    ids(FolderIndex(str(folder)))
    monkeypatch.setattr(refreshing._Run, "look", lambda _: pytest.fail("looked through"))
    assert len(ids(FolderIndex(str(folder)))) == 3


def test_a_change_a_moment_ago_is_not_trusted_to_be_the_last(folder: Path) -> None:
    """A file that comes within the same tick of the clock as the last look is seen."""
    index = FolderIndex(str(folder))
    ids(index)
    before = folder.stat()
    put(folder, 5)
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert id_at(5) in ids(index)


def test_a_file_packed_by_hand_is_found_again(folder: Path) -> None:
    """A file that gets another name for the same id is read anew."""
    index = FolderIndex(str(folder))
    ids(index)
    subprocess.run(["gzip", folder / f"{id_at(2)}.bcd.json"], check=True)
    (entry,) = index.snapshots(Filter(), limit=1).entries
    assert entry.location == str(folder / f"{id_at(2)}.bcd.json.gz")


def test_what_cannot_be_read_is_told_each_time(folder: Path) -> None:
    """Damaged files are named in warnings, by the process that looked and by others."""
    broken = folder / f"{id_at(8)}.bcd.json"
    broken.write_bytes(b"{")
    (folder / f"{id_at(9)}.bcd.json").symlink_to(broken)
    for index in (FolderIndex(str(folder)), FolderIndex(str(folder))):
        page = index.snapshots(Filter())
        assert page.total == 3
        (warning,) = page.warnings
        assert warning.startswith(f"{broken}: ")
    broken.unlink()
    assert index.snapshots(Filter()).warnings == ()


def test_states_outlive_snapshots(folder: Path) -> None:
    """A group whose snapshots were pruned comes back with its state and its first time."""
    index = FolderIndex(str(folder))
    before = index.groups(Filter()).groups[-1]
    index.set_state(before.fingerprint, "ignored")
    (folder / f"{id_at(1)}.bcd.json").unlink()
    assert before.fingerprint not in {group.fingerprint for group in index.groups(Filter()).groups}
    put(folder, 9, kind=1)
    (after,) = index.groups(Filter(), state="ignored").groups
    assert (after.fingerprint, after.first_seen) == (before.fingerprint, before.first_seen)


def test_the_index_is_private(folder: Path) -> None:
    """All that the index leaves is readable for its user alone, whatever the umask."""
    before = os.umask(0)
    try:
        ids(FolderIndex(str(folder)))
    finally:
        os.umask(before)
    left = [path for path in folder.iterdir() if path.name.startswith(INDEX)]
    assert len(left) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in left} == {0o600}


def test_a_folder_of_others_gets_no_file(folder: Path, tmp_path: Path) -> None:
    """Where others may write, the index lies among the user's caches, as private as ever."""
    folder.chmod(0o777)
    assert len(ids(FolderIndex(str(folder)))) == 3
    assert not (folder / INDEX).exists()
    (found,) = (tmp_path / "cache" / "bcd").glob("*.sqlite3")
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700


def test_without_a_place_for_a_file_it_is_temporary(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither the folder nor a cache can be written, everything is found all the same."""
    folder.chmod(0o777)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(ids(FolderIndex(str(folder)))) == 3


def test_a_planted_index_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """A symbolic link in the place of the index is left alone, and so is what it points to."""
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    (folder / INDEX).symlink_to(target)
    assert len(ids(FolderIndex(str(folder)))) == 3
    assert target.read_bytes() == b"precious"


def test_a_folder_that_comes_later(tmp_path: Path) -> None:
    """A folder that does not exist yet has no snapshots, gets none made, and is found later."""
    folder = tmp_path / "later"
    index = FolderIndex(str(folder))
    assert ids(index) == []
    assert not folder.exists()
    with pytest.raises(SnapshotNotFound):
        index.check()
    folder.mkdir(mode=0o700)
    put(folder, 1)
    assert ids(index) == [id_at(1)]
    index.check()


@pytest.mark.parametrize("damage", ["not sqlite", "cut", "torn", "emptied", "tables"])
def test_a_damaged_index_is_made_anew(folder: Path, damage: str) -> None:
    """Whatever was done to the file, also while it is in use, the snapshots are found."""
    index = FolderIndex(str(folder))
    ids(index)
    file = folder / INDEX
    whole = file.read_bytes()
    if damage == "tables":
        with sqlite3.connect(file) as connection:
            connection.execute("DROP TABLE bcd_attribute")
        connection.close()
    else:
        file.write_bytes(
            {
                "not sqlite": b"no database at all" * 100,
                "cut": whole[: len(whole) // 2],
                "torn": whole[:4096] + bytes(len(whole) - 4096),
                "emptied": b"",
            }[damage]
        )
    put(folder, 4)
    assert ids(index) == [id_at(4), id_at(2), id_at(1), id_at(0)]
    assert ids(FolderIndex(str(folder))) == ids(index)


def test_an_index_of_a_newer_bcd_is_left_alone(folder: Path) -> None:
    """An index whose version is not known is refused, with what to do, and not touched."""
    ids(FolderIndex(str(folder)))
    with sqlite3.connect(folder / INDEX) as connection:
        connection.execute("UPDATE bcd_version SET version_num = '99'")
    connection.close()
    before = (folder / INDEX).read_bytes()
    with pytest.raises(StoreError, match=r"made by a newer bcd.*update bcd, or remove the file"):
        ids(FolderIndex(str(folder)))
    assert (folder / INDEX).read_bytes() == before


def test_two_processes_index_the_same_folder(folder: Path) -> None:
    """Two that index at once, while files go, both answer, and each snapshot is there once."""
    for number in range(3, 250):
        put(folder, number)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", REFRESHES, str(folder)]
    both = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in both:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    for each in both:
        with each:
            out, _ = each.communicate(timeout=60)
        assert int(out) == 250
    assert FolderIndex(str(folder)).snapshots(Filter()).total == 250


def test_threads_share_one_index(folder: Path) -> None:
    """Threads that ask at once get the same answer, while the folder is indexed once."""
    for number in range(3, 60):
        put(folder, number)
    index = FolderIndex(str(folder))
    totals: list[int] = []
    threads = [
        threading.Thread(target=lambda: totals.append(index.snapshots(Filter()).total))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert totals == [60] * 4


def test_progress_is_told(folder: Path) -> None:
    """Whoever waits is told how far the reading is."""
    told: list[tuple[int, int]] = []
    index = FolderIndex(str(folder), progress=lambda done, total: told.append((done, total)))
    ids(index)
    assert told == [(3, 3)]


def test_a_store_is_opened_by_its_name(folder: Path) -> None:
    """What is no URL is a folder."""
    store = open_store(str(folder))
    assert isinstance(store, FolderIndex)
    assert store.groups(Filter()).total == 2
    assert len(store.listing().entries) == 3
