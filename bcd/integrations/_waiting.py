"""For tracers that read the live process: somebody has to wait for them, bounded.

On an event loop that is a coroutine, while a thread of its own runs the trace: not one of the
default executor, which would delay the end of the loop.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bcd import _greenlets

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["LONGEST_WAIT", "hurried", "in_thread"]

LONGEST_WAIT = 10.0
"""Seconds that a request is held for a tracer that cannot work on a frozen copy."""


def hurried(options: TraceOptions | None, tracer: Tracer) -> TraceOptions:
    """The options, or the tracer's own, with a time-out of at most 10 s."""
    options = tracer.default_trace_options() if options is None else options
    timeout = options.timeout
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    return options if 0 < seconds <= LONGEST_WAIT else replace(options, timeout=LONGEST_WAIT)


async def in_thread(work: Callable[[], None]) -> None:
    """Run work that raises nothing in a new thread, and wait for it.

    Returns early when the waiting is cancelled; the work goes on. Where no asyncio loop runs
    (trio) nobody waits.
    """
    import asyncio  # a WSGI program may have no use for it

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _greenlets.start_new_thread(work, ())
        return
    done = loop.create_future()

    def run() -> None:
        try:
            work()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_settle, done)

    _greenlets.start_new_thread(run, ())  # unlike Thread.start it does not wait for the thread
    with contextlib.suppress(asyncio.CancelledError):
        await done


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
