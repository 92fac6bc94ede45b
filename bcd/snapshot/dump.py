"""A dump: what another tool found in a process, and the head that says what it is.

A dump is no snapshot: bcd keeps it, and knows its content only as far as is needed to show it.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec resolves the hints
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - likewise

from bcd.errors import SnapshotCorrupt, SnapshotTooNew
from bcd.snapshot._fields import Misfit, read
from bcd.snapshot.codec import parse
from bcd.snapshot.format import DUMP_FORMAT_VERSION, DUMP_OUTPUTS
from bcd.snapshot.head import Headline  # noqa: TC001 - the codec resolves the hints
from bcd.snapshot.model import Frame, Process, Reason, Thread, Variable

__all__ = ["Dump", "Output", "Tool", "pyspy_threads", "read_dump"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Who found it.

    Attributes:
        name: ``"py-spy"``, ``"pystack"`` or ``"gcore"``.
        version: None where it is not known.
        path: Of the program.
        total_ms: How long it took, the writing included.
    """

    name: str
    version: str | None = None
    path: str
    total_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The file that holds what the tool found.

    Attributes:
        name: Of the file, which lies beside the head.
        size: Bytes that it had when it was written.
    """

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """What is known of a dump.

    Attributes:
        format: Version of the format of the head.
        id: Unique, sorts by time, among snapshots too.
        created: UTC.
        tool: Who found it.
        reason: Why it was made.
        process: Of what.
        attributes: What the program and its hooks told.
        classifiers: Likewise, in their order.
        error: The traced error, None without one; its type may be empty.
        faulted_threads: Native ids of the threads that are to blame.
        output: Where it is.
        notes: What could not be read and why, one sentence each.
    """

    format: int
    id: str
    created: datetime
    tool: Tool
    reason: Reason
    process: Process
    attributes: Mapping[str, str] = field(default_factory=dict)
    classifiers: tuple[str, ...] = field(default_factory=tuple)
    error: Headline | None = None
    faulted_threads: tuple[int, ...] = field(default_factory=tuple)
    output: Output
    notes: tuple[str, ...] = field(default_factory=tuple)


def read_dump(data: bytes) -> Dump:
    """Read the head of a dump.

    Args:
        data: Content of a ``.dump.json`` file.

    Raises:
        SnapshotCorrupt: It is none, or a damaged one.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    document = parse(data)
    version = document.get("format") if isinstance(document, dict) else None
    if type(version) is not int or version < 1:
        raise SnapshotCorrupt('not a dump that bcd kept: it has no "format" number')
    if version > DUMP_FORMAT_VERSION:
        raise SnapshotTooNew(
            f"written in format {version}, this bcd reads up to {DUMP_FORMAT_VERSION}; update bcd"
        )
    try:
        dump = read(Dump, document)
    except Misfit as misfit:
        raise SnapshotCorrupt(f"not a readable dump: {misfit}") from None
    if dump.output.name != dump.id + DUMP_OUTPUTS.get(dump.tool.name, "/"):
        raise SnapshotCorrupt("not a readable dump: its output is not what its tool writes")
    return dump


@dataclass(frozen=True, slots=True, kw_only=True)
class _Local:
    name: str
    repr: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    name: str
    filename: str
    line: int
    locals: tuple[_Local, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    os_thread_id: int | None = None
    thread_name: str | None = None
    owns_gil: bool = False
    frames: tuple[_Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stacks:
    threads: tuple[_Stack, ...]


_LIBRARY = (
    *("/site-packages/", "/dist-packages/", "/lib/python", "/lib64/python"),
    *("/bcd/engine/", "/bcd/integrations/", "/bcd/launch/"),
)
"""Parts of the paths of code that is not the application's own."""
_LONGEST_VALUE = 1000  # characters, as in a snapshot


def pyspy_threads(output: bytes, faulted: tuple[int, ...]) -> tuple[Thread, ...]:
    """Turn what ``py-spy dump --json`` printed into threads of the model.

    Args:
        output: Content of a ``.pyspy.json`` file.
        faulted: Native ids of the threads that are to blame.

    Returns:
        The faulted ones first. py-spy tells neither columns nor types.

    Raises:
        SnapshotCorrupt: It is not what py-spy prints.
    """
    try:
        found = read(_Stacks, {"threads": parse(output)}).threads
    except Misfit as misfit:
        raise SnapshotCorrupt(f"not a readable dump of py-spy: {misfit}") from None
    threads = [
        Thread(
            tid=each.os_thread_id or 0,
            name=each.thread_name,
            daemon=None,
            faulted=each.os_thread_id in faulted,
            gil=each.owns_gil,
            frames=tuple(map(_frame, reversed(each.frames))),
        )
        for each in found
    ]
    return tuple(sorted(threads, key=lambda thread: not thread.faulted))


def _frame(call: _Call) -> Frame:
    return Frame(
        function=call.name,
        file=call.filename,
        line=call.line or None,
        end_line=None,
        column=None,
        end_column=None,
        in_app=call.line > 0 and not any(part in call.filename for part in _LIBRARY),
        locals=tuple(map(_variable, call.locals or ())),
    )


def _variable(local: _Local) -> Variable:
    text = local.repr or "?"
    cut = len(text) > _LONGEST_VALUE
    shown = text[:_LONGEST_VALUE] + "…" if cut else text
    return Variable(name=local.name, type="", value=shown, truncated=cut)
