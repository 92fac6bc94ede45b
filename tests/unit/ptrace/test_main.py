"""The course of the tracer process, where it stops before it reads anything."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bcd.ptrace.errors import CalibrationError, RequestError
from bcd.ptrace.main import _check_interpreter, _note_end
from bcd.ptrace.maps import distance, mappings
from bcd.ptrace.memory import Memory
from bcd.ptrace.request import Request, from_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator


def request(**hints: Any) -> Request:
    """A request with some hints."""
    made = Request()
    made.hints = hints
    return made


def test_a_free_threaded_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GIL nothing that is read holds together, and the layout is another one."""
    _check_interpreter(request())
    monkeypatch.setattr(sys, "abiflags", "t")
    with pytest.raises(CalibrationError, match="is a free-threaded build, which bcd cannot read"):
        _check_interpreter(request())


def test_another_binary_is_refused() -> None:
    """By device and inode, also where the version is the same; or by the version."""
    own = os.stat("/proc/self/exe")  # noqa: PTH116 - as the tracer does
    executable = [own.st_dev, own.st_ino]
    _check_interpreter(request(executable=executable, hexversion=sys.hexversion))
    for hints in ({"executable": [1, 2]}, {"executable": executable, "hexversion": 1}):
        with pytest.raises(CalibrationError, match="under another interpreter"):
            _check_interpreter(request(**hints))


def test_the_distance_to_oneself_is_none() -> None:
    """The file that holds ``int`` lies here where it lies here."""
    assert distance(os.getpid(), id(int)) == 0


def test_a_process_without_that_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has no such file in its memory runs another interpreter."""
    own = mappings("self")
    here = next(each for each in own if each.start <= id(int) < each.end)
    others = [each for each in own if each.file != here.file]
    monkeypatch.setattr(
        "bcd.ptrace.maps.mappings", lambda process: own if process == "self" else others
    )
    with pytest.raises(CalibrationError, match="process 5 does not run /"):
        distance(5, id(int))


def test_what_no_file_backs() -> None:
    """An address on the heap belongs to no file."""
    with pytest.raises(CalibrationError, match="no file backs the address"):
        distance(os.getpid(), id(object()))


@pytest.fixture
def dead() -> Iterator[tuple[int, Memory]]:
    """A process that was killed after its memory was opened, and that nobody has reaped yet."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as killed:
        descriptor = os.open(f"/proc/{killed.pid}/mem", os.O_RDONLY)
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        yield killed.pid, Memory(descriptor)
        os.close(descriptor)


class TestEnds:
    def test_before_it_is_read(self, dead: tuple[int, Memory]) -> None:
        """It is said in one line, whether its parent has asked for its status yet or not."""
        with pytest.raises(RequestError, match=f"process {dead[0]} has no program in its memory"):
            distance(dead[0], id(int))
        with pytest.raises(RequestError, match="process 4194000 ended before it could be read"):
            mappings(4194000)

    def test_while_it_is_read(self, dead: tuple[int, Memory]) -> None:
        """A note explains why so much is missing; of one that lives there is none."""
        made = from_arguments(["--faulted", str(dead[0]), "--output", "kept"])
        _note_end(made, dead[1], 0)
        assert made.notes == [
            f"Process {dead[0]} ended while it was read: what is missing was gone."
        ]
        made.notes.clear()
        descriptor = os.open("/proc/self/mem", os.O_RDONLY)
        _note_end(made, Memory(descriptor), 0)
        os.close(descriptor)
        assert made.notes == []
