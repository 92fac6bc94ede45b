"""What differs between two snapshots as lines of text: ``-`` is before, ``+`` is after."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bcd.report._sections import section
from bcd.report._stacks import names_of
from bcd.report.difference.excerpts import Excerpt, excerpts
from bcd.report.line import cells, cut, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from bcd.report.difference.model import (
        Change,
        Difference,
        ErrorPair,
        FramePair,
        Place,
        Raised,
        Side,
        StackGroup,
    )

__all__ = ["difference_lines"]

_BEFORE, _AFTER = "red", "green"
_NAME_COLUMNS = 40
_NARROWEST = 24
_QUIET = "dim"


def difference_lines(found: Difference, *, width: int | None, full: bool = False) -> Iterator[Text]:
    """Show what differs between two snapshots.

    Args:
        found: What differs.
        width: Columns that a line may have; None leaves lines long.
        full: Whether variables of libraries are shown with their values.

    Returns:
        Lines with styles and without newlines; nothing in them can control a terminal.
    """
    yield _side("- ", found.before, _BEFORE)
    yield _side("+ ", found.after, _AFTER)
    if found.nothing:
        yield line()
        yield line("Nothing differs.")
        return
    yield from section("Reason", _changes(found.reason, width))
    errors = _Errors(width, full=full)
    for number, pair in enumerate(found.errors, start=1):
        title = "Error" if number == len(found.errors) else "Error that led to it"
        yield from section(title, errors.lines(pair))
    yield from section("Attributes", _changes(found.attributes, width))
    yield from section("Process", _changes(found.process, width))
    yield from section("Threads, not as many in both", _groups(found.threads, width))
    yield from section("Tasks, not as many in both", _groups(found.tasks, width))


class _Errors:
    """Shows pairs of exceptions; a variable that differs in the same way is shown once."""

    def __init__(self, width: int | None, *, full: bool) -> None:
        self._width = width
        self._full = full
        self._shown: set[Change] = set()

    def lines(self, pair: ErrorPair) -> Iterator[Text]:
        yield from _raised(pair, self._width)
        if pair.parts_at is not None:
            yield from self._parting(pair.frames[pair.parts_at])
        for alike, run in groupby(pair.frames, lambda frames: frames.alike):
            frames = list(run)
            if alike:
                yield line(f"  … {_counted(len(frames), 'frame')} alike …", style=_QUIET)
            else:
                for each in frames:
                    yield from self._frame(each)

    def _parting(self, pair: FramePair) -> Iterator[Text]:
        """Say where the two stacks go different ways, from the outermost frame on."""
        where = pair.before or pair.after
        assert where is not None  # noqa: S101 - a pair has one at least
        yield line("  they part in ", (where.function, "bold"))
        for sign, place, style in (("-", pair.before, _BEFORE), ("+", pair.after, _AFTER)):
            if place is None:
                yield line(f"    {sign} ", ("(not called)", _QUIET))
            else:
                number = "?" if place.line is None else str(place.line)
                room = self._width and self._width - 8 - len(number)
                text = place.source or f"line {number} of {place.file}"
                lead = f"    {sign} {number}  " if place.source else f"    {sign} "
                yield line((lead, style), (cut(text, room), style))

    def _frame(self, pair: FramePair) -> Iterator[Text]:
        if pair.before is None or pair.after is None:
            only = pair.before or pair.after
            assert only is not None  # noqa: S101 - as above
            sign, style = ("- ", _BEFORE) if pair.after is None else ("+ ", _AFTER)
            yield line((sign, style), (_place_text(only), style if only.in_app else _QUIET))
            return
        yield line("  ", (_both(pair.before, pair.after), "" if pair.after.in_app else _QUIET))
        new = [each for each in pair.variables if each not in self._shown]
        old = [each for each in pair.variables if each in self._shown]
        if pair.after.in_app or self._full:
            self._shown.update(new)
            yield from _changes(new, self._width, indent=6)
        else:
            yield from _quiet(new, "", self._width)
        yield from _quiet(old, " as above", self._width)


def _quiet(variables: Sequence[Change], how: str, width: int | None) -> Iterator[Text]:
    if variables:
        differ = "differs" if len(variables) == 1 else "differ"
        names = names_of([each.name for each in variables])
        yield line("      ", cut(f"{names} {differ}{how}", width and width - 6), style=_QUIET)


def _changes(changes: Sequence[Change], width: int | None, indent: int = 2) -> Iterator[Text]:
    widest = min(max((cells(each.name) for each in changes), default=0), _NAME_COLUMNS)
    room = width and max(width - indent - widest - 4, _NARROWEST)
    for each in changes:
        name = cut(each.name, widest)
        name += " " * (widest - cells(name))
        lead = " " * indent
        for sign, text, style in _two(each, room):
            yield line(lead, (name, "blue"), "  ", (f"{sign} ", style), *_styled(text, style))
            name = " " * cells(name)


def _two(change: Change, room: int | None) -> Iterator[tuple[str, Excerpt, str]]:
    before, after = excerpts(change.before or "", change.after or "", room)
    if change.before is not None:
        yield "-", before, _BEFORE
    if change.after is not None:
        yield "+", after, _AFTER


def _styled(text: Excerpt, style: str) -> Iterator[tuple[str, str]]:
    yield text.same_begin, ""
    yield text.differs, f"bold {style}"
    yield text.same_end, ""


def _raised(pair: ErrorPair, width: int | None) -> Iterator[Text]:
    room = width and max(width - 2, _NARROWEST)
    firsts = excerpts(_first(pair.before), _first(pair.after), room)
    rests = (_rest(pair.before), _rest(pair.after))
    if pair.before == pair.after:
        yield line("  ", *_styled(firsts[0], ""))
    for side, (sign, style) in enumerate((("-", _BEFORE), ("+", _AFTER))):
        if pair.before != pair.after:
            yield line((f"{sign} ", style), *_styled(firsts[side], style))
        if rests[0] != rests[1]:
            yield from (line((f"{sign} {cut(row, room)}", style)) for row in rests[side])
    if rests[0] == rests[1]:
        yield from (line("  ", cut(row, room)) for row in rests[0])


def _first(raised: Raised | None) -> str:
    """Return the type and the first line of the message."""
    if raised is None:
        return "(no error)"
    return f"{raised.type}: {raised.message}".partition("\n")[0].removesuffix(": ")


def _rest(raised: Raised | None) -> list[str]:
    """Return the other lines, and the notes."""
    if raised is None:
        return []
    notes = (row for note in raised.notes for row in note.split("\n"))
    return [*raised.message.split("\n")[1:], *notes]


def _side(sign: str, side: Side, style: str) -> Text:
    host = f" on {side.host}" if side.host else ""
    when = side.created[:19].replace("T", " ")
    return line((sign, style), (side.id, style), f" · {when} UTC · pid {side.pid}{host}")


def _groups(groups: Sequence[StackGroup], width: int | None) -> Iterator[Text]:
    for group in groups:
        for sign, names, style in (("-", group.before, _BEFORE), ("+", group.after, _AFTER)):
            if names:
                number = f"{len(names)}: " if len(names) > 1 else ""
                room = width and width - 2 - len(number)
                yield line(
                    (f"{sign} {number}", style), (cut(names_of(names), room), f"bold {style}")
                )
        if group.waiting_for is not None:
            yield line("  waits for ", (group.waiting_for, _QUIET))
        if group.place is not None:
            yield line("  ", (_place_text(group.place), "" if group.place.in_app else _QUIET))


def _place_text(place: Place) -> str:
    number = "?" if place.line is None else str(place.line)
    return f'File "{place.file}", line {number}, in {place.function}'


def _both(before: Place, after: Place) -> str:
    lines = [str(number) for number in dict.fromkeys((before.line, after.line)) if number]
    return f'File "{after.file}", line {" → ".join(lines) or "?"}, in {after.function}'


def _counted(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
