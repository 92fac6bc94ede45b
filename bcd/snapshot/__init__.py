"""The snapshot as data: what the tracer process writes and the store and the reports read.

The public names are loaded when they are first used: the tracer process needs only
:mod:`bcd.snapshot.format` and must not pay for dataclasses, json or typing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own constant would load typing
if TYPE_CHECKING:
    from bcd.snapshot.codec import decode as decode
    from bcd.snapshot.codec import encode as encode
    from bcd.snapshot.codec import from_dict as from_dict
    from bcd.snapshot.codec import load_schema as load_schema
    from bcd.snapshot.codec import to_dict as to_dict
    from bcd.snapshot.format import FORMAT_VERSION as FORMAT_VERSION
    from bcd.snapshot.format import new_id as new_id
    from bcd.snapshot.model import ExceptionChain as ExceptionChain
    from bcd.snapshot.model import ExceptionRecord as ExceptionRecord
    from bcd.snapshot.model import Frame as Frame
    from bcd.snapshot.model import Process as Process
    from bcd.snapshot.model import Reason as Reason
    from bcd.snapshot.model import Snapshot as Snapshot
    from bcd.snapshot.model import SourceLines as SourceLines
    from bcd.snapshot.model import Task as Task
    from bcd.snapshot.model import Thread as Thread
    from bcd.snapshot.model import TracerInfo as TracerInfo
    from bcd.snapshot.model import Variable as Variable

_HOME = {
    "decode": "codec",
    "encode": "codec",
    "from_dict": "codec",
    "load_schema": "codec",
    "to_dict": "codec",
    "FORMAT_VERSION": "format",
    "new_id": "format",
    "ExceptionChain": "model",
    "ExceptionRecord": "model",
    "Frame": "model",
    "Process": "model",
    "Reason": "model",
    "Snapshot": "model",
    "SourceLines": "model",
    "Task": "model",
    "Thread": "model",
    "TracerInfo": "model",
    "Variable": "model",
}

__all__ = [*_HOME]  # noqa: PLE0604 - mypy and ruff see the names above


def __getattr__(name: str) -> object:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'bcd.snapshot' has no attribute {name!r}") from None
    from importlib import import_module  # only when a name is first used

    value = getattr(import_module(f"bcd.snapshot.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
