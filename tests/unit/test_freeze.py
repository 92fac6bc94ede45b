"""Freezing: what is taken, what stands in for it, and how it is given back."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcd import _linux
from bcd.errors import FreezeError
from bcd.freeze import FrozenMemory, freeze, prepare
from tests.leftovers import children, nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left(at_once=True):
        yield


class TestFrozen:
    def test_says_what_it_is(self) -> None:
        """A copy has mode "frozen", a process id and no notes."""
        memory = freeze(seconds=30)
        assert (memory.mode, tuple(memory.notes)) == ("frozen", ())
        assert memory.copy is not None
        assert memory.copy in children()
        memory.release()

    def test_programs_do_not_inherit_the_descriptor(self) -> None:
        """The descriptor is close-on-exec, like everything that Python opens."""
        memory = freeze(seconds=30)
        assert not os.get_inheritable(memory.descriptor)
        assert stat.S_ISREG(os.fstat(memory.descriptor).st_mode)
        memory.release()

    def test_close_keeps_the_copy(self) -> None:
        """The descriptor goes as soon as the tracer has its own; the copy goes later."""
        memory = freeze(seconds=30)
        memory.close()
        assert memory.descriptor == -1
        assert memory.copy is not None
        memory.release()
        assert memory.copy is None

    def test_giving_back_twice_closes_nothing_of_others(self) -> None:
        """A second close or release leaves a descriptor of the same number alone."""
        memory = freeze(seconds=30)
        number = memory.descriptor
        memory.close()
        other = os.open(os.devnull, os.O_RDONLY)
        assert other == number, "the number has to be taken again for this test to tell"
        memory.close()
        memory.release()
        memory.release()
        os.close(other)

    def test_dropping_it_is_enough(self) -> None:
        """An object that nobody released gives everything back when it goes."""
        freeze(seconds=30)

    @pytest.mark.parametrize("seconds", [0, -5, 0.2])
    def test_short_times_last_a_second(self, seconds: float) -> None:
        """A copy always lives long enough to be opened."""
        memory = freeze(seconds=seconds)
        assert memory.mode == "frozen"
        memory.release()


class TestPrepared:
    def test_the_number_of_the_descriptor_is_known_before(self) -> None:
        """A tracer can be made ready for it; until then nothing can be read from it."""
        memory = prepare()
        number = memory.descriptor
        assert (memory.mode, memory.copy) == ("frozen", None)
        assert not os.get_inheritable(number)
        with pytest.raises(OSError, match="Invalid argument"):
            os.read(number, 1)
        assert freeze(memory, seconds=30) is memory
        assert memory.descriptor == number
        address = id(object)
        assert os.pread(number, 8, address) == ctypes.string_at(address, 8)
        memory.release()

    def test_what_was_never_frozen_is_given_back(self) -> None:
        """An object that was only prepared keeps no descriptor when it goes."""
        prepare()

    def test_without_a_free_descriptor_the_limit_is_named(self) -> None:
        """The error says what to raise."""
        code = (
            "import resource\n"
            "from bcd import errors, freeze\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
            "try:\n"
            "    freeze.prepare()\n"
            "except errors.FreezeError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert b"Too many open files; raise the limit on open files" in done.stdout


class TestInPlace:
    def test_a_large_process_is_not_copied(self) -> None:
        """Above the limit the process itself is read, and a note tells both sizes."""
        memory = freeze(seconds=30, limit=1024**2)
        assert (memory.mode, memory.copy) == ("gil-held", None)
        assert memory.notes[0].startswith("The process was read in place and held meanwhile: ")
        assert memory.notes[0].endswith("the limit is 1 MiB.")
        opened = Path(f"/proc/self/fd/{memory.descriptor}").readlink()
        assert opened == Path(f"/proc/{os.getpid()}/mem")
        memory.release()

    def test_a_copy_that_cannot_be_opened_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where only the copy's memory is refused, no copy is left and the note says why."""
        genuine = _linux.copy_memory

        def refuse(seconds: int, child: ctypes.c_int, number: int) -> None:
            genuine(seconds, child, number)
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), f"/proc/{child.value}/mem")

        monkeypatch.setattr(_linux, "copy_memory", refuse)
        memory = freeze(seconds=30)
        assert (memory.mode, memory.copy) == ("gil-held", None)
        assert "mem: Permission denied" in memory.notes[0]
        memory.release()


class TestFailure:
    def test_an_unsuitable_interpreter_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where bcd cannot read memory at all, the error says why."""
        monkeypatch.setattr(_linux, "unavailable", lambda: "this is a toaster")
        with pytest.raises(FreezeError, match=r"because this is a toaster: use another tracer"):
            freeze(seconds=30)

    def test_an_interrupt_once_there_is_a_copy_leaves_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A Ctrl-C when the copy exists already passes through, and the copy is ended."""
        genuine = _linux.copy_memory
        copies: list[int | None] = []

        def interrupt(seconds: int, child: ctypes.c_int, number: int) -> None:
            genuine(seconds, child, number)
            copies.append(child.value)
            raise KeyboardInterrupt

        monkeypatch.setattr(_linux, "copy_memory", interrupt)
        with pytest.raises(KeyboardInterrupt):
            freeze(seconds=30)
        assert copies[0] is not None
        assert not Path(f"/proc/{copies[0]}").exists()

    def test_an_interrupt_before_the_copy_passes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An object with nothing in it is given back without harm."""

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(_linux, "copy_memory", interrupt)
        with pytest.raises(KeyboardInterrupt):
            freeze(seconds=30)

    def test_an_object_that_was_never_filled(self) -> None:
        """Releasing it kills nobody: there is no process of its number."""
        memory = FrozenMemory()
        assert (memory.descriptor, memory.copy) == (-1, None)
        memory.release()
