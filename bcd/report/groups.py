"""The kinds of errors as a table, a line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcd.report.line import Part, cells, cut, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.text import Text

__all__ = ["KindRow", "kind_lines"]

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SHORT_NAME = 8
_NARROWEST = 20
_STATES = {"resolved": "green", "ignored": "dim", "came back": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """One kind of errors.

    Attributes:
        fingerprint: Its name.
        count: How many errors there were, those that left no snapshot included.
        first_seen: UTC.
        last_seen: UTC.
        type: Of the newest error.
        message: Likewise.
        route: Likewise; None where it has none.
        state: What people have made of the kind; None where that is nothing.
    """

    fingerprint: str
    count: int
    first_seen: datetime
    last_seen: datetime
    type: str
    message: str
    route: str | None
    state: str | None


def kind_lines(
    rows: Sequence[KindRow], *, now: datetime | None, width: int | None
) -> Iterator[Text]:
    """Show kinds of errors as a table.

    Args:
        rows: In the order of the lines.
        now: As for :func:`~bcd.report.listing.listing_lines`.
        width: Likewise.
    """
    table = [_cells(row, now) for row in rows]
    titles = ("KIND", "COUNT", "LAST", "FIRST", "STATE")
    if now is not None:
        table.insert(0, titles if any(row[-1] for row in table) else (*titles[:-1], ""))
    widths = [max(map(cells, column)) for column in zip(*table, strict=True)]
    taken = sum(width + 2 for width in widths if width)
    room = width and max(width - taken, _NARROWEST)
    if now is not None:
        yield line(*((part, "dim") for part in _columns(table.pop(0), widths)), ("ERROR", "dim"))
    for row, texts in zip(rows, table, strict=True):
        styles = ("cyan", "bold", "", "", _STATES.get(row.state or "", ""))
        columns = zip(_columns(texts, widths), styles, strict=True)
        yield line(*columns, *_error(row, room))


def _cells(row: KindRow, now: datetime | None) -> tuple[str, ...]:
    name = row.fingerprint if now is None else row.fingerprint[:_SHORT_NAME]
    times = (_time(row.last_seen, now), _time(row.first_seen, now))
    return (name, f"{row.count:,}" if now else str(row.count), *times, row.state or "")


def _columns(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, count, *others = widths
    padded = [texts[0].ljust(name), texts[1].rjust(count)]
    padded += [text.ljust(width) for text, width in zip(texts[2:], others, strict=True)]
    return [f"{text}  " if width else "" for text, width in zip(padded, widths, strict=True)]


def _time(moment: datetime, now: datetime | None) -> str:
    if now is None:
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    seconds = max(int((now - moment).total_seconds()), 0)
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"


def _error(row: KindRow, room: int | None) -> Iterator[Part]:
    """Return the error and the route, as much of them as there is room for."""
    message = row.message.partition("\n")[0]
    kind = cut(row.type or "(no error)", room)
    yield (kind, "bold red" if row.type else "dim")
    text = cut(f": {message}", room and room - cells(kind)) if message else ""
    fits = room is None or room - cells(kind) > 2  # noqa: PLR2004 - the colon
    yield text if fits else ""
    route = f"  {row.route}" if row.route else ""
    if room is None or cells(kind) + cells(text) + cells(route) <= room:
        yield (route, "dim")
