"""The error as Python prints it: its causes first, groups indented, notes below.

Source: ``TracebackException.format`` in Lib/traceback.py of CPython 3.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._chain import linked
from bcd.report.line import Part, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from bcd.report._frames import FrameWriter
    from bcd.snapshot.model import ExceptionChain, ExceptionRecord

__all__ = ["error_lines", "exception_lines", "handling_lines"]

_GROUP_DEPTH = 10
_GROUP_WIDTH = 15
_HANDLING_INDENT = 4


def exception_lines(chain: ExceptionChain, frames: FrameWriter, indent: int = 0) -> Iterator[Text]:
    """Show an exception with everything that led to it, the oldest first.

    Args:
        chain: All of it.
        frames: Writes its frames.
        indent: Columns that the caller will put before each line.
    """
    return _Writer(chain.list, frames, indent).chain(chain.root, depth=0)


def error_lines(record: ExceptionRecord) -> Iterator[Text]:
    """Show the type and the message of an exception, then its notes."""
    first, *rest = record.message.expandtabs(4).split("\n")
    colon = ": " if record.message else ""
    yield line((record.type, "bold red"), colon, (first, "bold"))
    for text in rest:
        yield line((text, "bold"))
    for note in record.notes:
        yield from (line(text) for text in note.expandtabs(4).split("\n"))


def handling_lines(
    chain: ExceptionChain | None, frames: FrameWriter, *, full: bool
) -> Iterator[Text]:
    """Show the exception that a thread or task is handling, if there is one.

    Args:
        chain: It, with everything that led to it.
        frames: Writes its frames.
        full: Whether its traceback is shown.
    """
    if chain is None:
        return
    record = chain.list[chain.root]
    message = record.message.partition("\n")[0]
    parts: list[Part] = ["  handling ", (record.type, "red"), ": " if message else "", message]
    if record.frames and not full:
        raised = record.frames[-1]
        parts.append((f' (raised at "{raised.file}", line {raised.line or "?"})', "dim"))
    yield line(*parts)
    for row in exception_lines(chain, frames, _HANDLING_INDENT) if full else ():
        yield line(" " * _HANDLING_INDENT).append_text(row)


class _Writer:
    """Walks the exceptions; each is shown once, however they refer to each other."""

    def __init__(
        self, records: Sequence[ExceptionRecord], frames: FrameWriter, indent: int
    ) -> None:
        self._records = records
        self._frames = frames
        self._indent = indent
        self._seen: set[int] = set()

    def chain(self, root: int, depth: int) -> Iterator[Text]:
        for index, link in reversed(linked(self._records, root, self._seen)):
            record = self._records[index]
            yield from self._record(record, depth)
            if link is not None:
                yield from _margin([line(), line(link.value), line()], depth)

    def _record(self, record: ExceptionRecord, depth: int) -> Iterator[Text]:
        if not record.children:
            yield from _margin(self._plain("Traceback", record, depth), depth)
        elif depth > _GROUP_DEPTH:
            yield from _margin([line(f"... (groups deeper than {_GROUP_DEPTH})")], depth)
        else:
            yield from self._group(record, depth)

    def _plain(self, title: str, record: ExceptionRecord, depth: int) -> Iterator[Text]:
        if record.frames:
            yield line(f"{title} (most recent call last):")
            margin = 2 * depth + 2 if depth else 0
            yield from self._frames.stack(record.frames, self._indent + margin)
        yield from error_lines(record)

    def _group(self, record: ExceptionRecord, depth: int) -> Iterator[Text]:
        depth, outermost = max(depth, 1), depth == 0
        rows = list(self._plain("Exception Group Traceback", record, depth))
        if outermost and record.frames:
            yield from _margin(rows[:1], depth, "+")
            rows = rows[1:]
        yield from _margin(rows, depth)
        yield from self._children(record, depth)

    def _children(self, record: ExceptionRecord, depth: int) -> Iterator[Text]:
        indent = "  " * depth
        for position, index in enumerate(record.children[:_GROUP_WIDTH]):
            joint = "+-" if position == 0 else "  "
            yield line(f"{indent}{joint}+---------------- {position + 1} ----------------")
            yield from self._child(index, depth + 1)
        more = len(record.children) - _GROUP_WIDTH
        if more > 0:
            yield line(f"{indent}  +---------------- ... ----------------")
            exceptions = "exception" if more == 1 else "exceptions"
            yield from _margin([line(f"and {more} more {exceptions}")], depth + 1)
        if not self._closes_itself(record):
            yield line(f"{indent}  +------------------------------------")

    def _child(self, index: int, depth: int) -> Iterator[Text]:
        if index in self._seen:
            yield from _margin([line("(shown before)", style="dim")], depth)
        else:
            yield from self.chain(index, depth)

    def _closes_itself(self, record: ExceptionRecord) -> bool:
        """Tell whether the last child is a group, whose closing line serves both."""
        last = record.children[-1]
        return len(record.children) <= _GROUP_WIDTH and bool(self._records[last].children)


def _margin(rows: Iterator[Text] | list[Text], depth: int, char: str = "|") -> Iterator[Text]:
    for row in rows:
        yield line(f"{'  ' * depth}{char} ").append_text(row) if depth else row
