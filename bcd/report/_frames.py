"""Frames as a traceback shows them, with the variables under each."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bcd.report._libraries import packages_of
from bcd.report._marks import marks, visible
from bcd.report._view import Detail, View
from bcd.report.line import cells, cut, fold, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.text import Text

    from bcd.snapshot.model import Frame, SourceLines, Variable

__all__ = ["FrameWriter", "same_place"]

_QUIET = "dim"
_CONTEXT = 2
_LONGEST_EXPRESSION = 5
_REPEATS_SHOWN = 3  # as traceback does it
_NAME_COLUMNS = 20
_VALUE_LINES = 4
_QUIET_VALUE = 48
_INNERMOST = 2
_REDACTED = "[redacted]"


class FrameWriter:
    """Writes the frames of one report, and remembers which variables it has shown.

    One call often appears in several tracebacks, and middleware hands the same objects from
    frame to frame: what a reader has seen is not repeated.

    Args:
        sources: File → the lines that are known.
        view: What is wanted.
    """

    def __init__(self, sources: Mapping[str, SourceLines], view: View) -> None:
        self._sources = sources
        self._view = view
        self._shown: dict[tuple[object, ...], int] = {}
        self._quietly_shown: set[tuple[str, str]] = set()

    def stack(self, frames: Sequence[Frame], indent: int = 0) -> Iterator[Text]:
        """Show a stack, innermost last; the application's innermost frame with its context.

        Args:
            frames: The stack.
            indent: Columns that the caller will put before each line.
        """
        view = self._view.indented(indent)
        focus = next((frame for frame in reversed(frames) if frame.in_app), None)
        for hidden, group in groupby(frames, lambda frame: self._hides(frame, frames)):
            if hidden:
                yield _hidden(list(group))
            else:
                yield from self._run(list(group), focus, view, innermost=frames[-1])

    def _hides(self, frame: Frame, frames: Sequence[Frame]) -> bool:
        return self._view.app_only and not frame.in_app and frame is not frames[-1]

    def _run(
        self, frames: Sequence[Frame], focus: Frame | None, view: View, *, innermost: Frame
    ) -> Iterator[Text]:
        for _, group in groupby(frames, same_place):
            run = list(group)
            for frame in run[:_REPEATS_SHOWN]:
                yield from self._frame(frame, view, context=_context(frame, focus, view))
                yield from self._variables(frame, view, innermost=frame is innermost)
            repeated = len(run) - _REPEATS_SHOWN
            if repeated > 0:
                times = "time" if repeated == 1 else "times"
                yield line(f"  [Previous line repeated {repeated} more {times}]")

    def folded(self, frames: Sequence[Frame]) -> Iterator[Text]:
        """Show the innermost frames and the innermost one of the application."""
        innermost = 1 if self._view.app_only else _INNERMOST
        wanted = set(range(len(frames) - innermost, len(frames)))
        wanted.update([i for i, frame in enumerate(frames) if frame.in_app][-1:])
        left_out = 0
        for index, frame in enumerate(frames):
            left_out += frame.skipped_before
            if index not in wanted:
                left_out += 1
                continue
            yield from _gap(left_out)
            yield from self._brief(frame)
            left_out = 0
        yield from _gap(left_out)

    def one(self, frames: Sequence[Frame]) -> Iterator[Text]:
        """Show the one frame that tells most: the application's innermost, else the innermost."""
        telling = [frame for frame in frames if frame.in_app] or list(frames)
        if telling:
            yield from self._brief(telling[-1])

    def _brief(self, frame: Frame) -> Iterator[Text]:
        yield _file_line(frame)
        source = self._sources.get(frame.file)
        text = source.lines.get(frame.line or 0, "") if source is not None else ""
        if text and frame.in_app:
            room = self._view.width and self._view.width - 4
            yield line("    ", cut(visible(text).strip(), room), style=_QUIET)

    def _frame(self, frame: Frame, view: View, *, context: int) -> Iterator[Text]:
        if frame.skipped_before:
            frames = "frame" if frame.skipped_before == 1 else "frames"
            yield line(f"  … {frame.skipped_before} {frames} not recorded …", style=_QUIET)
        yield _file_line(frame)
        source = self._sources.get(frame.file)
        if source is not None and source.changed:
            yield line("    (the file has changed since the process started)", style=_QUIET)
        elif source is not None and frame.line is not None:
            yield from _source_lines(frame, source.lines, view, context=context)

    def _variables(self, frame: Frame, view: View, *, innermost: bool) -> Iterator[Text]:
        if view.variables is Detail.NONE or not frame.locals:
            return
        if view.variables is Detail.FULL or frame.in_app or innermost:
            yield from self._full_variables(frame, view)
        else:
            yield from self._quiet_variables(frame.locals, view)

    def _full_variables(self, frame: Frame, view: View) -> Iterator[Text]:
        key = (frame.function, frame.file, frame.locals)
        if key in self._shown:
            yield line(f"      (variables as above, at line {self._shown[key]})", style=_QUIET)
            return
        self._shown[key] = frame.line or 0
        widest = min(max(cells(each.name) for each in frame.locals), _NAME_COLUMNS)
        for each in frame.locals:
            yield from _variable(each, widest, view)

    def _quiet_variables(self, variables: Sequence[Variable], view: View) -> Iterator[Text]:
        new = [each for each in variables if (each.name, each.value) not in self._quietly_shown]
        self._quietly_shown.update((each.name, each.value) for each in new)
        if new:
            pairs = [f"{each.name} = {cut(_value(each), _QUIET_VALUE)}" for each in new]
            room = view.width and view.width - 6
            yield line("      ", cut(", ".join(pairs), room), style=_QUIET)


def same_place(frame: Frame) -> tuple[object, ...]:
    """Return what frames that look the same have in common."""
    return (frame.file, frame.line, frame.function, frame.skipped_before)


def _file_line(frame: Frame) -> Text:
    number = "?" if frame.line is None else str(frame.line)
    if not frame.in_app:
        where = f'  File "{frame.file}", line {number}, in {frame.function}'
        return line(where, style=_QUIET)
    return line(
        "  File ",
        (f'"{frame.file}"', "cyan"),
        ", line ",
        (number, "cyan"),
        ", in ",
        (frame.function, "bold"),
    )


def _hidden(frames: Sequence[Frame]) -> Text:
    count = len(frames) + sum(frame.skipped_before for frame in frames)
    several = "frame" if count == 1 else "frames"
    return line(f"  … {count} {several} of {packages_of(frames)} …", style=_QUIET)


def _context(frame: Frame, focus: Frame | None, view: View) -> int:
    """How many lines are shown around that of a frame."""
    if view.context is not None:
        return view.context if frame.in_app else 0
    return _CONTEXT if frame is focus else 0


def _gap(count: int) -> Iterator[Text]:
    if count:
        yield line(f"  … {count} {'frame' if count == 1 else 'frames'} …", style=_QUIET)


def _source_lines(
    frame: Frame, lines: Mapping[int, str], view: View, *, context: int
) -> Iterator[Text]:
    first = frame.line or 0
    last = max(first, min(frame.end_line or first, first + _LONGEST_EXPRESSION - 1))
    numbers = [n for n in range(first - context, last + context + 1) if n in lines]
    indent = min((_indent(lines[n]) for n in numbers if lines[n].strip()), default=0)
    drawn = marks(frame, lines)
    gutter = len(str(numbers[-1])) if context and numbers else 0
    for number in numbers:
        current = first <= number <= last
        lead = _lead(number, gutter, arrow=number == first)
        text = visible(lines[number])[indent:].rstrip()
        style = "" if current and frame.in_app else _QUIET
        room = view.width and view.width - len(lead)
        yield line((lead, style), (text if current else cut(text, room), style))
        mark = drawn.get(number, "")[indent:] if current else ""
        if mark and (room is None or len(mark) < room):
            yield line(" " * len(lead), (mark, "red" if frame.in_app else _QUIET))
    if frame.end_line is not None and frame.end_line > last and numbers:
        yield line(f"    … {frame.end_line - last} more lines of it …", style=_QUIET)


def _indent(text: str) -> int:
    text = visible(text)
    return len(text) - len(text.lstrip())


def _lead(number: int, gutter: int, *, arrow: bool) -> str:
    if not gutter:
        return "    "
    return f"  {'→' if arrow else ' '} {number:>{gutter}}  "


def _variable(variable: Variable, widest: int, view: View) -> Iterator[Text]:
    name = variable.name + " " * (widest - cells(variable.name))
    lead = 6 + cells(name) + 3
    room = view.width and max(view.width - lead, 24)
    first, *rest = fold(_value(variable), room, _VALUE_LINES)
    style = "magenta" if variable.value == _REDACTED else ""
    yield line("      ", (name, "blue"), (" = ", _QUIET), (first, style))
    for folded in rest:
        yield line(" " * lead, (folded, style))


def _value(variable: Variable) -> str:
    marked = "…" in variable.value or "..." in variable.value
    return variable.value + (" …" if variable.truncated and not marked else "")
