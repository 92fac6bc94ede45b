"""In which releases the errors of one kind came, how often and when."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, func, select

from bcd.store.base import InRelease
from bcd.store.sql.conditions import conditions
from bcd.store.sql.rows import microseconds, moment
from bcd.store.sql.schema import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Dialect

    from bcd.store.base import Filter

__all__ = ["WantedReleases", "releases_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedReleases:
    """Which releases are asked for; see :meth:`bcd.store.base.Index.releases`."""

    fingerprint: str
    filter: Filter
    start: datetime
    end: datetime
    spans: int
    limit: int


def releases_of(connection: Connection, wanted: WantedReleases) -> tuple[InRelease, ...]:
    """The releases with most snapshots come first."""
    if wanted.end <= wanted.start:
        return ()
    counted = connection.execute(_counted(wanted, connection.dialect))
    made = [
        _release(name, rows, wanted.spans) for name, rows in groupby(counted, lambda row: row.name)
    ]
    made.sort(key=lambda each: (-each.count, each.name))
    return tuple(made[: wanted.limit])


def _counted(wanted: WantedReleases, dialect: Dialect) -> Select[Any]:
    columns = snapshot.c
    start, end = microseconds(wanted.start), microseconds(wanted.end)
    span = ((columns.created - start) * wanted.spans // (end - start)).label("span")
    return (
        select(
            columns.release.label("name"),
            span,
            func.count().label("snapshots"),
            func.sum(columns.suppressed).label("suppressed"),
            func.max(columns.created).label("newest"),
        )
        .where(columns.fingerprint == wanted.fingerprint, columns.release.is_not(None))
        .where(columns.created >= start, columns.created < end)
        .where(*conditions(wanted.filter, dialect))
        .group_by(columns.release, span)
        .order_by(columns.release)
    )


def _release(name: str, rows: Iterable[Row[Any]], spans: int) -> InRelease:
    """Put the spans of one release together."""
    activity = [0] * spans
    count = suppressed = newest = 0
    for row in rows:
        activity[row.span] = row.snapshots + int(row.suppressed)
        count += row.snapshots
        suppressed += int(row.suppressed)
        newest = max(newest, row.newest)
    return InRelease(
        name=name,
        count=count,
        suppressed=suppressed,
        last_seen=moment(newest),
        activity=tuple(activity),
    )
