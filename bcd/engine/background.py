"""What goes on without its caller: threads that conclude, ``flush``, and the end of the process.

No record has to be cleaned in a forked child: what belongs to another process is passed over
(rule 24), so nothing depends on the order of the at-fork handlers.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
import time
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from bcd import _greenlets, _linux
from bcd.config import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from bcd.engine.attempt import Attempt

__all__ = ["EXIT_SECONDS", "flush", "is_ending", "may_start", "note", "start_thread"]

EXIT_SECONDS = 2.0
"""How long the end of the process waits for tracers that were started."""

_LONGEST_WAIT = 3600.0  # seconds; a lock does not take an infinite one

_attempts: set[weakref.ref[Attempt]] = set()
_ended_by: tuple[int, int] | None = None
"""The process that ends and the thread that ends it."""


def flush(timeout: float | timedelta | None = None) -> bool:
    """Wait for the traces of this process that are under way in other threads.

    That is each trace that was detached or is awaited, and each that another thread waits for,
    also where it still waits for its turn. Traces that begin later are not waited for.

    Args:
        timeout: Seconds; 0 or less only looks. None waits as long as it takes, which the
            time-out of each trace bounds.

    Returns:
        True when none of them is under way any more: each has its snapshot or has logged why
        not, and its tracer was reaped.

    Raises:
        ConfigError: ``timeout`` is no duration.
    """
    end = math.inf if timeout is None else time.monotonic() + seconds("timeout", timeout)
    return _wait(_under_way(), end)


def note(attempt: Attempt) -> None:
    """Let ``flush`` and the end of the process know of an attempt, as long as it is alive."""
    _attempts.add(weakref.ref(attempt, _attempts.discard))
    if "multiprocessing.util" in sys.modules:
        _note_exit_of_worker()


def start_thread(attempt: Attempt, work: Callable[[], None]) -> bool:
    """Let a thread of its own go on with an attempt, which has to ``end`` it.

    It is no thread of ``threading``: the program neither sees it nor waits for it.

    Returns:
        False when no thread can be started: their number is limited, or the interpreter ends.
    """
    if is_ending():  # Python 3.11 would start one that never gets to its end
        return False
    attempt.hand_over()
    starting = partial(_greenlets.start_new_thread, work, ())
    noting = partial(setattr, attempt, "adopted", True)  # noqa: FBT003 - setattr takes it so
    try:
        _linux.in_one_call((starting, noting))  # no interrupt can come between the two
    except RuntimeError:
        return False
    return True


def is_ending() -> bool:
    """Whether the interpreter is about to end: its main thread has done so."""
    threading = sys.modules.get("threading")
    return sys.is_finalizing() or (threading is not None and not threading.main_thread().is_alive())


def may_start() -> bool:
    """Whether the calling thread may start a tracer; asked once it has the slot.

    A thread that the end of the process cuts off in the middle would leave the frozen copy
    behind, and with the copy every open socket, for as long as it lives.
    """
    return _ended_by in (None, _here()) or _ended_by[0] != os.getpid()


def _here() -> tuple[int, int]:
    return os.getpid(), _greenlets.get_ident()


def _under_way() -> list[Attempt]:
    """The attempts of this process, without those further up in the calls of this thread."""
    process, caller = os.getpid(), _greenlets.identity()
    known = (reference() for reference in list(_attempts))
    return [each for each in known if each and each.owner == process and each.caller != caller]


def _wait(attempts: Iterable[Attempt], end: float) -> bool:
    return all(_is_over(attempt, end) for attempt in attempts)


def _is_over(attempt: Attempt, end: float) -> bool:
    while not _greenlets.acquire(attempt.done, min(end, time.monotonic() + _LONGEST_WAIT)):
        if time.monotonic() >= end:
            return False
    attempt.done.release()
    return True


def _wait_at_exit() -> None:
    """Wait for what was started, but for nobody's turn (rule 24); what is late goes on alone.

    Whoever presses Ctrl-C here wants the end, and a handler that raises is not to be told on
    stderr: neither changes the exit status of the program.
    """
    global _ended_by  # noqa: PLW0603 - one for the process
    with suppress(BaseException):
        _ended_by = _here()  # first: whoever has the slot and did not see it is waited for
        started = [attempt for attempt in _under_way() if attempt.has_started()]
        _wait(started, time.monotonic() + EXIT_SECONDS)


atexit.register(_wait_at_exit)

_worker = 0


def _note_exit_of_worker() -> None:
    """A child of ``multiprocessing`` may end without ``atexit``; it has an exit of its own."""
    global _worker  # noqa: PLW0603 - once in each process
    if _worker == os.getpid():
        return
    _worker = os.getpid()
    with suppress(Exception):  # it is being imported, or was replaced
        if sys.modules["multiprocessing.process"].parent_process() is not None:
            sys.modules["multiprocessing.util"].Finalize(None, _wait_at_exit, exitpriority=0)
