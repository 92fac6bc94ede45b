"""The tracers that come with bcd, and the one that is used when a hook is given none."""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from bcd.tracer import Tracer

__all__ = ["default_tracer", "set_default_tracer"]

_default: Tracer | None = None


def default_tracer() -> Tracer:
    """The tracer of every hook that is given none: one shared ``PythonTracer``, made when needed.

    Returns:
        What :func:`set_default_tracer` was given last, or always the same ``PythonTracer``.
    """
    global _default  # noqa: PLW0603 - the one value of the process
    if _default is None:
        from bcd.tracers.python import PythonTracer  # it loads what a trace needs

        made = PythonTracer()
        if _default is None:  # no other thread made one meanwhile
            _default = made
    return _default


def set_default_tracer(tracer: Tracer | None) -> None:
    """Let hooks that are given no tracer use this one; None restores bcd's own."""
    global _default  # noqa: PLW0603 - the one value of the process
    _default = tracer
