"""The course of the tracer process, where it stops before it reads anything."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from bcd.ptrace.errors import CalibrationError, RequestError
from bcd.ptrace.main import _check_interpreter
from bcd.ptrace.maps import distance, mappings
from bcd.ptrace.request import Request


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
    monkeypatch.setattr(
        "bcd.ptrace.maps.mappings", lambda process: own if process == "self" else []
    )
    with pytest.raises(CalibrationError, match="process 5 does not run /"):
        distance(5, id(int))


def test_what_no_file_backs() -> None:
    """An address on the heap belongs to no file, and a process that is gone has none."""
    with pytest.raises(CalibrationError, match="no file backs the address"):
        distance(os.getpid(), id(object()))
    with pytest.raises(RequestError, match="/proc/4194000/maps: No such file"):
        mappings(4194000)
