"""The source of frames as a page shows it, prepared once for each place that frames stand in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from bcd.report._marks import marked_characters, visible
from bcd.report.page.texts import shown_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from markupsafe import Markup

    from bcd.snapshot.model import Frame, SourceLines

__all__ = ["Row", "Sources"]

_CONTEXT = 3
_LONGEST_EXPRESSION = 8
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_Place: TypeAlias = "tuple[str, int | None, int | None, int | None, int | None, bool]"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of source.

    Attributes:
        number: Counted from 1.
        text: The line without the indentation that all rows have.
        current: Whether it was being run.
    """

    number: int
    text: Markup
    current: bool


class Sources:
    """The lines of a snapshot's files, in rows.

    Thousands of tasks stand in the same few places, so each place is prepared once.

    Args:
        files: File → the lines that are known.
    """

    def __init__(self, files: Mapping[str, SourceLines]) -> None:
        self._files = files
        self._rows: dict[_Place, Sequence[Row]] = {}

    def is_changed(self, frame: Frame) -> bool:
        """Whether the file is newer than the process."""
        source = self._files.get(frame.file)
        return source is not None and source.changed

    def names(self, frame: Frame) -> set[str]:
        """The names in the lines that were being run."""
        lines = self._lines(frame)
        texts = (lines.get(number, "") for number in _current(frame))
        return {name for text in texts for name in _IDENTIFIER.findall(text)}

    def rows(self, frame: Frame) -> Sequence[Row]:
        """The lines around a frame; none where they are not known."""
        place = (
            *(frame.file, frame.line, frame.end_line, frame.column, frame.end_column),
            frame.in_app,
        )
        if place not in self._rows:
            self._rows[place] = list(_rows(frame, self._lines(frame)))
        return self._rows[place]

    def _lines(self, frame: Frame) -> Mapping[int, str]:
        source = self._files.get(frame.file)
        return {} if source is None else source.lines


def _current(frame: Frame) -> range:
    first = frame.line or 0
    last = max(first, min(frame.end_line or first, first + _LONGEST_EXPRESSION - 1))
    return range(first, last + 1)


def _rows(frame: Frame, lines: Mapping[int, str]) -> Iterator[Row]:
    if frame.line is None:
        return
    current = _current(frame)
    around = _CONTEXT if frame.in_app else 0
    wanted = range(current[0] - around, current[-1] + around + 1)
    numbers = [number for number in wanted if number in lines]
    while numbers and numbers[-1] > current[-1] and not lines[numbers[-1]].strip():
        numbers.pop()
    cut = min((_indent(lines[n]) for n in numbers if lines[n].strip()), default=0)
    marked = marked_characters(frame, lines)
    for number in numbers:
        indent = max(_indent(lines[number]) - cut, 0)
        pieces = [(" " * indent, ""), *_pieces(lines[number], marked.get(number))]
        yield Row(number, shown_pieces(pieces), number in current)


def _indent(text: str) -> int:
    text = visible(text)
    return len(text) - len(text.lstrip())


def _pieces(text: str, marked: Sequence[tuple[str, str]] | None) -> Iterator[tuple[str, str]]:
    if marked is None:
        yield visible(text).strip(), ""
        return
    start = len(text) - len(text.lstrip())
    end = max(len(text.rstrip()), start)
    for mark, run in groupby(marked[start:end], lambda pair: pair[1]):
        yield visible("".join(char for char, _ in run)), mark
