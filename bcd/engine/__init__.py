"""Run tracers on this process: one at a time, rate-limited, timed out.

The engine decides whether and when a tracer runs. It knows no file format and no hook.
"""

from bcd.engine.result import TraceResult
from bcd.engine.tracing import flush, is_open, trace
from bcd.engine.wording import error_text, plain, type_name

__all__ = ["TraceResult", "error_text", "flush", "is_open", "plain", "trace", "type_name"]
