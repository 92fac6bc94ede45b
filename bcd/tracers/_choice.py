"""Make the tracer that the settings of the process ask for."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bcd.notice import notice
from bcd.settings import current_settings
from bcd.tracers import backtrace
from bcd.tracers.python import PythonTracer

if TYPE_CHECKING:
    from bcd.settings import Settings
    from bcd.tracer import Tracer

__all__ = ["make", "make_or_make_do"]

_OF_TOOLS = {"pyspy": "PySpyTracer", "pystack": "PystackTracer", "gcore": "GcoreTracer"}


def make(settings: Settings) -> Tracer:
    """Make the tracer, or take the one that was given.

    Raises:
        ConfigError: It cannot be made here.
    """
    asked = settings.tracer or _best(settings)
    if not isinstance(asked, str):
        return asked
    tracer = _made(asked, settings)
    if settings.timeout:  # 0 is the tracer's own (rule 14)
        tracer.default_trace_options().timeout = settings.timeout
    return tracer


def make_or_make_do() -> Tracer:
    """Make the tracer of the current settings, or bcd's own with a line that says why."""
    try:
        return make(current_settings())
    except Exception as problem:  # noqa: BLE001 - a program that never called init expects none
        notice(f"{problem}; PythonTracer is used instead")
        return PythonTracer()


def _best(settings: Settings) -> str:
    """Backtrace's where it is installed, unless that would lose what was set for bcd's own."""
    for_python = (
        settings.redact,
        settings.reveal,
        settings.limits,
        settings.folder,
        settings.python,
    )
    installed = os.path.isfile(backtrace.PROGRAM) and os.access(backtrace.PROGRAM, os.X_OK)  # noqa: PTH113 - pathlib takes 10 ms to load
    return "backtrace" if installed and not any(for_python) else "python"


def _made(asked: str, settings: Settings) -> Tracer:
    shared: dict[str, Any] = {
        name: getattr(settings, name) for name in ("folder", "python", "redact", "reveal")
    }
    if asked == "python":
        return PythonTracer(limits=settings.limits, **shared)
    if asked == "backtrace":
        return backtrace.BTTracer()
    if asked in _OF_TOOLS:  # each is loaded only where it is asked for
        tracer: Tracer = getattr(import_module(f"bcd.tracers.{asked}"), _OF_TOOLS[asked])(**shared)
        return tracer
    return backtrace.BTTracer(path=asked)
