"""Hold the state of this process still, so that a tracer can read it while the program goes on.

The best way is a copy-on-write copy of the process (``"frozen"``): it costs half a millisecond
for 22 MB of memory and 10 to 15 for 500 MB, and then nobody waits for the tracer. Where no copy
can be had, the tracer reads the process itself and the caller keeps the GIL until it is done
(``"gil-held"``).

No privilege is needed for either. Permission is checked when a memory file is opened, and a
process may open its own and that of its copy; the tracer inherits the open descriptor.
Source: ``proc_mem_open`` in Linux's ``fs/proc/base.c``.
"""

from __future__ import annotations

import math
import os
import weakref

from bcd import _linux
from bcd.errors import FreezeError

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["DEFAULT_LIMIT", "FrozenMemory", "freeze", "prepare"]

DEFAULT_LIMIT = 4 * 1024**3
"""Bytes in memory above which a process is not copied: the page tables take 75 ms at 4 GiB."""


class FrozenMemory:
    """The memory of this process as a tracer may read it; see :class:`bcd.tracer.Memory`.

    A process forked while it exists may call its methods: they then leave the copy alone, which
    belongs to the parent.

    Attributes:
        notes: Why the better way was not taken, one sentence each.
    """

    # Here for __del__, should an interrupt end __init__ at once.
    _owner = 0
    _closing: Iterable[object] = ()
    _ending: Iterable[object] = ()

    def __init__(self) -> None:
        _alive.add(weakref.ref(self, _alive.discard))
        self.notes: Sequence[str] = ()
        self._in_place = False
        self._opened: list[int] = []
        self._child = _linux.child_cell()
        self._owner = os.getpid()
        # Made before there is anything to undo: an interrupt cannot come in between.
        self._closing = _linux.closing(self._opened)
        self._ending = _linux.reaping(self._child)

    @property
    def descriptor(self) -> int:
        """Open for reading once frozen, the offset is the address; -1 once closed.

        Programs started later do not inherit it.
        """
        return self._opened[0] if self._opened and self._closing else -1

    @property
    def mode(self) -> str:
        """``"frozen"``, or ``"gil-held"`` where the descriptor is that of the process itself."""
        return "gil-held" if self._in_place else "frozen"

    @property
    def copy(self) -> int | None:
        """Process id of the copy while it exists."""
        return _linux.child_id(self._child)

    def close(self) -> None:
        """Close the descriptor; to be called once the tracer was started. Idempotent."""
        # Neither another thread nor a signal handler can come between the next two lines: there
        # is no call and no jump before list(), which does all the work (see bcd._linux).
        closing, self._closing = self._closing, ()
        list(closing)

    def release(self) -> None:
        """Close the descriptor, kill the copy and wait for its end. Idempotent, any thread."""
        self.close()
        if self.is_own():
            self._end_copy()

    def is_own(self) -> bool:
        """Whether it belongs to this process, and not to the one that this was forked from."""
        return self._owner == os.getpid()

    def leave(self) -> None:
        """Leave the copy to whoever reads it; it ends by itself all the same."""
        self._ending = ()

    def __del__(self) -> None:
        """Catch what an interrupt on the way into ``release`` left behind."""
        self.release()

    def reserve(self) -> None:
        """Take the number of the descriptor; raises ``OSError``. A part of :func:`prepare`."""
        _linux.take_number(self._opened)

    def take_copy(self, seconds: float) -> None:
        """Copy the process; raises ``OSError``. A part of :func:`freeze`."""
        _linux.copy_memory(max(1, math.ceil(seconds)), self._child, self.descriptor)

    def take_own(self) -> None:
        """Take the process itself instead; raises ``OSError``. A part of :func:`freeze`."""
        self._in_place = True
        self._end_copy()
        _linux.open_memory(self.descriptor)

    def _end_copy(self) -> None:
        ending, self._ending = self._ending, ()  # as in close()
        list(ending)


_alive: set[weakref.ref[FrozenMemory]] = set()


def _close_in_child() -> None:
    """Keep no descriptor of the parent's (rule 24); the thread that would close it is not here."""
    for reference in list(_alive):
        memory = reference()
        if memory is not None and not memory.is_own():
            memory.close()


os.register_at_fork(after_in_child=_close_in_child)


def prepare() -> FrozenMemory:
    """Get ready for :func:`freeze`: the memory has its descriptor's number, and nothing else.

    After the copy was made each page that is written to has to be copied, which makes the same
    steps take ten times as long, measured. So all that can be done before is to be done before.

    Returns:
        What is to be frozen; the caller has to ``release`` it.

    Raises:
        FreezeError: This interpreter cannot be read, or no descriptor is free.
    """
    reason = _linux.unavailable()
    if reason is not None:
        raise FreezeError(f"this process cannot be frozen, because {reason}: use another tracer")
    memory = FrozenMemory()
    try:
        memory.reserve()
    except OSError as error:
        raise FreezeError(
            f"the memory of this process could not be had: {error.strerror}; "
            f"{_linux.remedy(error, 'use another tracer')}"
        ) from error
    return memory


def freeze(
    memory: FrozenMemory | None = None, *, seconds: float, limit: int = DEFAULT_LIMIT
) -> FrozenMemory:
    """Take a picture of the memory of this process, at this moment.

    The copy is made in one call that keeps the GIL: in it every other thread of Python stands at
    the end of a bytecode, and the caller is the one that holds the GIL. Where ``mode`` is
    ``"gil-held"`` there is no such moment: the caller then has to wait for the tracer in one
    call that keeps the GIL, :func:`bcd._linux.poll`.

    Args:
        memory: From :func:`prepare`; None makes one.
        seconds: After which the copy ends by itself, should nobody release it; at least 1.
        limit: Bytes in memory above which no copy is made.

    Returns:
        What the tracer reads; the caller has to ``close`` and ``release`` it.

    Raises:
        FreezeError: Neither a copy nor the memory of the process itself could be had.
    """
    memory = prepare() if memory is None else memory
    try:
        _take(memory, seconds, limit)
    except BaseException:
        memory.release()
        raise
    return memory


def _take(memory: FrozenMemory, seconds: float, limit: int) -> None:
    refusal = _too_large(limit)
    if refusal is None:
        try:
            memory.take_copy(seconds)
        except OSError as error:
            refusal = f"no copy of the process could be made ({_said(error)})"
        else:
            return
    memory.notes = (f"The process was read in place and held meanwhile: {refusal}.",)
    try:
        memory.take_own()
    except OSError as error:
        otherwise = "mount /proc and allow the process to open /proc/self/mem"
        raise FreezeError(
            f"the memory of this process could not be had: {refusal}, and its own memory file "
            f"could not be opened ({_said(error)}); {_linux.remedy(error, otherwise)}, "
            "or use another tracer"
        ) from error


def _too_large(limit: int) -> str | None:
    resident = _linux.resident_bytes()
    if resident <= limit:
        return None
    mebibyte = 1024**2
    return f"it has {resident // mebibyte} MiB in memory, the limit is {limit // mebibyte} MiB"


def _said(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else f"clone: {error.strerror}"
