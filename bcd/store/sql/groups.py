"""Groups: errors of one kind, how many, when, and what their attributes have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Select, case, func, select, update

from bcd.errors import SnapshotNotFound
from bcd.store.base import Filter, Group, GroupPage, GroupState
from bcd.store.sql.conditions import conditions
from bcd.store.sql.rows import microseconds, moment
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
    grouped = _grouped(fitting, wanted.state)
    found = connection.execute(
        select(grouped).order_by(grouped.c.latest.desc()).limit(wanted.limit).offset(wanted.offset)
    ).all()
    counts = func.count(), func.min(grouped.c.oldest), func.max(grouped.c.newest)
    total, oldest, newest = connection.execute(select(*counts).select_from(grouped)).one()
    time = _time(wanted.filter, oldest, newest, now)
    return GroupPage(
        groups=tuple(_groups(connection, found, wanted.spans, fitting, time)),
        total=total,
        start=time.start,
        end=time.end,
    )


def _grouped(fitting: Sequence[ColumnElement[bool]], state: GroupState | None) -> Any:
    columns = snapshot.c
    counted: Select[Any] = select(
        columns.fingerprint,
        func.count().label("snapshots"),
        func.sum(columns.suppressed).label("suppressed"),
        func.max(columns.id).label("latest"),
        func.min(columns.created).label("oldest"),
        func.max(columns.created).label("newest"),
    ).where(columns.fingerprint.is_not(None), *fitting)
    if state is not None:
        named = select(group.c.fingerprint).where(group.c.state == state)
        counted = counted.where(columns.fingerprint.in_(named))
    return counted.group_by(columns.fingerprint).subquery()


def _time(wanted: Filter, oldest: int | None, newest: int | None, now: datetime) -> _Time:
    """The time that is divided: what the filter says, else from the first to the last."""
    last = now if newest is None else moment(newest) + _MOMENT
    end = wanted.until or last
    first = end if oldest is None else moment(oldest)
    return _Time(start=wanted.since or first, end=end)


def _groups(
    connection: Connection,
    found: Sequence[Row[Any]],
    spans: int,
    fitting: Sequence[ColumnElement[bool]],
    time: _Time,
) -> list[Group]:
    fingerprints = [row.fingerprint for row in found]
    activity = _activity(connection, fingerprints, spans, fitting, time)
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
    statement = (
        select(columns.value, count)
        .where(columns.key == key)
        .group_by(columns.value)
        .order_by(count.desc(), columns.value)
        .limit(limit)
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
