"""A snapshot of a process that did not ask, taken by its own interpreter."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from bcd.errors import TraceError
from bcd.settings import current_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.doctor.program import Program

__all__ = ["take_snapshot"]

_TRACER = Path(__file__).parents[1] / "ptrace" / "__main__.py"
_SECONDS = 30.0


def take_snapshot(program: Program, pid: int, folder: str, *, pause: bool) -> str:
    """Run the tracer on a process.

    What ``BCD_REDACT``, ``BCD_REVEAL`` and ``BCD_LIMITS`` say holds here too.

    Args:
        program: The interpreter of that process.
        pid: The process.
        folder: Where the snapshot goes.
        pause: Whether its threads are to stand still while they are read.

    Returns:
        The path of the snapshot.

    Raises:
        TraceError: There is none; the message says why.
    """
    # -I -S: no file of the host (.pth, sitecustomize, PYTHONPATH) runs in the tracer.
    command = [program.name, "-I", "-S", str(_TRACER), "--faulted", str(pid), "--output", folder]
    command += [*_settings(), *([] if pause else ["--no-pause"])]
    try:
        done = subprocess.run(  # noqa: S603 - the program of the process itself, or one that was named
            command,
            executable=program.executable,
            env={**_environment(), **program.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except OSError as error:
        raise TraceError(
            f"the interpreter {program.name} could not be started: {error.strerror}; name one with"
            " --python that is the same"
        ) from None
    except subprocess.TimeoutExpired:
        raise TraceError(f"the tracer was not done within {_SECONDS:g} s and was ended") from None
    if done.returncode:
        raise TraceError(_reason(program, done))
    return os.fsdecode(done.stdout).rstrip("\n")


def _settings() -> Iterator[str]:
    settings = current_settings()
    for option, names in (("--redact", settings.redact), ("--reveal", settings.reveal)):
        for name in names:
            yield from (option, name)
    for name, value in settings.limits.items():
        yield from ("--limit", f"{name}:{value}")


def _environment() -> dict[str, str]:
    """What the tracer needs of the environment, which may be meant for another Python."""
    return {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}


def _reason(program: Program, done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "backslashreplace").splitlines()
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if len(lines) == 1 and done.returncode > 0:
        return said
    end = f"status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
    return f"the tracer under {program.name} ended with {end}: {said or 'it said nothing'}"
