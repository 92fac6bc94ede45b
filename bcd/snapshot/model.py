"""The document as frozen data classes, field for key.

A field without a default must be in the document. One that defaults to an empty collection
may be missing when it is read and is always written. One with any other default is left out
of the document when it has that default.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec resolves the hints
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - likewise

from bcd.snapshot.format import FORMAT_VERSION

__all__ = [
    "ExceptionChain",
    "ExceptionRecord",
    "Frame",
    "Process",
    "Reason",
    "Snapshot",
    "SourceLines",
    "Task",
    "Thread",
    "TracerInfo",
    "Variable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable of a frame.

    Attributes:
        name: As in the source.
        type: Qualified name of the value's type, without a module for builtins.
        value: What ``repr`` would show, on one line; ``[redacted]`` for a secret.
        address: Where the object lies, as ``0x…``; equal addresses are one object.
        truncated: Whether a limit cut ``value``.
    """

    name: str
    type: str
    value: str
    address: str | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One call that was under way.

    Attributes:
        function: Qualified name.
        file: Path as the code object names it.
        line: Counted from 1, None where the instruction belongs to no line.
        end_line: Last line of the expression.
        column: First column, from 0, in UTF-8 bytes of ``line``.
        end_column: Column after the last, from 0, in UTF-8 bytes of ``end_line``.
        in_app: Whether the code is the application's own, not the library's.
        locals: The variables, in the order of the code object.
        skipped_before: How many frames a limit left out just outside of this one.
    """

    function: str
    file: str
    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None
    in_app: bool
    locals: tuple[Variable, ...] = field(default_factory=tuple)
    skipped_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionRecord:
    """One exception of a chain or a group.

    Attributes:
        type: Qualified name, without a module for builtins.
        message: What ``str(exception)`` gives; may hold several lines.
        notes: From ``add_note``, in that order.
        frames: From the handler to the raise, innermost last.
        cause: Index in the list of exceptions of the ``__cause__``.
        context: Index of the ``__context__``.
        suppress_context: Whether ``context`` is not to be shown.
        children: Indexes of the exceptions of a group, in its order.
    """

    type: str
    message: str
    notes: tuple[str, ...] = field(default_factory=tuple)
    frames: tuple[Frame, ...] = field(default_factory=tuple)
    cause: int | None
    context: int | None
    suppress_context: bool
    children: tuple[int, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionChain:
    """The error with everything that led to it.

    Attributes:
        root: Index of the exception that was traced.
        list: All exceptions; they refer to each other by index, also in circles.
    """

    root: int
    list: tuple[ExceptionRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One thread.

    Attributes:
        tid: The kernel's id of the thread.
        name: Python's name, None where Python's ``threading`` does not know the thread.
        daemon: None where unknown.
        faulted: Whether the trace was called in this thread.
        gil: Whether it held the GIL.
        frames: Innermost last.
        waiting_for: What it waits for in words, None where that is not proven.
        held_by: ``tid`` of the thread that has to act before it goes on: who holds the lock, is
            joined, or works on the result. A ``Lock``, which keeps no owner, is held by the one
            thread that stands in a ``with`` block of it. None where that is not known.
        interpreter: Id of its interpreter, 0 for the main one. A thread that runs code of two
            interpreters is listed for each.
        handling: The exception in whose ``except`` or ``finally`` block it stands, None where
            there is none and where it is among the traced ones.
    """

    tid: int
    name: str | None
    daemon: bool | None
    faulted: bool
    gil: bool
    frames: tuple[Frame, ...] = field(default_factory=tuple)
    waiting_for: str | None = None
    held_by: int | None = None
    interpreter: int = 0
    handling: ExceptionChain | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One asyncio task.

    Attributes:
        id: Address of the task, as ``0x…``.
        name: As ``Task.get_name()`` gives it.
        state: ``"running"``, ``"waiting"`` or ``"ready"``.
        waiting_for: The awaited object in words, None where unknown or not waiting.
        awaited_by: Ids of the tasks that wait for this one.
        frames: Its chain of suspended coroutines, innermost last.
        held_by: Id of the task that holds the lock it waits for, or that it awaits; None where
            there is none, or it is not known.
        interpreter: Id of its interpreter, 0 for the main one.
        faulted: Whether the trace was called in this task.
        handling: As of a thread, of a task that does not run.
    """

    id: str
    name: str
    state: str
    waiting_for: str | None
    awaited_by: tuple[str, ...] = field(default_factory=tuple)
    frames: tuple[Frame, ...] = field(default_factory=tuple)
    held_by: str | None = None
    interpreter: int = 0
    faulted: bool = False
    handling: ExceptionChain | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLines:
    """The lines of one file around the recorded frames.

    Attributes:
        lines: Line number from 1 → text with its indentation, without the newline.
        changed: The file is newer than the process, so its lines are not recorded.
    """

    lines: Mapping[int, str] = field(default_factory=dict)
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TracerInfo:
    """Who made the snapshot, and what it cost.

    Attributes:
        name: ``"bcd"`` for bcd's own tracer.
        version: The tracer's version.
        mode: ``"frozen"``, ``"gil-held"``, ``"attached"``, ``"unpaused"`` or
            ``"recorded"``.
        python: Version of the interpreter that ran the tracer.
        blocked_ms: How long the program was held, None where nobody said.
        read_ms: How long reading its memory took.
        total_ms: From the call of ``trace`` until the file was written.
        limits: Name → bound that was in force.
    """

    name: str
    version: str
    mode: str
    python: str
    blocked_ms: float | None
    read_ms: float | None
    total_ms: float | None
    limits: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the snapshot was made.

    Attributes:
        kind: ``"error"``, ``"request"``, ``"signal"`` or ``"dump"``.
        fingerprint: 16 hex digits, equal for errors of one kind over deployments.
    """

    kind: str
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The process as the kernel knows it; what could not be read is None or empty.

    Attributes:
        pid: Process id, in the namespace of the process.
        ppid: Of its parent.
        executable: Path of the interpreter.
        command_line: Arguments, secrets redacted.
        working_directory: Path.
        started: When the process started, UTC.
        uptime_s: Seconds since then.
        python: Version.
        platform: As ``platform.platform()`` says it.
        host: Host name.
        bcd: Version of bcd that it has loaded.
        container_id: Where it runs in a container.
        uids: ``real``, ``effective``, ``saved`` user ids.
        gids: Likewise for groups.
        memory: Bytes by kind: ``rss``, ``vms``, and ``pss``, ``uss``, ``swap`` of smaller ones.
        cpu: Seconds by kind: ``user_s``, ``system_s``.
        threads: Number of threads of the kernel.
        context_switches: Counts by kind.
        files: Open files by kind: ``file``, ``socket``, ``pipe``, ``anonymous``, ``device`` …
        sockets: Those among them by protocol and state, as ``tcp LISTEN``.
        thread_states: Threads of the kernel by state: ``running``, ``sleeping`` …
        limits: Soft limits that do limit, by name: bytes, seconds or counts.
        load: Load averages over 1, 5 and 15 minutes.
        environment: The allowed ones of the environment variables.
    """

    pid: int
    ppid: int | None = None
    executable: str | None = None
    command_line: tuple[str, ...] | None = None
    working_directory: str | None = None
    started: datetime | None = None
    uptime_s: float | None = None
    python: str | None = None
    platform: str | None = None
    host: str | None = None
    bcd: str | None = None
    container_id: str | None = None
    uids: Mapping[str, int] | None = None
    gids: Mapping[str, int] | None = None
    memory: Mapping[str, int] | None = None
    cpu: Mapping[str, float] | None = None
    threads: int | None = None
    context_switches: Mapping[str, int] | None = None
    files: Mapping[str, int] | None = None
    sockets: Mapping[str, int] | None = None
    thread_states: Mapping[str, int] | None = None
    limits: Mapping[str, int] | None = None
    load: tuple[float, ...] | None = None
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a process looked like at the moment it went wrong.

    Attributes:
        format: Version of the format it was written in.
        id: Unique, sorts by time.
        created: UTC.
        tracer: Who made it.
        reason: Why.
        process: Of what.
        attributes: What the program and its hooks told.
        classifiers: Likewise, in their order.
        exception: None for a snapshot without an error.
        threads: The faulted one first, where there is one.
        tasks: The faulted one first, where there is one; the others in no order.
        deadlocks: Threads, or tasks, that wait for each other in a circle, without a time-out;
            one sentence for each circle.
        sources: File → its lines around the frames.
        truncated: What a limit cut, one sentence each.
        notes: What could not be read and why, one sentence each.
    """

    format: int = field(default_factory=lambda: FORMAT_VERSION)
    id: str
    created: datetime
    tracer: TracerInfo
    reason: Reason
    process: Process
    attributes: Mapping[str, str] = field(default_factory=dict)
    classifiers: tuple[str, ...] = field(default_factory=tuple)
    exception: ExceptionChain | None
    threads: tuple[Thread, ...] = field(default_factory=tuple)
    tasks: tuple[Task, ...] = field(default_factory=tuple)
    deadlocks: tuple[str, ...] = ()
    sources: Mapping[str, SourceLines] = field(default_factory=dict)
    truncated: tuple[str, ...] = field(default_factory=tuple)
    notes: tuple[str, ...] = field(default_factory=tuple)
