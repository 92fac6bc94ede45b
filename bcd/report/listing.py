"""Snapshots and dumps as a table, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from bcd.report._process import duration, file_size
from bcd.report.line import Part, cells, cut, line
from bcd.snapshot.dump import Dump

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.text import Text

    from bcd.snapshot.head import Head

__all__ = ["Row", "file_size", "listing_lines"]

Row: TypeAlias = "Head | Dump"

_NARROWEST = 20


def listing_lines(
    heads: Sequence[Row], *, now: datetime | None, width: int | None
) -> Iterator[Text]:
    """Show snapshots and dumps as a table.

    Args:
        heads: In the order of the lines.
        now: Ages are told as seen from here; None tells the time, which is right for files.
        width: Columns that a line may have; None leaves lines long.
    """
    times = [_time(head, now) for head in heads]
    widest = max(map(cells, ["WHEN", *times]))
    id_width = max(map(cells, ["ID", *(head.id for head in heads)]))
    if now is not None:
        yield line(("ID".ljust(id_width), "dim"), "  ", ("WHEN".ljust(widest), "dim"), *_title())
    room = width and max(width - id_width - widest - 4, _NARROWEST)
    for head, when in zip(heads, times, strict=True):
        parts = _dump(head, room) if isinstance(head, Dump) else _error(head, room)
        yield line((head.id.ljust(id_width), "cyan"), "  ", when.ljust(widest), "  ", *parts)


def _title() -> list[Part]:
    return ["  ", ("ERROR", "dim")]


def _time(head: Row, now: datetime | None) -> str:
    if now is None:
        return f"{head.created:%Y-%m-%dT%H:%M:%SZ}"
    seconds = (now - head.created).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 1 else "just now"


def _dump(dump: Dump, room: int | None) -> list[Part]:
    """Return the tool and the size before the rest."""
    tool = f"[{dump.tool.name}, {file_size(dump.output.size)}] "
    left = None if room is None else max(room - cells(tool), 0)
    return [(tool, "yellow"), *_error(dump, left)]


def _error(head: Row, room: int | None) -> list[Part]:
    """Return the error and the route, as much of them as there is room for."""
    if head.error is None:
        return [(cut(f"({head.reason.kind}, no error)", room), "dim")]
    kind = cut(head.error.type or "error", room)
    left = None if room is None else room - cells(kind)
    message = head.error.message.partition("\n")[0]
    text = cut(f": {message}", left) if message and (left is None or left > 2) else ""  # noqa: PLR2004 - the colon
    left = None if left is None else left - cells(text)
    route = f"  {_route(head)}" if _route(head) else ""
    fits = left is None or cells(route) <= left
    return [(kind, "bold red"), text, (route if fits else "", "dim")]


def _route(head: Row) -> str:
    method = head.attributes.get("http.request.method", head.attributes.get("http.method", ""))
    return f"{method} {head.attributes.get('http.route', '')}".strip()
