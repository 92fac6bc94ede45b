"""``atrace``: a trace that a coroutine waits for, while its event loop goes on."""

from __future__ import annotations

import time
from _thread import get_native_id
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from bcd.engine.attempt import GATE
from bcd.engine.background import start_thread
from bcd.engine.loops import bell, current_task
from bcd.engine.result import TraceResult
from bcd.engine.tracing import attempted, detached, in_own_thread, outcome, refused
from bcd.errors import Busy, KillError, TraceError

if TYPE_CHECKING:
    from bcd.engine.attempt import Attempt, Attributes
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["atrace"]


async def atrace(  # noqa: PLR0913 - all but the first three are options, given by name
    tracer: Tracer,
    error: BaseException | None = None,
    options: TraceOptions | None = None,
    *,
    wait: bool = True,
    detach: bool = False,
    attributes: Attributes = None,
) -> TraceResult:
    """Run a tracer on this process as :func:`bcd.trace` does, without blocking the event loop.

    A tracer of frozen memory that finds the slot free is started at once: the loop is held for
    the 2 to 3 ms of the freeze, and the snapshot shows the awaiting task as it stands here. All
    other waiting is done by a thread of bcd, never by the loop's executor; thread and task to
    blame are then still those of the caller.

    Cancelling the await raises at once, and the trace goes on as a detached one: it is logged,
    reaped, bounded by its time-out, and waited for by ``flush`` and by the end of the process.

    It works on asyncio, uvloop and trio, and so with AnyIO. On any other event loop nobody can
    be woken: it returns what is known when the trace was handed over, as with ``detach``. Where
    no thread can be had a trace that was started is waited for as by :func:`bcd.trace` with
    ``detach``, and any other is an error.

    Args:
        tracer: Makes the command.
        error: Adds its text, and its type where the options say so.
        options: Replace the tracer's defaults entirely.
        wait: Await the slot, within the time-out; otherwise as for ``trace``.
        detach: Return as soon as the tracer is started.
        attributes: As for ``trace``. A callable sees the caller's context variables, but may
            be called in another thread.

    Returns:
        What came of it.

    Raises:
        KillError: As for ``trace``.
    """
    started = time.monotonic()
    if not wait and not GATE.is_open():
        return refused(started)
    if hasattr(tracer, "finalize_memory") and GATE.is_open():
        attempt = attempted(tracer, error, started)
        if isinstance(attempt, TraceResult):
            return attempt
        result = await _begin_here(attempt, options, attributes, detach=detach)
        if not (wait and isinstance(result.error, Busy)):  # else another one was faster
            return result
    attempt = attempted(tracer, error, started)
    if isinstance(attempt, TraceResult):
        return attempt
    return await _begin_elsewhere(attempt, options, attributes, wait=wait, detach=detach)


class _Ending:
    """Brings what came of a trace from its thread to the coroutine that waits for it."""

    def __init__(self) -> None:
        self._bell = bell()
        self._told: TraceResult | KillError | None = None

    def tell(self, told: TraceResult | KillError) -> None:
        """Say what came of it, once, in any thread."""
        if self._told is None:
            self._told = told
            if self._bell is not None:
                self._bell.ring()

    async def wait(self, known: TraceResult) -> TraceResult:
        """Wait for that; where nothing can wake us, return what is known."""
        if self._bell is not None:
            cancellation = await self._bell.wait()
            if cancellation is not None:
                raise cancellation
        if isinstance(self._told, KillError):
            raise self._told
        return self._told or known


async def _begin_here(
    attempt: Attempt, options: TraceOptions | None, attributes: Attributes, *, detach: bool
) -> TraceResult:
    ending = _Ending()

    def work() -> TraceResult:
        attempt.begin(options, attributes, wait=False)
        return detached(attempt, None if detach else ending.tell)

    try:
        known = outcome(attempt, work)
    finally:
        if not attempt.adopted:
            attempt.end()
    return await ending.wait(known) if attempt.adopted and not detach else known


async def _begin_elsewhere(
    attempt: Attempt,
    options: TraceOptions | None,
    attributes: Attributes,
    *,
    wait: bool,
    detach: bool,
) -> TraceResult:
    ending = _Ending()
    context = copy_context()
    thread = get_native_id()
    task = current_task()  # kept alive, so that its address stays its own

    def work() -> TraceResult:
        address = None if task is None else id(task)
        begin = partial(attempt.begin, wait=wait, thread=thread, task=address)
        context.run(begin, options, attributes)
        if detach:
            ending.tell(attempt.result())
        return attempt.conclude(may_raise=not detach)

    if not start_thread(attempt, partial(in_own_thread, attempt, work, ending.tell)):
        attempt.end()
        failure = TraceError(
            "no thread can be started to wait for the tracer: raise the limit of threads; "
            "none can be while the interpreter ends"
        )
        attempt.log(failure)
        return attempt.result(failure)
    return await ending.wait(attempt.result())
