"""Snapshots in an archive and back: all of them, nothing else, and nowhere else."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import stat
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcd.errors import BcdError, StoreError
from bcd.snapshot import decode
from bcd.store import archives
from bcd.store.archives import Member, read_members, write_archive
from bcd.store.files import FolderStore
from bcd.store.importing import FolderSink, Imported, import_all
from bcd.store.writing import PrivateFolder
from tests.store.folders import document, ids, made_id, names, put, put_dump
from tests.terminal import PROGRAM, on_a_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.store.commands import Ran

FIRST, SECOND, THIRD = (made_id(1_700_000_000 + each, kind=each) for each in range(3))


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    monkeypatch.setenv("BCD_DIR", str(folder))
    put(folder, FIRST)
    put(folder, SECOND, notes=["x" * 100_000])
    return folder


def archive(*members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    """An archive as anybody may make one."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as tar:  # type: ignore[call-overload]
        for header, content in members:
            info = header if isinstance(header, tarfile.TarInfo) else tarfile.TarInfo(header)
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def members_of(data: bytes) -> list[Member]:
    """What is read of a file with this content."""
    return list(read_members(io.BufferedReader(io.BytesIO(data))))  # type: ignore[arg-type]


def imported_from(data: bytes, folder: Path) -> Imported:
    """Import a file with this content."""
    imported = Imported()
    with PrivateFolder(str(folder)) as opened:
        stream = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]
        members = read_members(stream)
        import_all(members, FolderSink(opened), "it", imported, lambda _: None)
    return imported


# --- there and back ---


@pytest.mark.parametrize("name", ["all.tar.gz", "all.tar", "all"])
def test_there_and_back(bcd: Ran, folder: Path, tmp_path: Path, name: str) -> None:
    """What is exported and imported is the same, byte by byte, each file private."""
    file, other = tmp_path / name, tmp_path / "parent" / "other"
    ended = bcd("export", "--all", "-o", file)
    assert ended == (0, "", f"bcd: 2 snapshots written to {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ended = bcd("import", file, "--folder", other)
    assert ended == (0, "", f"bcd: imported 2 snapshots; they are in {other}\n")
    assert names(other) == names(folder) == [f"{FIRST}.bcd.json", f"{SECOND}.bcd.json.gz"]
    for each in (FIRST, SECOND):
        one, two = (FolderStore(str(place)).find(each) for place in (folder, other))
        assert one.document == two.document
    assert {stat.S_IMODE(path.stat().st_mode) for path in other.iterdir()} == {0o600}
    assert stat.S_IMODE(other.stat().st_mode) == 0o700


def test_twice_is_once(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """What is there already stays as it is, and is counted."""
    bcd("export", "--all", "-o", tmp_path / "all.tar.gz")
    before = {path: path.stat().st_ino for path in folder.iterdir()}
    ended = bcd("import", tmp_path / "all.tar.gz", "--json")
    assert json.loads(ended.out) == {
        "to": str(folder),
        "imported": 0,
        "already": 2,
        "refused": 0,
        "problems": [],
    }
    assert {path: path.stat().st_ino for path in folder.iterdir()} == before


def test_only_those_asked_for(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """By any reference that `bcd show` takes, each once."""
    file = tmp_path / "one.tar.gz"
    path = folder / f"{FIRST}.bcd.json"
    ended = bcd("export", FIRST, path, "-o", file, "--json")
    assert json.loads(ended.out) == {"file": str(file), "exported": 1, "damaged": []}
    with tarfile.open(file) as tar:
        assert tar.getnames() == [f"{FIRST}.bcd.json.gz"]
        [member] = tar.getmembers()
        assert (member.mode, member.mtime, member.uid) == (0o600, 1_700_000_000, 0)


def test_through_a_pipe(folder: Path, tmp_path: Path) -> None:
    """`bcd export -o - | bcd import -` copies snapshots from one machine to the other."""
    exporting = subprocess.Popen(
        [*PROGRAM, "export", "--all", "-o", "-", "--folder", folder], stdout=subprocess.PIPE
    )
    ran = subprocess.run(
        [*PROGRAM, "import", "-", "--folder", tmp_path / "other"],
        stdin=exporting.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert exporting.stdout is not None
    exporting.stdout.close()
    assert (exporting.wait(), ran.returncode) == (0, 0), ran.stderr
    assert ran.stderr == f"bcd: imported 2 snapshots; they are in {tmp_path}/other\n"


def test_files_and_folders_are_sources(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """A snapshot's file, whatever it is called, and a whole folder; dumps stay where they are."""
    put_dump(folder, THIRD)
    copy = tmp_path / "copy"
    copy.write_bytes(gzip.compress(document(THIRD)))
    other = tmp_path / "other"
    assert bcd("import", copy, folder, folder, "--folder", other).err == (
        f"bcd: imported 3 snapshots, 2 were there already; they are in {other}\n"
    )
    assert ids(other.iterdir()) == [FIRST, SECOND, THIRD]
    assert decode((other / f"{THIRD}.bcd.json").read_bytes()).id == THIRD


@pytest.mark.parametrize("how", [["tar", "-czf"], ["tar", "-cf"], ["tar", "--format=pax", "-czf"]])
def test_an_archive_that_somebody_made_of_a_folder(
    bcd: Ran, folder: Path, tmp_path: Path, how: list[str]
) -> None:
    """The program tar makes archives too; what is no snapshot is passed over, long names too."""
    deep = tmp_path / ("long" * 40)
    folder.rename(deep)
    (deep / "notes.txt").write_text("buy tea")
    (deep / f"{THIRD}.core").write_bytes(b"x" * 100_000)
    subprocess.run([*how, tmp_path / "made", "-C", tmp_path, deep.name], check=True)
    ended = bcd("import", tmp_path / "made", "--folder", tmp_path / "other")
    assert ended.err == f"bcd: imported 2 snapshots; they are in {tmp_path}/other\n"
    assert ids((tmp_path / "other").iterdir()) == [FIRST, SECOND]


def test_damaged_ones_stay_behind(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """A snapshot that cannot be read, or calls itself otherwise, is named and not exported."""
    (folder / f"{FIRST}.bcd.json").write_bytes(b"{")
    (folder / f"{THIRD}.bcd.json").write_bytes(document(FIRST))
    ended = bcd("export", "--all", "-o", tmp_path / "all.tar.gz")
    warning, other, said = ended.err.splitlines()
    assert warning.startswith(f"bcd: warning: {folder}/{FIRST}.bcd.json: no JSON")
    assert other == f"bcd: warning: {folder}/{THIRD}.bcd.json: it calls itself {FIRST}"
    assert said == f"bcd: 1 snapshot written to {tmp_path}/all.tar.gz"


def test_an_archive_on_a_terminal(folder: Path) -> None:
    """Nobody gets an archive on the screen."""
    shown = on_a_terminal("export", "--all", "-o", "-", "--folder", str(folder), status=2)
    assert "an archive is nothing for a terminal" in shown


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["export", "-o", "x"], 2, "say which snapshots: name some, or give --all"),
        (["export", "--all", "latest", "-o", "x"], 2, "say which snapshots"),
        (["export", "--all"], 2, "Missing option '-o'"),
        (["export", "--all", "-o", "-", "--json"], 2, "cannot both go to standard output"),
        (["export", "--all", "-o", "/none/x"], 1, "be written to /none/x: No such file"),
        (["export", "zzz", "-o", "zzz.tar"], 1, "no snapshot 'zzz'"),
        (["export", "--all", "-o", "zzz.tar", "--folder", "/none"], 1, "/none cannot be read"),
        (["import"], 2, "Missing argument"),
        (["import", "x", "--folder", "/proc/none"], 1, "can be kept in /proc/none"),
    ],
)
def test_an_error_is_one_line(  # noqa: PLR0913, PLR0917 - what is asked, and where
    bcd: Ran,
    folder: Path,
    arguments: list[str],
    status: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says what went wrong; no file is left behind."""
    monkeypatch.chdir(tmp_path)
    ended = bcd(*arguments)
    assert ended.status == status
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert names(tmp_path) == [folder.name]


def test_a_dump_is_not_exported(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """Asked for a dump of another tool, the error says that it is one."""
    put_dump(folder, THIRD)
    ended = bcd("export", THIRD, "-o", tmp_path / "x.tar")
    assert ended.err == f"bcd: {THIRD} is a dump of py-spy; only snapshots are exported\n"
    assert not (tmp_path / "x.tar").exists()


def test_sources_that_are_not_there(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """They are named, the others are imported, and the status says that something is missing."""
    ended = bcd("import", tmp_path / "none", "a\0b", folder, "--folder", tmp_path / "other")
    assert ended.status == 1
    assert f"bcd: warning: {tmp_path}/none: No such file or directory\n" in ended.err
    assert "embedded null byte" in ended.err
    assert ended.err.endswith(
        f"bcd: imported 2 snapshots, 2 refused; they are in {tmp_path}/other\n"
    )


# --- archives that nobody should trust ---


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    """A header of a link or of something else that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ((f"../{FIRST}.bcd.json", document(FIRST)), "leads out of its folder"),
        ((f"/var/{FIRST}.bcd.json", document(FIRST)), "leads out of its folder"),
        ((f"a/../../{FIRST}.bcd.json", document(FIRST)), "leads out of its folder"),
        ((link(f"{FIRST}.bcd.json", "/etc/passwd", tarfile.SYMTYPE), b""), "is a link"),
        ((link(f"{FIRST}.bcd.json", "x", tarfile.LNKTYPE), b""), "is a link"),
        ((link(f"{FIRST}.bcd.json", "", tarfile.FIFOTYPE), b""), "no ordinary file"),
        ((link(f"{FIRST}.bcd.json", "", tarfile.CHRTYPE), b""), "no ordinary file"),
        ((f"{FIRST}.bcd.json", document(SECOND)), f"it calls itself {SECOND}"),
        ((f"{FIRST}.bcd.json", b"{}"), 'it has no "format" number'),
        ((f"{FIRST}.bcd.json", document(FIRST, format=99)), "update bcd"),
        ((f"{FIRST}.bcd.json", document(FIRST, threads=7)), "threads must be"),
        ((f"{FIRST}.bcd.json.gz", gzip.compress(b"0" * (65 << 20))), "larger than 64 MiB"),
    ],
)
def test_what_is_refused(tmp_path: Path, member: Any, words: str) -> None:
    """It is named with the reason; the others of the archive are imported."""
    data = archive(member, (f"{THIRD}.bcd.json", document(THIRD)))
    imported = imported_from(data, tmp_path / "to")
    assert (imported.new, imported.refused) == (1, 1)
    assert words in imported.problems[0]
    assert names(tmp_path / "to") == [f"{THIRD}.bcd.json"]
    assert names(tmp_path) == ["to"]


@pytest.mark.parametrize("evil", ["../../evil", "/var/evil", "x", "", "a\0b", "8" * 26])
def test_an_id_that_is_none(tmp_path: Path, evil: str) -> None:
    """What a snapshot calls itself names a file; so it has to be an id."""
    imported = imported_from(document(evil), tmp_path / "to")
    assert (imported.new, imported.refused) == (0, 1)
    assert names(tmp_path / "to") == []
    assert names(tmp_path) == ["to"]


@pytest.mark.parametrize(
    "data", [b"", b"PK\3\4 zip", b"\x1f\x8b", b"\0" * 2000, gzip.compress(b"")]
)
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    """It is refused in a sentence, not in a traceback."""
    imported = imported_from(data, tmp_path / "to")
    assert (imported.new, imported.refused) == (0, 1)
    assert imported.problems[0].startswith("it: ")


@pytest.mark.parametrize("packed", [True, False])
def test_an_archive_cut_short(packed: bool) -> None:  # noqa: FBT001
    """Wherever it is cut, what came before is read and the end is reported."""
    made = io.BytesIO()
    write_archive(made, [(FIRST, document(FIRST)), (SECOND, document(SECOND))], packed=packed)
    data = made.getvalue()
    whole = len(members_of(data))
    assert whole == 2
    for cut in range(len(data) - (8 if packed else 10_240), 0, -97):
        imported = Imported()
        stream = io.BufferedReader(io.BytesIO(data[:cut]))  # type: ignore[arg-type]
        import_all(read_members(stream), FakeSink(), "it", imported, lambda _: None)
        assert imported.refused == 1, cut
        assert imported.new <= 2


class FakeSink:
    """Counts what it is given."""

    def add(self, items: Iterable[tuple[str, bytes]], imported: Imported) -> None:
        """All is new."""
        imported.new += len(list(items))


WHOLE = archive(*((f"{each}.bcd.json", document(each)) for each in (FIRST, SECOND, THIRD)))
PLAIN = gzip.decompress(WHOLE)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed anywhere: never another error than bcd's own, never a file elsewhere."""
    content = bytearray(data.draw(st.sampled_from([WHOLE, PLAIN])))
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 600))
        content[place] = data.draw(st.integers(0, 255))
    imported = imported_from(bytes(content), tmp_path / "to")
    assert imported.new + imported.already + imported.refused > 0
    assert set(ids((tmp_path / "to").iterdir())) <= {FIRST, SECOND, THIRD}
    assert names(tmp_path) == ["to"]
    for path in (tmp_path / "to").iterdir():
        assert decode(path.read_bytes()).id == path.name[:26]
        path.unlink()


@given(data=st.binary(max_size=3000))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds, it is members or one of bcd's own errors."""
    try:
        members_of(data)
    except BcdError as error:
        assert "damaged" in str(error)  # noqa: PT017 - most are read


def test_a_header_as_long_as_it_says(tmp_path: Path) -> None:
    """A header that says it is huge takes no memory: reading ends."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 8 << 30
    data = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"0" * 10_000_000)
    imported = imported_from(data, tmp_path / "to")
    assert imported.problems == ["it: it holds too much that is no snapshot; reading ended there"]


def test_an_archive_of_nothing_but_rubbish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reading ends when too much was of no use."""
    monkeypatch.setattr(archives, "_MOST_PASSED_OVER", 1 << 20)
    others = [(f"notes-{number}.txt", b"x") for number in range(20)]
    data = archive((f"{FIRST}.bcd.json", document(FIRST)), *others)
    imported = imported_from(data, tmp_path / "to")
    assert (imported.new, imported.refused) == (1, 1)
    assert "reading ended there" in imported.problems[0]


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A bomb of 500 MB in half a MB is refused in less memory than it would take."""
    bomb = tmp_path / "bomb.tar.gz"
    header = tarfile.TarInfo(f"{FIRST}.bcd.json")
    header.size = 500 << 20
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(500):
            file.write(bytes(1 << 20))
        file.write(bytes(1024))
    limit = 600 << 20
    ran = subprocess.run(
        [*PROGRAM, "import", str(bomb), "--folder", str(tmp_path / "to")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert ran.returncode == 1
    assert "is larger than 64 MiB, which no snapshot is" in ran.stderr


# --- the folder that snapshots are written to ---


def test_a_folder_that_is_a_link(tmp_path: Path) -> None:
    """Nothing is written through a symbolic link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for path in ("link", "link/"):
        with pytest.raises(StoreError, match="it is a symbolic link; name a folder"):
            PrivateFolder(f"{tmp_path}/{path}")


def test_a_folder_of_everybody(tmp_path: Path) -> None:
    """Nor into a folder that others may write to."""
    tmp_path.chmod(0o777)
    with pytest.raises(StoreError, match=r"other users may write there \(mode 0777\)"):
        PrivateFolder(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """Nor into that of another user."""
    os.chown(tmp_path, 12_345, -1)
    with pytest.raises(StoreError, match="it belongs to user 12345, and this is user 0"):
        PrivateFolder(str(tmp_path))


def test_a_disk_that_is_full(folder: Path, tmp_path: Path) -> None:
    """The error says how many were imported before; nothing half is left."""
    command = [*PROGRAM, "import", str(folder), "--folder", str(tmp_path / "to")]
    put(folder, THIRD, notes=["x" * 100_000 + str(list(range(20_000)))])
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
    )
    assert ran.returncode == 1
    assert ran.stderr == (
        f"bcd: {THIRD} could not be written to {tmp_path}/to: File too large; free or enlarge "
        "that disk, or name another folder; 2 before it were imported\n"
    )
    assert ids((tmp_path / "to").iterdir()) == [FIRST, SECOND]
    assert all(not name.startswith(".") for name in names(tmp_path / "to"))


def test_leftovers_are_known_to_tracers(tmp_path: Path) -> None:
    """What an import that was killed leaves is called as a tracer's is, so that it goes."""
    code = (
        "import os, signal, sys\n"
        "from bcd.store.writing import PrivateFolder\n"
        "os.rename = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"PrivateFolder(sys.argv[1]).put({FIRST!r}, b'{{}}')\n"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == -9
    [left] = tmp_path.iterdir()
    os.utime(left, (0, 0))
    ran = subprocess.run(
        [*PROGRAM, "prune", "--max-count", "9", "--yes", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "removed 1 half-written files" in ran.stderr
    assert names(tmp_path) == []
