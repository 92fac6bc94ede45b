"""Run tracers on this process: one at a time, rate-limited, timed out.

The engine decides whether and when a tracer runs. It knows no file format and no hook.
"""

from bcd.engine.awaiting import atrace
from bcd.engine.background import flush
from bcd.engine.loops import current_task, in_thread, on_event_loop
from bcd.engine.result import TraceResult
from bcd.engine.tracing import is_open, open_for, trace
from bcd.engine.wording import error_text, plain, type_name

__all__ = [
    "TraceResult",
    "atrace",
    "current_task",
    "error_text",
    "flush",
    "in_thread",
    "is_open",
    "on_event_loop",
    "open_for",
    "plain",
    "trace",
    "type_name",
]
