"""The contract between the engine and a tracer: what a tracer is told, and what it answers.

A tracer lives in the traced program. It keeps *options*, a list of strings that its program
understands, and turns a final list into a :class:`Command`. The engine decides whether and
when that command runs; the tracer never starts anything itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from typing import IO, TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from queue import Queue

__all__ = [
    "Command",
    "Input",
    "Log",
    "LogPriority",
    "Memory",
    "MemoryTracer",
    "Output",
    "PutTracer",
    "RecordTracer",
    "TaskTracer",
    "TraceOptions",
    "Tracer",
    "TracerSig",
]

Input: TypeAlias = "int | bytes | IO[bytes] | None"
"""A descriptor or an open file is passed as it is, bytes go through a pipe, None is /dev/null."""

Output: TypeAlias = "int | IO[bytes] | None"
"""A descriptor or an open file is passed as it is, another writer is fed through a pipe.

None lets the engine keep the first 64 KiB for ``TraceResult``.
"""


class LogPriority(IntFlag):
    """Kinds of log messages; a mask of them says which are emitted (rule 32)."""

    DEBUG = 1
    WARNING = 2
    ERROR = 4
    MAX = 7


@dataclass(slots=True, kw_only=True)
class TraceOptions:
    """What one trace is to do; built by hand everything is off, as in Go.

    Attributes:
        faulted: Mark the calling thread as the cause of the trace.
        caller_only: Leave every other thread out of the snapshot.
        err_classification: Add the error's type as a classifier.
        classifications: Further classifiers, kept in order, empty and equal ones too.
        timeout: Seconds from the call of ``trace`` to the end of the tracer, the wait for the
            slot included. 0 takes the tracer's default, below 0 means none (rule 14).
    """

    faulted: bool = False
    caller_only: bool = False
    err_classification: bool = False
    classifications: Sequence[str] = ()
    timeout: float | timedelta = 0.0


class Memory(Protocol):
    """The memory of this process as a tracer may read it; made by ``bcd.freeze``.

    What a tracer is given is not frozen yet: only the number of the descriptor is known.
    """

    @property
    def descriptor(self) -> int:
        """A descriptor open for reading, in which the offset is the address."""

    @property
    def mode(self) -> str:
        """``"frozen"``: a copy that stands still, or ``"gil-held"``: the process itself."""

    @property
    def copy(self) -> int | None:
        """Process id of the frozen copy, None as long as there is none."""

    @property
    def notes(self) -> Sequence[str]:
        """Why a better way was not taken, one sentence each, for the snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A tracer that is ready to run on this process.

    Attributes:
        argv: The program's path and its arguments; the path is not looked up in ``PATH``.
        cwd: Working directory; None inherits.
        env: Environment; None inherits.
        stdin: See :data:`Input`. For a command that reads memory it must be bytes of one
            line; the engine then adds a second line once the program goes on, the JSON
            object ``{"blocked_ms": milliseconds, "in_time": whether it was held until the
            tracer let go, "copy": process id of the frozen copy or null}``, and closes the
            pipe.
        stdout: See :data:`Output`.
        stderr: See :data:`Output`.
        descriptors: Descriptor number in the tracer → descriptor in this process, besides
            0, 1 and 2. Nothing else is inherited.
        released_by: Number of the tracer's descriptor that it closes when the program may go
            on; the engine makes the pipe. Only asked for in mode ``"gil-held"``.
    """

    argv: Sequence[str | bytes]
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    stdin: Input = None
    stdout: Output = None
    stderr: Output = None
    descriptors: Mapping[int, int] = field(default_factory=dict)
    released_by: int | None = None


class Log(Protocol):
    """Where a tracer's messages go. A custom log gets every call, unfiltered (rule 32)."""

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Log ``format % args`` if the level is enabled."""

    def set_log_level(self, level: LogPriority) -> None:
        """Set the mask of the levels that are emitted; all others are ignored."""


class Tracer(Log, Protocol):
    """Any out-of-process tracer. Its methods may be called from several threads at once.

    Each ``add_…`` method appends to the tracer's base options and returns None; with a list,
    also an empty one, the base stays as it is and a new extended list is returned, the given
    one unchanged (rule 2). One call's strings are never split by another's (rule 6).
    """

    def add_options(self, *values: str, options: list[str] | None = None) -> list[str] | None:
        """Add options as they are."""

    def add_kv(self, key: str, val: str, options: list[str] | None = None) -> list[str] | None:
        """Add a key-value attribute."""

    def add_thread_filter(self, tid: int, options: list[str] | None = None) -> list[str] | None:
        """Leave out every thread but those named, by native thread id."""

    def add_faulted_thread(self, tid: int, options: list[str] | None = None) -> list[str] | None:
        """Mark a thread, by native thread id, as the cause of the trace."""

    def add_classifier(self, classifier: str, options: list[str] | None = None) -> list[str] | None:
        """Add a classification."""

    def options(self) -> list[str]:
        """A copy of the base options."""

    def clear_options(self) -> None:
        """Empty the base options."""

    def default_trace_options(self) -> TraceOptions:
        """The options of a trace that is given none: the one shared object, edits persist."""

    def finalize(self, options: list[str]) -> Command:
        """Make the command for a final list of options. Called after the slot was won."""

    def __str__(self) -> str:
        """Name the tracer for log messages."""


class MemoryTracer(Tracer, Protocol):
    """A tracer that reads a frozen copy of the process, so that nobody has to wait for it.

    The engine calls ``finalize_memory`` instead of ``finalize``, takes the copy, and then
    starts the command.
    """

    def finalize_memory(
        self,
        options: list[str],
        memory: Memory,
        error: BaseException | None,
        started: float,
    ) -> Command:
        """Make the command that reads ``memory``.

        Called while the program is held: it must not release the GIL or wait for anything.
        Where no copy can be made it is called a second time, with the mode ``"gil-held"``.

        Args:
            options: The final list of options.
            memory: What to read; the descriptor is the engine's to close.
            error: The error that is traced, for the hint where to find it.
            started: ``time.monotonic()`` when ``trace`` was called, in seconds.
        """


class RecordTracer(MemoryTracer, Protocol):
    """A tracer that can keep an error also where no memory can be read."""

    def finalize_record(
        self,
        options: list[str],
        refusal: str,
        error: BaseException | None,
        started: float,
    ) -> Command:
        """Make the command that keeps what the program itself can tell of the error.

        Called under the same conditions as ``finalize_memory``, and runs no code of the program.

        Args:
            options: The final list of options.
            refusal: Why no memory could be had.
            error: The error that is traced.
            started: As for ``finalize_memory``.
        """


class TaskTracer(Tracer, Protocol):
    """A tracer that can be told which asyncio task is the cause of a trace."""

    def add_caller_task(self, task: int, options: list[str] | None = None) -> list[str] | None:
        """Mark a task, by its ``id()``, as the one that called ``trace``.

        The engine calls it after ``add_faulted_thread``, where the thread in trouble runs one.
        """


class PutTracer(Tracer, Protocol):
    """A tracer whose snapshots can be uploaded."""

    def put_on_trace(self) -> bool:
        """Whether each trace that succeeds is to be followed by :meth:`put`."""

    def put(self, snapshot: str, timeout: float | None = None) -> None:
        """Upload the snapshot at a path, which the tracer program printed.

        Args:
            snapshot: The path.
            timeout: Seconds that it may take at most; None leaves that to the tracer.

        Raises:
            PutError: It was not accepted; nothing was removed.
        """


class TracerSig(Tracer, Protocol):
    """A tracer that can be registered for signals; these methods need no locks (rule 30)."""

    def set_sigset(self, *sigs: int) -> None:
        """Replace the signals for which ``register`` runs the tracer."""

    def sigset(self) -> list[int]:
        """A copy of those signals, in their order (rule 4)."""

    def set_sigchan(self, chan: Queue[int] | None) -> None:
        """Set the queue through which the numbers of signals arrive; ``register`` does."""

    def sigchan(self) -> Queue[int] | None:
        """The queue through which the numbers of signals arrive, None before ``register``."""
