"""What the adapters for other tools share: they run ``bcd/ptrace/keep.py``, which runs the tool."""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import suppress

from bcd import _linux
from bcd.errors import ConfigError, FinalizeError, StartError
from bcd.folder import snapshot_folder
from bcd.tracer import Command, TraceOptions
from bcd.tracers._base import TracerBase
from bcd.tracers._settings import checked_names, checked_seconds

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

__all__ = ["ForeignTracer"]

_REQUEST_VERSION = 1
_FALLBACK_TIMEOUT = 120.0  # seconds, as the engine has it for a default of 0 (rule 14)
_KEEPER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "ptrace", "keep.py")  # noqa: PTH118, PTH120 - pathlib costs milliseconds to import


class ForeignTracer(TracerBase):
    """Runs a tool on this process and keeps what it finds as a *dump* beside the snapshots.

    Such tools attach to the living process by ptrace: they see it as it is a moment after the
    error, without the exception, and hold all of it while they look. Where Yama restricts ptrace
    (``kernel.yama.ptrace_scope`` 1), ``finalize`` allows every process of this user to trace
    this one, from the first trace on; it is done there, not in the constructor, so that a
    program that is never traced stays closed, and a forked child is open too. Options that are
    added with ``add_options`` go to the tool.

    While the process stands still the engine in it cannot end the tool either: a time-out takes
    effect when the tool lets go. A tool that does not is killed from outside once it took as
    long as the tracer's own time-out, whatever that of the one trace.

    Args:
        folder: Where the dumps go; see :func:`bcd.folder.snapshot_folder`.
        program: Path of the tool; None looks beside the interpreter, then in ``PATH``.
        python: Path of an interpreter, for programs in which ``sys.executable`` is another
            program (uWSGI, mod_wsgi).
        files: How many dumps of this tool the folder keeps, at least 1; the oldest go first.
        redact: Further names whose values are kept out, besides those that look secret.
        reveal: Names that look secret and whose values may be shown.
        timeout: Seconds from the call of ``trace`` to the end of the tool; below 0 means none.

    Raises:
        ConfigError: An argument of a wrong type or value.
    """

    tool: str
    """Name of the tool, as dumps have it."""

    executable: str
    """Name of its program."""

    remedy: str
    """How to install it."""

    def __init__(  # noqa: PLR0913 - all are options, given by name
        self,
        *,
        folder: str | os.PathLike[str] | None,
        program: str | os.PathLike[str] | None,
        python: str | None,
        files: int,
        redact: Sequence[str],
        reveal: Sequence[str],
        timeout: float | timedelta,
    ) -> None:
        seconds = checked_seconds(timeout)
        super().__init__(
            defaults=TraceOptions(faulted=True, err_classification=True, timeout=seconds)
        )
        if type(files) is not int or files < 1:
            raise ConfigError(f"files is {files!r}: pass a whole number of at least 1")
        self._folder = snapshot_folder(folder)
        self._program = None if program is None else os.path.abspath(os.fsdecode(program))  # noqa: PTH100 - pathlib costs milliseconds to import
        self._python = python or sys.executable
        self._settings = {
            "keep": files,
            "redact": checked_names("redact", redact),
            "reveal": checked_names("reveal", reveal),
        }

    @property
    def folder(self) -> str:
        """Absolute path of the folder that the dumps go to."""
        return self._folder

    def finalize(self, options: list[str]) -> Command:
        """Make the command that runs the tool; allows the tool to attach.

        Raises:
            FinalizeError: No interpreter is known.
            StartError: The tool is not there, or may not be executed.
        """
        if not self._python:
            raise FinalizeError(
                "sys.executable is empty, so there is no interpreter to run bcd's program: pass "
                f"{self}(python=...) the path of one"
            )
        request = {
            "version": _REQUEST_VERSION,
            "tool": self.tool,
            "command": self._command(self._find(), str(os.getpid())),
            "arguments": options,
            "output": self._folder,
            "pid": os.getpid(),
            "reason": _reason(options),
            "timeout": self._longest(),
            **self._settings,
        }
        with suppress(AttributeError, OSError):  # if it matters, the tool says so
            _linux.enable_tracing()
        return Command(
            argv=[self._python, "-I", "-S", _KEEPER],
            stdin=json.dumps(request).encode("ascii") + b"\n",
        )

    def _command(self, program: str, pid: str) -> list[str]:
        """The tool's path and arguments.

        Args:
            program: Its path.
            pid: Of this process.

        Returns:
            A list in which ``{options}`` stands for the options that are the tool's own, and
            ``{output}`` for the begin of the name of the file that it is to write.
        """
        raise NotImplementedError

    def _longest(self) -> float | None:
        seconds = checked_seconds(self._defaults.timeout) or _FALLBACK_TIMEOUT
        return seconds if seconds >= 0 and math.isfinite(seconds) else None

    def _find(self) -> str:
        program = self._program or self._beside_python() or self._on_path()
        if not os.path.isfile(program) or not os.access(program, os.X_OK):  # noqa: PTH113 - as above
            raise StartError(
                f"{program} is no program that this user may execute; install {self.tool}"
                f" ({self.remedy}), or pass {self}(program=...) its path"
            )
        return program

    def _beside_python(self) -> str | None:
        beside = os.path.join(os.path.dirname(sys.executable or ""), self.executable)  # noqa: PTH118, PTH120 - as above
        return beside if os.path.isabs(beside) and os.access(beside, os.X_OK) else None  # noqa: PTH117 - as above

    def _on_path(self) -> str:
        from shutil import which  # only where it is not beside the interpreter

        found = which(self.executable)
        if found is None:
            raise StartError(
                f"{self.executable} is neither beside {sys.executable} nor in PATH; install"
                f" {self.tool} ({self.remedy}), or pass {self}(program=...) its path"
            )
        return os.path.abspath(found)  # noqa: PTH100 - as above


def _reason(options: list[str]) -> str:
    if "bcd.SignalError" in options:  # the classifier of rule 27
        return "signal"
    return "error" if any(option.startswith("error:") for option in options) else "request"
