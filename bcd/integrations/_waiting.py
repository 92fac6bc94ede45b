"""For tracers that read the live process: somebody has to wait for them, bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["LONGEST_WAIT", "hurried"]

LONGEST_WAIT = 10.0
"""Seconds that a request is held for a tracer that cannot work on a frozen copy."""


def hurried(options: TraceOptions | None, tracer: Tracer) -> TraceOptions:
    """The options, or the tracer's own, with a time-out of at most 10 s."""
    options = tracer.default_trace_options() if options is None else options
    timeout = options.timeout
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    return options if 0 < seconds <= LONGEST_WAIT else replace(options, timeout=LONGEST_WAIT)
