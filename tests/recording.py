"""The recording tracer: a program for tests that notes how it was started and does as told.

Usage::

    program = RecordingProgram(tmp_path)
    program.do("print /tmp/snapshot", "exit 3")
    bcd.trace(bcd.BTTracer(path=program.path))
    (run,) = program.runs()
    assert run.argv[1:] == ["--load=", ...]

Actions are lines of words: ``print``, ``complain``, ``write``, ``read``, ``close``, ``sleep``,
``fork``, ``ignore``, ``tell``, ``wait``, ``exit``, ``die``; they are explained at the end of
``tests/targets/recording/program.py``. What to do is read by each run when it starts, so it may
be changed between two runs. Handshakes are FIFOs: a run that is told ``tell FIFO`` waits until
the test calls :meth:`RecordingProgram.hear`, one that is told ``wait FIFO`` until
:meth:`RecordingProgram.let_go`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RecordingProgram", "Run"]

_PROGRAM = Path(__file__).parent / "targets" / "recording" / "program.py"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of the program noted of itself.

    Attributes:
        argv: The path it was started by, and its arguments.
        cwd: Working directory.
        environment: All of it.
        descriptors: Open descriptor → what it leads to, as in ``/proc/PID/fd``.
        pid: Process id.
        parent: That of the process that started it.
        group: That of its process group.
        blocked: Numbers of the signals that it inherited as blocked.
        ignored: The same of ignored ones, without SIGPIPE and SIGXFSZ.
        children: Process ids of what it forked.
        input: What it read from its standard input, as Latin-1; None if it was not told to.
        started: ``time.monotonic()`` at its first line, in seconds; one clock for all processes.
        ended: The same at its end; None if it goes on, or was killed.
    """

    argv: list[str]
    cwd: str
    environment: dict[str, str]
    descriptors: dict[int, str]
    pid: int
    parent: int
    group: int
    blocked: list[int]
    ignored: list[int]
    children: list[int]
    input: str | None
    started: float
    ended: float | None


class RecordingProgram:
    """An executable file that notes how it was started.

    Args:
        folder: Where the program, what it is to do and what it noted are kept.
        actions: What each run does; nothing but noting when left out.
        name: Name of the executable file.
    """

    def __init__(self, folder: Path, *actions: str, name: str = "ptrace") -> None:
        self._file = folder / name
        # -I -S: it starts in 10 ms, and no file of the host runs in it.
        self._file.write_text(f"#!{sys.executable} -IS\n{_PROGRAM.read_text()}")
        self._file.chmod(0o700)
        self.do(*actions)

    @property
    def path(self) -> str:
        """Absolute path of the executable."""
        return str(self._file)

    def do(self, *actions: str) -> None:
        """Say what the next runs do, one action after the other."""
        told = self._beside(".do.new")
        told.write_text("\n".join(actions), encoding="utf-8", errors="surrogateescape")
        told.replace(self._beside(".do"))

    def runs(self) -> list[Run]:
        """What the runs noted so far, in the order in which they started."""
        notes = sorted(self._beside(".runs").glob("*.json"))
        return [_run(json.loads(note.read_text("ascii"))) for note in notes]

    def forget(self) -> None:
        """Throw away what was noted so far."""
        shutil.rmtree(self._beside(".runs"), ignore_errors=True)

    def end(self) -> None:
        """Kill the runs that go on because what had started them was killed."""
        for run in self.runs():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                if self.path in Path(f"/proc/{run.pid}/cmdline").read_text():
                    os.kill(run.pid, signal.SIGKILL)

    def fifo(self, name: str = "fifo") -> str:
        """Make a FIFO for a handshake.

        Returns:
            Its path, without spaces as long as that of the folder has none.
        """
        path = str(self._beside(f".{name}"))
        os.mkfifo(path)
        return path

    def hear(self, fifo: str) -> None:
        """Wait until a run comes to ``tell FIFO``."""
        os.close(os.open(fifo, os.O_RDONLY))

    def let_go(self, fifo: str) -> None:
        """Let a run that came to ``wait FIFO`` go on; waits until it comes there."""
        os.close(os.open(fifo, os.O_WRONLY))

    def _beside(self, suffix: str) -> Path:
        return self._file.with_name(self._file.name + suffix)


def _run(note: dict[str, object]) -> Run:
    descriptors = note.pop("descriptors")
    assert isinstance(descriptors, dict)
    numbered = {int(number): path for number, path in descriptors.items()}
    return Run(descriptors=numbered, **note)  # type: ignore[arg-type]  # the program knows them
