"""The tracers that come with bcd, and the one that is used when a hook is given none."""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from bcd.tracer import Tracer

__all__ = ["default_tracer", "set_default_tracer"]

# One key, read and replaced by one call of C, so there is no lock that a fork could leave locked.
_default: dict[str, Tracer] = {}


def default_tracer() -> Tracer:
    """The tracer of every hook that is given none; made when needed, and then always the same.

    Returns:
        What :func:`set_default_tracer` was given last; else what ``bcd.init`` or ``BCD_TRACER``
        says; else Backtrace's program where it is installed, unless something was set that only
        ``PythonTracer`` knows; else a ``PythonTracer``.
    """
    try:
        return _default["tracer"]
    except KeyError:
        from bcd.tracers._choice import make_or_make_do  # it loads what a trace needs

        return _default.setdefault("tracer", make_or_make_do())


def set_default_tracer(tracer: Tracer | None) -> None:
    """Let hooks that are given no tracer use this one; None restores what the settings say."""
    if tracer is None:
        _default.pop("tracer", None)
    else:
        _default["tracer"] = tracer
