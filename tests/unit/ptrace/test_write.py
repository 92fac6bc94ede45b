"""The folder of snapshots: private, bounded, and never with half a snapshot in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import posix
import resource
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcd.ptrace import write
from bcd.ptrace.bounds import Limits
from bcd.ptrace.errors import RequestError
from bcd.ptrace.write import Folder, encode
from bcd.snapshot.format import GZIP_ABOVE, id_of_file, new_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).parents[3]
LIMITS = Limits()
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")


class Killed(BaseException):
    """Stands for the end of the process: nothing handles it."""


def mode_of(path: Path | str) -> int:
    """The permissions of a file or folder."""
    return stat.S_IMODE(Path(path).lstat().st_mode)


def numbered(number: int) -> str:
    """An id that sorts by its number."""
    return f"01{number:024d}"


def names_in(folder: Path) -> list[str]:
    """All names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def listed(folder: Path) -> list[str]:
    """The snapshots in a folder, as whoever lists them finds them."""
    return [name for name in names_in(folder) if id_of_file(name)]


class TestEncoding:
    @pytest.mark.parametrize(
        "document",
        [
            {"a": [1, 2.5, None, True, "é€\U0001f600", "\udc80\ud800", '"\\\n\0']},
            {"nested": {"list": [[], {}, ""], "small": 5e-324, "large": 2**70}},
        ],
    )
    def test_is_json(self, document: dict[str, Any]) -> None:
        """What is written is JSON in ASCII, and reads as what it was."""
        data = encode(document)
        assert data.isascii()
        assert json.loads(data) == document

    def test_refuses_what_is_no_json(self) -> None:
        """A value that has no place in a snapshot is an error, not a surprise."""
        with pytest.raises(TypeError, match="bytes"):
            encode({"data": b"x"})


class TestFolder:
    def test_is_made_private(self, tmp_path: Path) -> None:
        """The folder, with its parents, is made for this user alone; so is the file."""
        before = os.umask(0)
        try:
            path = Folder(str(tmp_path / "a" / "b")).keep(new_id(), b"{}", LIMITS)
        finally:
            os.umask(before)
        assert mode_of(tmp_path / "a" / "b") == 0o700
        assert mode_of(path) == 0o600
        assert Path(path).read_bytes() == b"{}"

    def test_own_folder_becomes_private(self, tmp_path: Path) -> None:
        """A folder that holds nothing but snapshots and their index is made private."""
        folder = tmp_path / "kept"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        for name in (f"{new_id()}.bcd.json", "index.sqlite3", "index.sqlite3-journal"):
            (folder / name).write_text("{}")
        Folder(str(folder))
        assert mode_of(folder) == 0o700

    @pytest.mark.parametrize("end", ["", "/", "//"])
    def test_a_symbolic_link_is_refused(self, tmp_path: Path, end: str) -> None:
        """A link, which somebody may point elsewhere, is refused; so is one to nowhere."""
        (tmp_path / "true").mkdir()
        for number, aim in enumerate(["true", "nowhere"]):
            link = tmp_path / f"link{number}"
            link.symlink_to(tmp_path / aim)
            with pytest.raises(RequestError, match="BCD_DIR"):
                Folder(f"{link}{end}")
        assert names_in(tmp_path / "true") == []

    @as_root
    def test_the_folder_of_another_user_is_refused(self, tmp_path: Path) -> None:
        """What belongs to another user is theirs; the message names both."""
        os.chown(tmp_path, 65534, 65534)
        with pytest.raises(RequestError, match="belongs to user 65534, not to user 0"):
            Folder(str(tmp_path))

    def test_no_folder_at_all(self, tmp_path: Path) -> None:
        """A file in the place of the folder or of its parent is refused."""
        file = tmp_path / "file"
        file.write_text("")
        for path in (file, file / "below"):
            with pytest.raises(RequestError, match="no snapshot can be kept in"):
                Folder(str(path))

    def test_where_others_may_write(self, tmp_path: Path) -> None:
        """A folder of others' files that others may write to is refused, and left as it is."""
        (tmp_path / "notes.txt").write_text("mine")
        tmp_path.chmod(0o777)
        with pytest.raises(RequestError, match="other users may write"):
            Folder(str(tmp_path))
        assert mode_of(tmp_path) == 0o777

    def test_a_shared_folder_stays_shared(self, tmp_path: Path) -> None:
        """A folder such as /tmp is not taken over, not even while it is empty."""
        tmp_path.chmod(0o1777)
        with pytest.raises(RequestError, match="other users may write"):
            Folder(str(tmp_path))
        assert mode_of(tmp_path) == 0o1777

    def test_foreign_files_stay_untouched(self, tmp_path: Path) -> None:
        """Files that are not bcd's stay, whatever they are called, and so does the mode."""
        tmp_path.chmod(0o755)
        old = time.time() - 100_000
        names = ["notes.txt", "saved.bcd.json", "x.bcd.json.gz", "work.tmp", ".hidden.tmp", "sub"]
        for name in names[:-1]:
            (tmp_path / name).write_text(name)
            os.utime(tmp_path / name, (old, old))
        (tmp_path / "sub").mkdir()
        for number in range(3):
            Folder(str(tmp_path)).keep(numbered(number), b"{}", Limits({"snapshots": 1}))
        assert mode_of(tmp_path) == 0o755
        assert {*names_in(tmp_path)} == {*names, f"{numbered(2)}.bcd.json"}
        assert all((tmp_path / name).read_text() == name for name in names[:-1])


class TestKeeping:
    def test_large_documents_are_compressed(self, tmp_path: Path) -> None:
        """Above 64 KiB the file is gzip, and says so by its name."""
        import gzip

        folder = Folder(str(tmp_path))
        small = folder.keep(numbered(1), b"x" * GZIP_ABOVE, LIMITS)
        large = folder.keep(numbered(2), b"x" * (GZIP_ABOVE + 1), LIMITS)
        assert small.endswith(".bcd.json")
        assert large.endswith(".bcd.json.gz")
        assert gzip.decompress(Path(large).read_bytes()) == b"x" * (GZIP_ABOVE + 1)

    @pytest.mark.parametrize("call", range(1, 9))
    def test_killed_at_any_call(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
    ) -> None:
        """Wherever the process ends, what is listed is whole."""
        folder, calls = Folder(str(tmp_path)), 0
        folder.keep(numbered(1), b"first", LIMITS)

        class Dying:
            """The module ``posix``, in which one call is the last."""

            def __getattr__(self, name: str) -> Any:
                original = getattr(os, name)
                if name not in ("open", "write", "fsync", "rename", "close"):
                    return original

                def counted(*args: Any, **kwargs: Any) -> Any:
                    nonlocal calls
                    calls += 1
                    if calls == call:
                        raise Killed(name)
                    if name == "write":
                        return original(args[0], args[1][: max(1, len(args[1]) // 2)])
                    return original(*args, **kwargs)

                return counted

        monkeypatch.setattr(write, "posix", Dying())
        with pytest.raises(Killed):
            folder.keep(numbered(2), b"second!!", LIMITS)
        monkeypatch.undo()
        for name in listed(tmp_path):
            assert (tmp_path / name).read_bytes() in (b"first", b"second!!")
        assert f"{numbered(1)}.bcd.json" in listed(tmp_path)

    def test_remains_of_the_dead_are_removed(self, tmp_path: Path) -> None:
        """What a killed tracer left is removed by the next; the living keep what is theirs.

        A core, which another tool writes, is nobody's after an hour.
        """
        ages = {
            f".{numbered(1)}.77.tmp": 20,
            f".{numbered(2)}.77.tmp": 20,
            f".{numbered(3)}.77": 20,
        }
        ages |= {f".{numbered(4)}.77": 4000, f".{numbered(5)}.77.tmp": 1}
        for name, age in ages.items():
            (tmp_path / name).write_text("half")
            os.utime(tmp_path / name, (time.time() - age,) * 2)
        with (tmp_path / f".{numbered(2)}.77.tmp").open() as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)
            Folder(str(tmp_path)).keep(numbered(6), b"{}", LIMITS)
        left = [f".{numbered(2)}.77.tmp", f".{numbered(3)}.77", f".{numbered(5)}.77.tmp"]
        assert names_in(tmp_path) == [*left, f"{numbered(6)}.bcd.json"]

    def test_a_file_that_is_written_is_locked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From before its first byte until it has its name it belongs to its writer."""
        free, seen = [], []

        def watched(descriptor: int) -> None:
            (half,) = tmp_path.glob(".*.tmp")
            seen.append(half)
            with half.open() as other, contextlib.suppress(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(half)
            fsync(descriptor)

        fsync = os.fsync
        monkeypatch.setattr(
            posix, "fsync", lambda d: watched(d) if list(tmp_path.glob(".*")) else None
        )
        Folder(str(tmp_path)).keep(numbered(1), b"{}", LIMITS)
        assert seen
        assert free == []


class TestDisk:
    @contextmanager
    def small_files(self, size: int) -> Iterator[None]:
        """Let no file grow larger, as on a disk that is full."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def test_a_write_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        """When a file cannot be written whole, nothing of it stays and the reason is said."""
        folder = Folder(str(tmp_path))
        with self.small_files(100), pytest.raises(RequestError, match="could not be written"):
            folder.keep(new_id(), b"x" * 1000, LIMITS)
        assert names_in(tmp_path) == []

    def test_the_last_space_is_left_free(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk that is nearly full is not filled up; the message says what to do."""
        monkeypatch.setattr(write, "_SPARE", 1 << 60)
        with pytest.raises(RequestError, match=r"bytes are free .* BCD_DIR"):
            Folder(str(tmp_path)).keep(new_id(), b"{}", LIMITS)
        assert names_in(tmp_path) == []

    @as_root
    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a disk that is really full nothing stays, and what was there does."""
        monkeypatch.setattr(write, "_SPARE", -(1 << 40))
        with mounted(tmp_path, "size=64k"):
            folder = Folder(str(tmp_path))
            kept = folder.keep(numbered(1), b"{}", LIMITS)
            with pytest.raises(RequestError, match="No space left"):
                folder.keep(numbered(2), os.urandom(GZIP_ABOVE * 4), LIMITS)
            assert names_in(tmp_path) == [Path(kept).name]

    @as_root
    def test_a_disk_that_is_read_only(self, tmp_path: Path) -> None:
        """Where nothing can be written the reason is said."""
        with mounted(tmp_path, "ro"), pytest.raises(RequestError, match="Read-only file system"):
            Folder(str(tmp_path)).keep(numbered(1), b"{}", LIMITS)


@contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    """A small disk of its own, where this may be made."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"{options},mode=700", "tmpfs", path],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"no disk can be mounted: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


class TestPruning:
    def test_by_number(self, tmp_path: Path) -> None:
        """The oldest go first, by the time in their ids."""
        folder = Folder(str(tmp_path))
        for number in (5, 1, 4, 2, 3):
            folder.keep(numbered(number), b"{}", Limits({"snapshots": 3}))
        assert listed(tmp_path) == [f"{numbered(number)}.bcd.json" for number in (3, 4, 5)]

    def test_by_bytes(self, tmp_path: Path) -> None:
        """So many go that the bytes fit; the newest stays even if it does not fit itself."""
        folder = Folder(str(tmp_path))
        limits = Limits({"folder_bytes": 250})
        for number in range(1, 5):
            folder.keep(numbered(number), b"x" * 100, limits)
        assert listed(tmp_path) == [f"{numbered(number)}.bcd.json" for number in (3, 4)]
        folder.keep(numbered(5), b"x" * 1000, limits)
        assert listed(tmp_path) == [f"{numbered(5)}.bcd.json"]

    @pytest.mark.parametrize(
        ("most", "kept"),
        [(20, range(10)), (9, [0, *range(2, 10)]), (4, [0, 7, 8, 9]), (2, [0, 9]), (1, [9])],
    )
    def test_by_fingerprint(self, tmp_path: Path, most: int, kept: Sequence[int]) -> None:
        """Of one fingerprint the first and the latest stay; others are not touched."""
        folder = Folder(str(tmp_path))
        limits = Limits({"alike": most})
        ours = [numbered(number)[:10] + new_id("0a" * 8)[10:] for number in range(10)]
        ours = [f"0{number}{each[2:]}" for number, each in enumerate(ours)]
        others = [f"0{number}{new_id('0b' * 8)[2:]}" for number in range(min(most, 10))]
        for each in (*others, *ours):
            folder.keep(each, b"{}", limits)
        assert listed(tmp_path) == sorted(
            f"{each}.bcd.json" for each in (*others, *(ours[number] for number in kept))
        )

    def test_of_one_fingerprint_the_newest_stays_though_the_clock_went_back(
        self, tmp_path: Path
    ) -> None:
        """What was just written is kept even if its id sorts among the older ones."""
        folder = Folder(str(tmp_path))
        ends = [new_id("0a" * 8)[2:] for _ in range(4)]
        for number in (1, 3, 4, 2):
            path = folder.keep(f"0{number}{ends[number - 1]}", b"{}", Limits({"alike": 2}))
        assert Path(path).exists()
        assert len(listed(tmp_path)) == 3

    def test_what_was_just_written_stays(self, tmp_path: Path) -> None:
        """A clock that went back does not make the newest snapshot the first to go."""
        folder = Folder(str(tmp_path))
        for number in range(2, 5):
            folder.keep(numbered(number), b"{}", LIMITS)
        path = folder.keep(numbered(1), b"{}", Limits({"snapshots": 1}))
        assert listed(tmp_path) == [Path(path).name]

    def test_many_writers_at_once(self, tmp_path: Path) -> None:
        """Processes that write and prune at once all succeed and leave what is allowed."""
        source = (
            "import sys\n"
            f"sys.path.insert(0, {str(REPOSITORY)!r})\n"
            "from bcd.ptrace.bounds import Limits\n"
            "from bcd.ptrace.write import Folder\n"
            "from bcd.snapshot.format import new_id\n"
            "sys.stdin.read()\n"
            "for _ in range(50):\n"
            f"    Folder({str(tmp_path)!r}).keep(new_id(), b'{{}}', Limits({{'snapshots': 10}}))\n"
        )
        argv = [sys.executable, "-I", "-S", "-c", source]
        writers = [
            subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)
        ]
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.close()
            writer.stdin = None
        for writer in writers:
            assert writer.communicate()[1] == b""
            assert writer.returncode == 0
        names = names_in(tmp_path)
        assert 1 <= len(names) <= 10 + len(writers)
        assert listed(tmp_path) == names, "nothing but whole snapshots"
