"""The default tracer: runs bcd's own program, ``bcd/ptrace``, on a frozen copy of the process."""

from __future__ import annotations

import json
import os
import sys
import time

from bcd import _linux
from bcd.errors import ConfigError, FinalizeError
from bcd.folder import snapshot_folder
from bcd.snapshot.limits import problem_with
from bcd.tracer import Command, TraceOptions
from bcd.tracers._base import TracerBase
from bcd.tracers._record import record
from bcd.tracers._settings import checked_names, checked_seconds

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from typing import Any

    from bcd.tracer import Memory

__all__ = ["PythonTracer"]

_REQUEST_VERSION = 1
_MEMORY, _RELEASE = 3, 4  # descriptor numbers in the tracer
_PROGRAM = os.path.join(os.path.dirname(os.path.dirname(__file__)), "ptrace", "__main__.py")  # noqa: PTH118, PTH120 - pathlib costs milliseconds to import


class PythonTracer(TracerBase):
    """Writes a snapshot of this process: exception, threads and tasks with their variables.

    The constructor loads what a trace needs, so that the first error is not slow. It does not
    fail where bcd cannot read memory; a trace then says why.

    Args:
        folder: Where the snapshots go; see :func:`bcd.folder.snapshot_folder`.
        python: Path of the interpreter, for programs in which ``sys.executable`` is another
            program (uWSGI, mod_wsgi). It has to be the very binary that runs this program.
        program: Path of the tracer program, to be run by ``python``.
        limits: Limits of what is read and kept, by the names in ``bcd.snapshot.limits``, each a
            whole number of at least 1.
        redact: Further names whose values are kept out of the snapshot, besides those that
            look secret.
        reveal: Names that look secret and whose values may be shown.
        timeout: Seconds from the call of ``trace`` to the end of the tracer; below 0 means
            none.

    Raises:
        ConfigError: An argument of a wrong type or value.
    """

    def __init__(  # noqa: PLR0913 - all are options, given by name
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        python: str | None = None,
        program: str | os.PathLike[str] | None = None,
        limits: Mapping[str, int] | None = None,
        redact: Sequence[str] = (),
        reveal: Sequence[str] = (),
        timeout: float | timedelta = 30.0,
    ) -> None:
        seconds = checked_seconds(timeout)
        super().__init__(
            defaults=TraceOptions(faulted=True, err_classification=True, timeout=seconds)
        )
        self._folder = snapshot_folder(folder)
        self._python = python or sys.executable
        self._program = os.fsdecode(program or _PROGRAM)
        self._settings = {
            "limits": _checked_limits(limits or {}),
            "redact": checked_names("redact", redact),
            "reveal": checked_names("reveal", reveal),
        }
        self._executable = _executable()

    @property
    def folder(self) -> str:
        """Absolute path of the folder that the snapshots go to."""
        return self._folder

    def add_caller_task(self, task: int, options: list[str] | None = None) -> list[str] | None:
        """Mark an asyncio task, by its ``id()``, as the one that is to blame."""
        return self.add_options("--caller-task", hex(task), options=options)

    def finalize(self, options: list[str]) -> Command:
        """Make the command that attaches to this process, for lack of a frozen copy."""
        by_hand = ["--faulted", str(os.getpid()), "--output", self._folder, *options]
        return Command(argv=[*self._argv(), *by_hand])

    def finalize_memory(
        self,
        options: list[str],
        memory: Memory,
        error: BaseException | None,
        started: float,
    ) -> Command:
        """Make the command that reads ``memory``; see :class:`bcd.tracer.MemoryTracer`.

        Raises:
            FinalizeError: bcd cannot read memory here, or no interpreter is known.
        """
        held = memory.mode != "frozen"
        request = {
            **self._request(options, error, started),
            "mode": memory.mode,
            "notes": list(memory.notes),
            "memory": _MEMORY,
            "release": _RELEASE if held else None,
        }
        return Command(
            argv=self._argv(),
            stdin=json.dumps(request).encode("ascii") + b"\n",
            descriptors={_MEMORY: memory.descriptor},
            released_by=_RELEASE if held else None,
        )

    def finalize_record(
        self,
        options: list[str],
        refusal: str,
        error: BaseException | None,
        started: float,
    ) -> Command:
        """Make the command that keeps a record of the error; see :class:`bcd.tracer.RecordTracer`.

        Raises:
            FinalizeError: No interpreter is known, or bcd cannot start a program here.
        """
        request = {
            **self._request(options, error, started),
            "mode": "recorded",
            "record": record(error),
            "notes": [f"Only the error itself was recorded, without any values: {refusal}."],
        }
        return Command(argv=self._argv(), stdin=json.dumps(request).encode("ascii") + b"\n")

    def _argv(self) -> list[str]:
        reason = _linux.unavailable()
        if reason is not None:
            raise FinalizeError(f"{self} cannot run here, because {reason}: use another tracer")
        if not self._python:
            raise FinalizeError(
                "sys.executable is empty, so the tracer's interpreter is not known: pass "
                "PythonTracer(python=...) the path of the interpreter that runs this program"
            )
        # -I -S: no file of the host (.pth, sitecustomize, PYTHONPATH) runs in the tracer.
        return [self._python, "-I", "-S", self._program]

    def _request(
        self, options: list[str], error: BaseException | None, started: float
    ) -> dict[str, Any]:
        return {
            "version": _REQUEST_VERSION,
            "arguments": options,
            "output": self._folder,
            "pid": os.getpid(),
            "started": started,
            "wall": time.time(),
            "reason": _reason(options, error),
            "hints": {
                "int": id(int),
                "error": None if error is None else id(error),
                "hexversion": sys.hexversion,
                "executable": self._executable,
            },
            **self._settings,
        }


def _reason(options: list[str], error: BaseException | None) -> str:
    if "bcd.SignalError" in options:  # the classifier of rule 27
        return "signal"
    return "request" if error is None else "error"


def _executable() -> list[int] | None:
    """Device and inode of the running binary, by which the tracer knows its own kind."""
    try:
        status = os.stat("/proc/self/exe")  # noqa: PTH116 - pathlib costs milliseconds to import
    except OSError:
        return None
    return [status.st_dev, status.st_ino]


def _checked_limits(limits: Mapping[str, int]) -> dict[str, int]:
    problem = problem_with(limits)
    if problem is not None:
        raise ConfigError(problem)
    return dict(limits)
