"""The lines of source: only of files that are what they were, and never waited for."""

from __future__ import annotations

import importlib
import os
import runpy
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bcd.ptrace.redact import Redactor
from bcd.ptrace.sources import AROUND_ERROR, AROUND_OTHER, Sources

LATER = 10


def frame(file: object, line: int | None, end_line: int | None = None) -> dict[str, Any]:
    """A frame as it stands in a snapshot, as far as it matters here."""
    return {"file": str(file), "line": line, "end_line": end_line}


def read(
    folder: Path, *frames: dict[str, Any], around: int = 1, started: float | None = None
) -> dict[str, dict[str, object]]:
    """The sources of frames of a process that started just now, or at another time."""
    started = time.time() + LATER if started is None else started
    sources = Sources(started, Redactor())
    sources.want(frames, around)
    return sources.read(str(folder))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file of twenty lines."""
    path = tmp_path / "code.py"
    path.write_text("".join(f"line {number}\n" for number in range(1, 21)))
    return path


class TestLines:
    def test_around_a_frame(self, code: Path) -> None:
        """The line and its neighbours are quoted, by number."""
        found = read(code.parent, frame(code, 5), around=AROUND_OTHER)
        assert found == {str(code): {str(n): f"line {n}" for n in (4, 5, 6)}}
        found = read(code.parent, frame(code, 10), around=AROUND_ERROR)
        assert [int(number) for number in found[str(code)]] == list(range(6, 15))

    def test_each_once(self, code: Path) -> None:
        """Frames that share lines share them here too, in order."""
        found = read(code.parent, frame(code, 9), frame(code, 4), frame(code, 5, 6))
        assert [int(number) for number in found[str(code)]] == [3, 4, 5, 6, 7, 8, 9, 10]

    def test_ends_of_the_file(self, code: Path) -> None:
        """Lines before the first and behind the last are left out."""
        found = read(code.parent, frame(code, 1), frame(code, 20), frame(code, 500))
        assert [int(number) for number in found[str(code)]] == [1, 2, 19, 20]

    def test_an_endless_statement(self, code: Path) -> None:
        """A statement of very many lines is quoted at its beginning."""
        found = read(code.parent, frame(code, 2, 2_000_000_000))
        assert [int(number) for number in found[str(code)]] == list(range(1, 14))

    def test_frames_without_a_line(self, code: Path) -> None:
        """A frame without a line asks for nothing; nor does code that is no file."""
        assert read(code.parent, frame(code, None), frame("<string>", 1)) == {}

    def test_what_ends_at_its_last_line(self, tmp_path: Path) -> None:
        """The end of the last line starts no further one, and an empty file has none."""
        path = tmp_path / "short.py"
        path.write_bytes(b"one\n\n")
        assert read(tmp_path, frame(path, 2))[str(path)] == {"1": "one", "2": ""}
        assert read(tmp_path, frame(path, 3)) == {str(path): {"2": ""}}
        path.write_bytes(b"")
        assert read(tmp_path, frame(path, 1)) == {}

    def test_odd_bytes(self, tmp_path: Path) -> None:
        """Bytes that are no UTF-8, long lines and line ends of other systems do no harm."""
        path = tmp_path / "odd.py"
        path.write_bytes(b"caf\xe9\r\n" + "é".encode() + b"\n" + b"x" * 5000 + b"\nno end")
        lines = read(tmp_path, frame(path, 2), frame(path, 4))[str(path)]
        assert lines["1"] == "caf\ufffd"
        assert lines["2"] == "é"
        assert lines["3"] == "x" * 400 + "…"
        assert lines["4"] == "no end"

    def test_secrets_in_literals(self, tmp_path: Path) -> None:
        """A password that is spelled out in the code is not quoted."""
        path = tmp_path / "settings.py"
        path.write_text('PASSWORD = "hunter2hunter2"\npassword = read()\n')
        lines = read(tmp_path, frame(path, 1))[str(path)]
        assert lines == {"1": 'PASSWORD = "[redacted]"', "2": "password = read()"}

    @pytest.mark.parametrize(
        ("raw", "line"),
        [
            ("# -*- coding: latin-1 -*-\nx = 'ö'\n".encode("latin-1"), "x = 'ö'"),
            (
                b"#!x\n# vim: set fileencoding=cp1251 :\n",
                "# vim: set fileencoding=cp1251 :",
            ),
            ("# coding: no-such-codec\nx = 'ö'\n".encode(), "x = 'ö'"),
            ("# coding: hex\nx = 'ö'\n".encode(), "x = 'ö'"),
            ("x = 1 # coding: latin-1\nx = 'ö'\n".encode(), "x = 'ö'"),
            ("\ufeff# marked\nx = 'ö'".encode(), "x = 'ö'"),
            ("x = 1\rx = 'ö'\ry = 2".encode(), "x = 'ö'"),
            ("x = 1\r\nx = 'ö\x0b\x1c\u2028'\r\n".encode(), "x = 'ö\x0b\x1c\u2028'"),
        ],
    )
    def test_encodings_and_line_ends(self, tmp_path: Path, raw: bytes, line: str) -> None:
        """Lines are found and decoded as Python itself does it, or as UTF-8 for want of better."""
        path = tmp_path / "code.py"
        path.write_bytes(raw)
        assert read(tmp_path, frame(path, 2))[str(path)]["2"] == line

    def test_the_mark_at_the_beginning(self, tmp_path: Path) -> None:
        """A byte order mark is no part of the first line."""
        path = tmp_path / "code.py"
        path.write_bytes("\ufeffx = 1\n".encode())
        assert read(tmp_path, frame(path, 1)) == {str(path): {"1": "x = 1"}}

    def test_of_no_file(self, code: Path) -> None:
        """Only code that has no file is asked for elsewhere, and what is found there is quoted."""
        sources = Sources(None, Redactor())
        gone = str(code.parent / "gone.py")
        names = ("<made>", gone, "a\0b", "<frozen runpy>", str(code))
        sources.want([frame(name, 5) for name in names], 0)
        assert sources.wanted_of_no_file() == {"<made>": {5}, gone: {5}, "a\0b": {5}}
        sources.keep("<made>", {5: 'password = "hunter2hunter2"'})
        found = sources.read(str(code.parent))
        assert found["<made>"] == {"5": 'password = "[redacted]"'}
        assert found[str(code)] == {"5": "line 5"}


class TestFiles:
    def test_a_file_newer_than_the_process(self, code: Path) -> None:
        """A file that was changed since the process started is not quoted but marked."""
        found = read(code.parent, frame(code, 5), started=time.time() - LATER)
        assert found == {str(code): {"changed": True}}

    def test_an_unknown_start(self, code: Path) -> None:
        """Where the start is not known, files are quoted as they are."""
        sources = Sources(None, Redactor())
        sources.want([frame(code, 5)], 0)
        assert sources.read(str(code.parent)) == {str(code): {"5": "line 5"}}

    def test_relative_names(self, code: Path) -> None:
        """A relative name is looked up where the process works, not where the tracer does."""
        assert read(code.parent, frame("code.py", 5), around=0) == {"code.py": {"5": "line 5"}}

    def test_missing(self, tmp_path: Path) -> None:
        """A file that is not there is left out."""
        assert read(tmp_path, frame(tmp_path / "gone.py", 1), frame(tmp_path, 1)) == {}

    def test_a_name_that_is_none(self, tmp_path: Path) -> None:
        """Nor does a name that cannot be one cost the others."""
        assert read(tmp_path, frame("a\0b", 1), frame("x" * 5000, 1), frame("", 1)) == {}

    @pytest.mark.timeout(20)
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        """A named pipe that nobody writes to does not keep the tracer."""
        os.mkfifo(tmp_path / "pipe.py")
        assert read(tmp_path, frame(tmp_path / "pipe.py", 1)) == {}

    def test_devices(self, tmp_path: Path) -> None:
        """A device without an end is not read."""
        assert read(tmp_path, frame("/dev/zero", 1)) == {}

    def test_huge(self, tmp_path: Path) -> None:
        """A file of more than 4 MiB is left out."""
        path = tmp_path / "huge.py"
        path.write_bytes(b"x = 1\n" * 1_000_000)
        assert read(tmp_path, frame(path, 1)) == {}

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_unreadable(self, code: Path) -> None:
        """A file that may not be read is left out."""
        code.chmod(0)
        assert read(code.parent, frame(code, 1)) == {}


class TestArchives:
    def packed(self, folder: Path, **more: bytes) -> Path:
        """An application in one file."""
        archive = folder / "app.pyz"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("inner/code.py", "x = 1\ny = 2\n")
            for name, content in more.items():
                out.writestr(f"{name}.py", content)
        return archive

    def test_a_file_in_an_archive(self, tmp_path: Path) -> None:
        """A file is read from the archive that its path leads into."""
        path = self.packed(tmp_path) / "inner" / "code.py"
        assert read(tmp_path, frame(path, 2), around=0) == {str(path): {"2": "y = 2"}}

    def test_an_archive_newer_than_the_process(self, tmp_path: Path) -> None:
        """An archive that was changed since is as good as its files."""
        path = self.packed(tmp_path) / "inner" / "code.py"
        found = read(tmp_path, frame(path, 2), started=time.time() - LATER)
        assert found == {str(path): {"changed": True}}

    def test_what_is_in_none(self, tmp_path: Path) -> None:
        """Files that an archive lacks, or that are huge, and what is no archive, are left out."""
        archive = self.packed(tmp_path, huge=b"x = 1\n" * 1_000_000)
        (tmp_path / "text").write_text("no archive")
        os.mkfifo(tmp_path / "pipe")
        names = [archive / "gone.py", archive / "huge.py", tmp_path / "text" / "code.py"]
        names.append(tmp_path / "pipe" / "code.py")
        assert read(tmp_path, *(frame(name, 1) for name in names)) == {}

    def test_a_damaged_archive(self, tmp_path: Path) -> None:
        """An archive whose content is damaged costs its own lines and no others."""
        archive = self.packed(tmp_path)
        raw = bytearray(archive.read_bytes())
        raw[44:50] = b"\xff" * 6
        archive.write_bytes(raw)
        code = tmp_path / "code.py"
        code.write_text("x = 1\n")
        frames = [frame(archive / "inner" / "code.py", 1), frame(code, 1)]
        assert read(tmp_path, *frames) == {str(code): {"1": "x = 1"}}


class TestFrozenModules:
    def test_the_library_has_their_source(self, tmp_path: Path) -> None:
        """What is frozen into the interpreter is quoted from its library; packages too."""
        found = read(tmp_path, frame("<frozen runpy>", 1), frame("<frozen importlib>", 1), around=0)
        assert found == {
            "<frozen runpy>": {"1": Path(runpy.__file__).read_text().split("\n")[0]},
            "<frozen importlib>": {"1": Path(importlib.__file__).read_text().split("\n")[0]},
        }
        assert read(tmp_path, frame("<frozen no.such>", 1), frame("<frozen >", 1)) == {}
