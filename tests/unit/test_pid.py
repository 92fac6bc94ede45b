"""The id of this process is right in every child, from its first moment on."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from bcd import _pid
from bcd._pid import own_pid

if TYPE_CHECKING:
    import pytest


def told_by_child(read_end: int) -> list[str]:
    """What a child has written into a pipe."""
    with os.fdopen(read_end) as pipe:
        return pipe.read().split()


def test_is_that_of_the_process() -> None:
    """At first and later."""
    assert [own_pid(), own_pid()] == [os.getpid()] * 2


def test_is_right_in_a_forked_child_and_in_its_child() -> None:
    """Also where the parent had asked before, and goes on (trap 1)."""
    own_pid()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        os.write(write_end, f"{int(own_pid() == os.getpid())} ".encode())
        if grandchild:
            os.waitpid(grandchild, 0)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write_end)
    assert told_by_child(read_end) == ["1", "1"]
    assert own_pid() == os.getpid()


def test_needs_no_handler_of_forks() -> None:
    """Before any handler of the program runs in the child, the page is empty (trap 1)."""
    page = _pid._page()
    assert page is not None, "this kernel cannot empty memory in a child"
    page[0] = 1
    child = os.fork()
    if child == 0:
        os._exit(page[0])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert page[0] == 1


def test_asks_the_kernel_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on other systems, and under a filter that refuses the call."""
    monkeypatch.setattr(_pid, "_WIPE_ON_FORK", -1)
    assert _pid._page() is None
    monkeypatch.setattr(mmap, "mmap", None)
    monkeypatch.setattr(_pid, "_kept", None)
    assert own_pid() == os.getpid()
