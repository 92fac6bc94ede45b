"""Groups: errors of one kind, how many, when, and what their attributes have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Select, case, func, literal_column, select, update

from bcd.errors import SnapshotNotFound
from bcd.store.base import Filter, Group, GroupPage, GroupState
from bcd.store.sql.conditions import conditions
from bcd.store.sql.rows import microseconds, moment, short
from bcd.store.sql.schema import attribute, group, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["Wanted", "common", "groups_page", "set_state", "values"]

_VALUES_OF_A_KEY = 20
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which groups are asked for; see :meth:`bcd.store.base.Index.groups`."""

    filter: Filter
    state: GroupState | None
    limit: int
    offset: int
    spans: int


@dataclass(frozen=True, slots=True)
class _Time:
    start: datetime
    end: datetime


def groups_page(connection: Connection, wanted: Wanted, now: datetime) -> GroupPage:
    """One page of the groups, those seen last first."""
    fitting = conditions(wanted.filter, connection.dialect)
    found = connection.execute(_grouped(wanted, fitting)).all()
    time = _time(wanted.filter, found, now)
    page = found[wanted.offset : wanted.offset + wanted.limit]
    return GroupPage(
        groups=tuple(_groups(connection, page, wanted, fitting, time)),
        total=len(found),
        start=time.start,
        end=time.end,
    )


def _grouped(wanted: Wanted, fitting: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """All groups that fit: to read the snapshots takes the time, not to hold the groups."""
    columns, by = snapshot.c, _to_group_by(wanted.filter)
    latest = func.max(columns.id).label("latest")
    counted: Select[Any] = select(
        by.label("fingerprint"),
        func.count().label("snapshots"),
        func.sum(columns.suppressed).label("suppressed"),
        latest,
        func.min(columns.created).label("oldest"),
        func.max(columns.created).label("newest"),
    ).where(columns.fingerprint.is_not(None), *fitting)
    if wanted.state is not None:
        named = select(group.c.fingerprint).where(group.c.state == wanted.state)
        counted = counted.where(columns.fingerprint.in_(named))
    return counted.group_by(by).order_by(latest.desc())


def _to_group_by(wanted: Filter) -> ColumnElement[Any]:
    """The fingerprint; not by its index where that has not all that is asked for.

    SQLite would take it all the same, and go from there to each row by itself.
    """
    fingerprint = snapshot.c.fingerprint
    outside = wanted.text or wanted.classifier is not None or wanted.attributes
    return func.coalesce(fingerprint, literal_column("''")) if outside else fingerprint


def _time(wanted: Filter, found: Sequence[Row[Any]], now: datetime) -> _Time:
    """The time that is divided: what the filter says, else from the first to the last."""
    last = moment(max(row.newest for row in found)) + _MOMENT if found else now
    end = wanted.until or last
    first = moment(min(row.oldest for row in found)) if found else end
    return _Time(start=wanted.since or first, end=end)


def _groups(
    connection: Connection,
    found: Sequence[Row[Any]],
    wanted: Wanted,
    fitting: Sequence[ColumnElement[bool]],
    time: _Time,
) -> list[Group]:
    fingerprints = [row.fingerprint for row in found]
    activity = _activity(connection, fingerprints, wanted.spans, fitting, time)
    told = _told(connection, [row.latest for row in found])
    return [
        Group(
            fingerprint=row.fingerprint,
            type=told[row.latest].type,
            message=told[row.latest].message,
            route=told[row.latest].route,
            count=row.snapshots,
            suppressed=int(row.suppressed),
            first_seen=moment(told[row.latest].first_seen),
            last_seen=moment(told[row.latest].created),
            latest=row.latest,
            state=told[row.latest].state,
            regressed=told[row.latest].regressed,
            activity=tuple(activity[row.fingerprint]),
        )
        for row in found
        if row.latest in told
    ]


def _told(connection: Connection, latest: Sequence[str]) -> dict[str, Row[Any]]:
    """What the newest snapshots of the groups tell, and what is known of the groups, by id."""
    columns = snapshot.c
    statement = (
        select(columns.id, columns.type, columns.message, columns.route, columns.created)
        .add_columns(group.c.first_seen, group.c.state, group.c.regressed)
        .join_from(snapshot, group, columns.fingerprint == group.c.fingerprint)
        .where(columns.id.in_(latest))
    )
    return {row.id: row for row in connection.execute(statement)}


def _activity(
    connection: Connection,
    fingerprints: Sequence[str],
    spans: int,
    fitting: Sequence[ColumnElement[bool]],
    time: _Time,
) -> dict[str, list[int]]:
    found = {fingerprint: [0] * spans for fingerprint in fingerprints}
    start, end = microseconds(time.start), microseconds(time.end)
    if not found or end <= start:
        return found
    columns = snapshot.c
    span = ((columns.created - start) * spans // (end - start)).label("span")
    happened = func.sum(1 + columns.suppressed)
    statement = (
        select(columns.fingerprint, span, happened)
        .where(columns.fingerprint.in_(fingerprints), *fitting)
        .group_by(columns.fingerprint, span)
    )
    for fingerprint, number, count in connection.execute(statement):
        found[fingerprint][number] = int(count)
    return found


def common(connection: Connection, fingerprint: str, wanted: Filter) -> dict[str, dict[str, int]]:
    """Key → value → in how many snapshots of a group, the most frequent first."""
    fitting = conditions(wanted, connection.dialect)
    count = func.count().label("snapshots")
    order = count.desc(), attribute.c.value
    place = func.row_number().over(partition_by=attribute.c.key, order_by=order).label("place")
    counted = (
        select(attribute.c.key, attribute.c.value, count, place)
        .join_from(attribute, snapshot, attribute.c.snapshot == snapshot.c.number)
        .where(snapshot.c.fingerprint == fingerprint, *fitting)
        .group_by(attribute.c.key, attribute.c.value)
        .subquery()
    )
    first = select(counted).where(counted.c.place <= _VALUES_OF_A_KEY)
    made: dict[str, dict[str, int]] = {}
    for row in connection.execute(first.order_by(counted.c.key, counted.c.place)):
        made.setdefault(row.key, {})[row.value] = row.snapshots
    return made


def values(connection: Connection, key: str, limit: int) -> dict[str, int]:
    """The values of an attribute → in how many snapshots, the most frequent first."""
    columns, count = attribute.c, func.count().label("snapshots")
    counted = (
        select(columns.key, count, func.min(columns.snapshot).label("snapshot"))
        .where(columns.key == short(key))
        .group_by(columns.key, columns.digest)
        .order_by(count.desc(), columns.digest)
        .limit(limit)
        .subquery()
    )
    one_of_them = (columns.snapshot == counted.c.snapshot) & (columns.key == counted.c.key)
    statement = (
        select(columns.value, counted.c.snapshots)
        .join_from(counted, attribute, one_of_them)
        .order_by(counted.c.snapshots.desc(), columns.value)
    )
    return {row.value: row.snapshots for row in connection.execute(statement)}


def set_state(connection: Connection, fingerprint: str, state: GroupState, now: datetime) -> None:
    """Set the state of a group; a resolved one comes back with an error after now.

    Raises:
        SnapshotNotFound: There is no such group.
    """
    stored = microseconds(now)
    until = case((group.c.last_seen > stored, group.c.last_seen), else_=stored)
    changed = connection.execute(
        update(group)
        .where(group.c.fingerprint == fingerprint)
        .values(state=state, regressed=False, resolved_until=until)
    )
    if not changed.rowcount:
        raise SnapshotNotFound(f"no group {fingerprint!r}")
