"""``trace``: run a tracer on this process, now or in the background."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from bcd.engine import background
from bcd.engine.attempt import GATE, Attempt, Dropped, busy
from bcd.engine.background import is_ending, start_thread
from bcd.engine.result import TraceResult
from bcd.errors import KillError, TraceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.engine.attempt import Attributes
    from bcd.tracer import TraceOptions, Tracer

__all__ = [
    "attempted",
    "detached",
    "in_own_thread",
    "is_open",
    "open_for",
    "outcome",
    "refused",
    "trace",
]

_INLINE_SECONDS = 10.0  # the longest wait for a tracer that was to be detached and could not


def trace(  # noqa: PLR0913 - all but the first three are options, given by name
    tracer: Tracer,
    error: BaseException | None = None,
    options: TraceOptions | None = None,
    *,
    wait: bool = True,
    detach: bool = False,
    attributes: Attributes = None,
    thread: int | None = None,
    task: int | None = None,
) -> TraceResult:
    """Run a tracer on this process.

    One tracer runs at a time, and not oftener than the rate limit allows. Safe to call from any
    thread, and in a forked child, which has a slot of its own. What goes wrong is in the result
    and in the tracer's log.

    A trace that was started is completed or killed, whatever the program does: the time-out
    holds for a detached one too, and a thread of bcd reaps the tracer, logs what went wrong and
    gives the slot back. The end of the process waits for it, at most 2 s, and for nobody's
    turn. A tracer that is later still, or whose process ends by ``os._exit`` or a signal, goes
    on alone where it reads a frozen copy; one that reads the live process fails.

    Args:
        tracer: Makes the command.
        error: Adds its text, and its type where the options say so.
        options: Replace the tracer's defaults entirely.
        wait: Wait for the slot, within the time-out; otherwise a slot that is not free is at
            once an error of type :class:`bcd.errors.Busy`, which is not logged.
        detach: Return as soon as the tracer is started, and let it be waited for elsewhere.
            The result then tells only whether it was started. Where no thread can be had, it
            is waited for after all: at most 10 s, and 2 s while the interpreter ends.
        attributes: Key-values to add after the classifications. A callable is called once the
            slot was won, so this is where costly ones are made; if it returns None the trace is
            dropped, which costs no rate limit.
        thread: Native id of the thread in trouble; None means the calling one (rule 8).
        task: ``id()`` of the asyncio task in trouble; None means the one that the calling
            thread runs, unless ``thread`` is another. Only with ``faulted``, and for a tracer
            that is a :class:`bcd.tracer.TaskTracer`.

    Returns:
        What came of it.

    Raises:
        KillError: The tracer ran too long and could not be killed; only with
            ``raise_on_kill_failure`` and without ``detach`` (rule 22).
    """
    started = time.monotonic()
    if not wait and not GATE.is_open():
        return refused(started)
    attempt = attempted(tracer, error, started)
    if isinstance(attempt, TraceResult):
        return attempt

    def work() -> TraceResult:
        attempt.begin(options, attributes, wait=wait, thread=thread, task=task)
        return detached(attempt) if detach else attempt.conclude()

    try:
        return outcome(attempt, work)
    finally:
        if not attempt.adopted:
            attempt.end()


is_open = GATE.is_open
"""Whether a tracer may run now: none runs or waits, and the rate limit is over."""


def open_for() -> float:
    """For how many seconds the rate limit has been over; infinite if nothing was traced yet."""
    return GATE.open_for()


def refused(started: float) -> TraceResult:
    """The result for a caller who would not wait for a slot that is not free."""
    passed = time.monotonic() - started
    return TraceResult(error=busy(), duration=passed, held=passed)


def attempted(tracer: Tracer, error: BaseException | None, started: float) -> Attempt | TraceResult:
    """Make an attempt; the result where there is no memory even for that."""
    try:
        return Attempt(tracer, error, started)
    except Exception as failure:  # noqa: BLE001 - what happens here is told, never raised
        return TraceResult(error=_told(failure))


def outcome(attempt: Attempt, work: Callable[[], TraceResult]) -> TraceResult:
    """Do a part of a trace: what goes wrong is told and logged, and not raised.

    Raises:
        KillError: As for ``trace``.
    """
    try:
        return work()
    except Dropped:
        return attempt.result(dropped=True)
    except KillError:
        raise
    except Exception as failure:  # noqa: BLE001 - what happens here is told, never raised
        told = _told(failure)
        attempt.log(told)
        return attempt.result(told)


def _told(failure: Exception) -> TraceError:
    if isinstance(failure, TraceError):
        return failure
    if isinstance(failure, MemoryError):
        return TraceError("the program is out of memory, so the trace was given up")
    return TraceError(f"bcd itself failed, please report it: {failure!r}")


def detached(
    attempt: Attempt, tell: Callable[[TraceResult | KillError], None] | None = None
) -> TraceResult:
    """Let a thread of its own conclude.

    Only one of them waits for a tracer, as there is only one slot; others may upload.

    Args:
        attempt: It has begun.
        tell: Is given what came of it, in that thread; None for a trace without a caller.

    Returns:
        What is known now; the final result where no thread can be started.
    """
    work = partial(attempt.conclude, may_raise=tell is not None)
    if start_thread(attempt, partial(in_own_thread, attempt, work, tell)):
        return attempt.result()
    if is_ending():
        return attempt.leave(background.EXIT_SECONDS)
    return attempt.conclude(time.monotonic() + _INLINE_SECONDS)


def in_own_thread(
    attempt: Attempt,
    work: Callable[[], TraceResult],
    tell: Callable[[TraceResult | KillError], None] | None,
) -> None:
    """Do the rest of a trace, end it, and tell what came of it."""
    told: TraceResult | KillError
    try:
        told = outcome(attempt, work)
    except KillError as failure:
        told = failure
    finally:
        attempt.end()
    if tell is not None:
        tell(told)
