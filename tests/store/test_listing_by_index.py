"""`bcd list` of a folder of many snapshots asks the index, and lists what the files would say."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcd.snapshot.format import INDEX
from bcd.store import files
from bcd.store.sql import refreshing
from bcd.store.sql.folder import FolderIndex
from tests.store.commands import Ended, Ran
from tests.store.folders import put_dump
from tests.terminal import id_at, keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.store.base import Known

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIRST = 2
COUNT = 12
KINDS = ("aaaa000000000000", "bbbb000000000000")
SMALL_FILES = """
import resource, sys
from bcd.store import files
from bcd.cli import main

files.READ_FIRST = 2
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
main()
"""


def moment(number: int) -> datetime:
    """When the snapshot of a number was made, the last one at noon."""
    return NOON - timedelta(hours=COUNT - number)


def path_of(folder: Path, number: int) -> Path:
    """Where the snapshot of a number lies."""
    return folder / f"{id_at(moment(number))}.bcd.json"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve snapshots, of which two are damaged, and two dumps, of which one is."""
    for name in ("BCD_STORE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "READ_FIRST", FIRST)
    folder = tmp_path / "snapshots"
    folder.mkdir(mode=0o700)
    for number in range(COUNT):
        keep(
            folder,
            moment(number),
            type=("shop.Übel", "KeyError")[number % 2],
            message=f"order {number}",
            attributes={"http.route": f"/{number % 3}", "cart": str(number % 4)},
            classifiers=["late"] if number > COUNT // 2 else [],
            reason={"kind": "error", "fingerprint": KINDS[number % 2]},
        )
    path_of(folder, 4).write_bytes(b"{")
    path_of(folder, 8).write_bytes(b"")
    put_dump(folder, id_at(moment(5), 1))
    put_dump(folder, id_at(moment(1), 1))
    (folder / f"{id_at(moment(1), 1)}.dump.json").write_text("[]")
    return folder


@pytest.fixture(name="bcd")
def _bcd(capsys: pytest.CaptureFixture[str], folder: Path) -> Callable[..., Ended]:
    ran = Ran(capsys)
    return lambda *options: ran("list", *options, "--folder", folder)


@pytest.fixture(name="by_files")
def _by_files(bcd: Callable[..., Ended]) -> Callable[..., Ended]:
    """The list as it is where no index is asked."""

    def listed(*options: str) -> Ended:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(files, "READ_FIRST", 10**9)
            return bcd(*options)

    return listed


@pytest.mark.parametrize(
    "options",
    [
        ["--limit", "all"],
        ["--limit", "3"],
        ["--limit", "5"],
        ["--limit", "9"],
        ["--type", "Übel"],
        ["--type", "Übel", "--limit", "4"],
        ["--text", "ORDER 1"],
        ["--route", "/2", "--limit", "2"],
        ["--attribute", "cart=3"],
        ["--attribute", "cart", "--limit", "7"],
        ["--classifier", "late"],
        ["--fingerprint", "bbbb"],
        ["--fingerprint", "cccc"],
        ["--service", "none"],
        ["--since", f"{moment(3):%Y-%m-%dT%H:%M}", "--limit", "all"],
        ["--until", f"{moment(7):%Y-%m-%dT%H:%M}", "--text", "order"],
    ],
)
def test_the_same_as_the_files(
    bcd: Callable[..., Ended],
    by_files: Callable[..., Ended],
    folder: Path,
    options: list[str],
) -> None:
    """Snapshots, dumps, what is damaged and how much is left: all is as the files say it."""
    expected, as_json = by_files(*options), by_files("--json", *options)
    assert not (folder / INDEX).exists()
    assert bcd(*options) == expected
    assert (folder / INDEX).exists()
    assert bcd(*options) == expected
    assert bcd("--json", *options) == as_json


def test_only_the_first_files_and_those_it_lacks_are_read(
    bcd: Callable[..., Ended], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an index that is up to date, few files are read again: the first, and damaged ones."""
    os.utime(folder, (1_700_000_000, 1_700_000_000))
    bcd("--limit", "all")
    os.utime(folder, (1_700_000_001, 1_700_000_001))
    bcd("--limit", "all")
    read: list[str] = []
    content = files._content

    def noted(path: str) -> bytes:
        read.append(path)
        return content(path)

    monkeypatch.setattr(files, "_content", noted)
    monkeypatch.setattr(refreshing._Run, "look", lambda _: pytest.fail("looked through"))
    bcd("--limit", "all")
    assert [Path(path).name[:26] for path in read] == [
        id_at(moment(11)),
        id_at(moment(10)),
        id_at(moment(8)),
        id_at(moment(5), 1),
        id_at(moment(4)),
        id_at(moment(1), 1),
    ]


def test_few_files_need_no_index(
    bcd: Callable[..., Ended], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first files are enough, or few are left, no index is made."""
    monkeypatch.setattr(FolderIndex, "known", lambda *_, **__: pytest.fail("asked"))
    assert bcd("--type", "shop.Übel", "--limit", "1").out.count("\n") == 1
    for path in sorted(folder.iterdir(), reverse=True)[2 * FIRST - 1 :]:
        path.unlink()
    assert bcd("--text", "order").out.count("\n") == 2 * FIRST - 1
    assert not (folder / INDEX).exists()


def test_a_small_part_of_a_folder_needs_no_index(
    bcd: Callable[..., Ended], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To index all for the files of the last days takes longer than to read these."""
    for number in range(10 * COUNT):
        keep(folder, NOON - timedelta(days=9), number)
    since = ("--since", f"{NOON - timedelta(days=2):%Y-%m-%d}")
    with monkeypatch.context() as patched:
        patched.setattr(FolderIndex, "known", lambda *_, **__: pytest.fail("asked"))
        assert bcd(*since).out.count("\n") == COUNT - 1
    bcd("--limit", "all")
    assert (folder / INDEX).exists()


@pytest.mark.parametrize("number", [0, 9])
def test_pruned_before_the_index_is_asked(
    bcd: Callable[..., Ended],
    by_files: Callable[..., Ended],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """What goes while the first files are read is not listed, and no warning is due."""
    bcd("--limit", "all")
    known = FolderIndex.known

    def pruned(index: FolderIndex, *arguments: Any, **options: Any) -> Known:
        path_of(folder, number).unlink()
        return known(index, *arguments, **options)

    monkeypatch.setattr(FolderIndex, "known", pruned)
    listed = bcd("--text", "order")
    assert id_at(moment(number)) not in listed.out
    assert listed == by_files("--text", "order")


def test_what_came_and_went_since(
    bcd: Callable[..., Ended], by_files: Callable[..., Ended], folder: Path
) -> None:
    """An old index is brought up to date."""
    bcd("--limit", "all")
    keep(folder, moment(2), 7, message="order of today")
    path_of(folder, 3).unlink()
    path_of(folder, 4).unlink()
    listed = bcd("--text", "order")
    assert listed == by_files("--text", "order")
    assert id_at(moment(2), 7) in listed.out


def test_without_sqlalchemy(
    bcd: Callable[..., Ended], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the index cannot be imported the files are read, and nothing is said."""
    expected = bcd("--text", "order")
    (folder / INDEX).unlink()
    monkeypatch.setitem(sys.modules, "bcd.store.sql.folder", None)  # as if it could not be imported
    assert bcd("--text", "order") == expected
    assert not (folder / INDEX).exists()


def test_an_index_that_cannot_be_used(
    bcd: Callable[..., Ended], by_files: Callable[..., Ended], folder: Path
) -> None:
    """The files are read in place of an index of a newer bcd; a damaged one is made anew."""
    expected = by_files("--text", "order")
    bcd("--text", "order")
    with sqlite3.connect(folder / INDEX) as connection:
        connection.execute("UPDATE bcd_version SET version_num = '99'")
    connection.close()
    assert bcd("--text", "order") == expected
    (folder / INDEX).write_bytes(b"no database at all" * 100)
    assert bcd("--text", "order") == expected


def test_no_room_for_an_index(by_files: Callable[..., Ended], folder: Path) -> None:
    """Where its file cannot grow, the files are read."""
    command = [
        sys.executable,
        "-c",
        SMALL_FILES,
        "list",
        "--text",
        "order",
        "--folder",
        str(folder),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (folder / INDEX).stat().st_size <= 8192
    assert Ended(ran.returncode, ran.stdout, ran.stderr) == by_files("--text", "order")


def test_no_place_for_an_index(
    bcd: Callable[..., Ended],
    by_files: Callable[..., Ended],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An index that would be thrown away is not made: to read the files once takes less."""
    folder.chmod(0o777)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(refreshing, "read_head", lambda _: pytest.fail("indexed"))
    assert bcd("--text", "order") == by_files("--text", "order")
