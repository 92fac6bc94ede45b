"""For tracers that read the live process: somebody has to wait for them, bounded."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["LONGEST_WAIT", "hurried"]

LONGEST_WAIT = 10.0
"""Seconds that a request is held for a tracer that cannot work on a frozen copy."""

_SHORTEST_WAIT = 0.05
_SINGLE_THREADED = "gunicorn.workers.sync"


def hurried(options: TraceOptions | None, tracer: Tracer) -> TraceOptions:
    """The options, or the tracer's own, with a time-out that the calling thread can wait for.

    That is 10 s, or half of what the server leaves it, so that there is time for the answer.
    """
    options = tracer.default_trace_options() if options is None else options
    timeout = options.timeout
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    longest = min(LONGEST_WAIT, _bearable())
    return options if 0 < seconds <= longest else replace(options, timeout=longest)


def _bearable() -> float:
    """Half of what the server leaves, in seconds; infinite where it does not matter."""
    with suppress(Exception):  # another server of that name
        return max(_SHORTEST_WAIT, _left_by_server(sys._getframe()) / 2)  # noqa: SLF001 - as inspect does
    return float("inf")


def _left_by_server(frame: FrameType | None) -> float:
    """Seconds until the server ends the process because it does not answer.

    gunicorn's worker for one request at a time tells its master between two requests that it
    lives. All others do so in another thread or greenlet.

    Source: gunicorn/arbiter.py, 20.1 to 27: ``murder_workers``.
    """
    while frame is not None:
        if frame.f_globals.get("__name__") == _SINGLE_THREADED:
            worker: Any = frame.f_locals["self"]
            if not worker.cfg.timeout:
                break
            return float(worker.cfg.timeout + worker.tmp.last_update() - time.monotonic())
        frame = frame.f_back
    return float("inf")
