"""``trace`` and ``flush``: run a tracer on this process, now or in the background."""

from __future__ import annotations

import math
import os
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from bcd import _greenlets, _linux
from bcd.engine.attempt import GATE, Attempt, Dropped, busy
from bcd.engine.result import TraceResult
from bcd.errors import KillError, TraceError

if TYPE_CHECKING:
    from bcd.engine.attempt import Attributes
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["flush", "is_open", "trace"]

_INLINE_SECONDS = 10.0  # the longest wait for a tracer that was to be detached and could not
_LONGEST_WAIT = 3600.0  # seconds; a lock does not take an infinite one


def trace(  # noqa: PLR0913 - all but the first three are options, given by name
    tracer: Tracer,
    error: BaseException | None = None,
    options: TraceOptions | None = None,
    *,
    wait: bool = True,
    detach: bool = False,
    attributes: Attributes = None,
    thread: int | None = None,
) -> TraceResult:
    """Run a tracer on this process.

    One tracer runs at a time, and not oftener than the rate limit allows. Safe to call from any
    thread. What goes wrong is in the result and in the tracer's log.

    Args:
        tracer: Makes the command.
        error: Adds its text, and its type where the options say so.
        options: Replace the tracer's defaults entirely.
        wait: Wait for the slot, within the time-out; otherwise a slot that is not free is at
            once an error of type :class:`bcd.errors.Busy`.
        detach: Return as soon as the tracer is started, and let it be waited for elsewhere.
        attributes: Key-values to add after the classifications. A callable is called once the
            slot was won, so this is where costly ones are made; if it returns None the trace is
            dropped, which costs no rate limit.
        thread: Native id of the thread in trouble; None means the calling one (rule 8).

    Returns:
        What came of it.

    Raises:
        KillError: The tracer ran too long and could not be killed; only with
            ``raise_on_kill_failure`` and without ``detach`` (rule 22).
    """
    started = time.monotonic()
    if not wait and not GATE.is_open():
        passed = time.monotonic() - started
        return TraceResult(error=busy(), duration=passed, held=passed)
    try:
        attempt = Attempt(tracer, error, started)
    except Exception as failure:  # noqa: BLE001 - there is no memory even for this
        return TraceResult(error=_told(failure))
    try:
        attempt.begin(options, attributes, wait=wait, thread=thread)
        if detach and _detach(attempt):
            return attempt.result()
        latest = time.monotonic() + _INLINE_SECONDS if detach else math.inf
        return attempt.conclude(latest)
    except Dropped:
        return attempt.result(dropped=True)
    except KillError:
        raise
    except Exception as failure:  # noqa: BLE001 - what happens here is told, never raised
        return _failed(attempt, failure)
    finally:
        if not attempt.adopted:
            with suppress(Exception):  # its finalizer tries once more
                attempt.finish()


def is_open() -> bool:
    """Whether a trace that starts now would find the slot free and the rate limit over."""
    return GATE.is_open()


def flush(timeout: float) -> bool:
    """Wait for the traces that were detached.

    Args:
        timeout: Seconds; 0 or less only looks.

    Returns:
        True when none is under way any more.
    """
    end = time.monotonic() + min(timeout, _LONGEST_WAIT)
    for attempt in list(_under_way):
        if not _greenlets.acquire(attempt.done, end):
            return False
        attempt.done.release()
    return True


_under_way: set[Attempt] = set()
os.register_at_fork(after_in_child=_under_way.clear)  # they are the parent's (rule 24)


def _failed(attempt: Attempt, failure: Exception) -> TraceResult:
    told = _told(failure)
    attempt.log(told)
    return attempt.result(told)


def _told(failure: Exception) -> TraceError:
    if isinstance(failure, TraceError):
        return failure
    if isinstance(failure, MemoryError):
        return TraceError("the program is out of memory, so the trace was given up")
    return TraceError(f"bcd itself failed, please report it: {failure!r}")


def _detach(attempt: Attempt) -> bool:
    """Let a thread of its own conclude.

    Only one of them waits for a tracer, as there is only one slot; others may upload.

    Returns:
        False when no thread can be started: their number is limited, or the interpreter ends.
    """
    if sys.is_finalizing():  # Python 3.11 would start one that never runs
        return False
    attempt.hand_over()
    starting = partial(_greenlets.start_new_thread, _conclude, (attempt,))
    noting = partial(setattr, attempt, "adopted", True)  # noqa: FBT003 - setattr takes it so
    try:
        _under_way.add(attempt)
        _linux.in_one_call((starting, noting))  # no interrupt can come between the two
    except RuntimeError:
        return False
    finally:
        if not attempt.adopted:
            _under_way.discard(attempt)
    return True


def _conclude(attempt: Attempt) -> None:
    try:
        attempt.conclude(may_raise=False)
    except Exception as failure:  # noqa: BLE001 - there is nobody to raise it to
        _failed(attempt, failure)
    finally:
        _under_way.discard(attempt)
        attempt.done.release()
