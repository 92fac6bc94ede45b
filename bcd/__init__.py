"""bcd shows what a Python service looked like at the moment it went wrong.

An error makes bcd run a *tracer* on the program: a separate program that writes a *snapshot*
of the exception with all its frames and variables, every thread and every asyncio task.

The public names are loaded when they are first used, so that ``import bcd`` costs nothing.
"""

from __future__ import annotations

import sys

from bcd._version import __version__

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd._linux import enable_tracing as enable_tracing
    from bcd.config import GlobalConfig as GlobalConfig
    from bcd.config import update_config as update_config
    from bcd.engine import TraceResult as TraceResult
    from bcd.engine import atrace as atrace
    from bcd.engine import flush as flush
    from bcd.engine import trace as trace
    from bcd.errors import BcdError as BcdError
    from bcd.errors import ConfigError as ConfigError
    from bcd.errors import SignalError as SignalError
    from bcd.errors import SnapshotError as SnapshotError
    from bcd.errors import TraceError as TraceError
    from bcd.integrations.handled import Captured as Captured
    from bcd.integrations.handled import capture as capture
    from bcd.recover import recover as recover
    from bcd.scope.attributes import set_attribute as set_attribute
    from bcd.signals import register as register
    from bcd.signals import unregister as unregister
    from bcd.startup import init as init
    from bcd.tracer import Command as Command
    from bcd.tracer import Log as Log
    from bcd.tracer import LogPriority as LogPriority
    from bcd.tracer import Memory as Memory
    from bcd.tracer import MemoryTracer as MemoryTracer
    from bcd.tracer import TraceOptions as TraceOptions
    from bcd.tracer import Tracer as Tracer
    from bcd.tracer import TracerSig as TracerSig
    from bcd.tracers._log import LoggingLog as LoggingLog
    from bcd.tracers.backtrace import BTTracer as BTTracer
    from bcd.tracers.gcore import GcoreTracer as GcoreTracer
    from bcd.tracers.pyspy import PySpyTracer as PySpyTracer
    from bcd.tracers.pystack import PystackTracer as PystackTracer
    from bcd.tracers.python import PythonTracer as PythonTracer

_HOME = {
    "enable_tracing": "bcd._linux",
    "GlobalConfig": "bcd.config",
    "update_config": "bcd.config",
    "TraceResult": "bcd.engine",
    "atrace": "bcd.engine",
    "flush": "bcd.engine",
    "trace": "bcd.engine",
    "BcdError": "bcd.errors",
    "ConfigError": "bcd.errors",
    "SignalError": "bcd.errors",
    "SnapshotError": "bcd.errors",
    "TraceError": "bcd.errors",
    "Captured": "bcd.integrations.handled",
    "capture": "bcd.integrations.handled",
    "recover": "bcd.recover",
    "set_attribute": "bcd.scope.attributes",
    "register": "bcd.signals",
    "unregister": "bcd.signals",
    "init": "bcd.startup",
    "Command": "bcd.tracer",
    "Log": "bcd.tracer",
    "LogPriority": "bcd.tracer",
    "Memory": "bcd.tracer",
    "MemoryTracer": "bcd.tracer",
    "TraceOptions": "bcd.tracer",
    "Tracer": "bcd.tracer",
    "TracerSig": "bcd.tracer",
    "LoggingLog": "bcd.tracers._log",
    "BTTracer": "bcd.tracers.backtrace",
    "GcoreTracer": "bcd.tracers.gcore",
    "PySpyTracer": "bcd.tracers.pyspy",
    "PystackTracer": "bcd.tracers.pystack",
    "PythonTracer": "bcd.tracers.python",
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604 - mypy and ruff see the names above


def __getattr__(name: str) -> object:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'bcd' has no attribute {name!r}") from None
    from importlib import import_module  # only when a name is first used

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(type(sys)):  # type: ignore[misc]  # the type of modules
    """Keeps the public names: importing ``bcd.recover`` would put the module in its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _HOME and isinstance(value, type(sys)):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
