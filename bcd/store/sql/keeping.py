"""Removing what is too old or too much, a few snapshots at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select

from bcd.store.sql.rows import microseconds
from bcd.store.sql.schema import snapshot

if TYPE_CHECKING:
    from bcd.store.retention import Bounds

__all__ = ["Pruned", "prune"]

_AT_ONCE = 500

_Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed.

    Attributes:
        count: Snapshots.
        size: Bytes that they took.
    """

    count: int = 0
    size: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.count + other.count, self.size + other.size)


def prune(transaction: _Transaction, bounds: Bounds, now: datetime) -> Pruned:
    """Remove what is above the bounds; groups keep what is known of them.

    Args:
        transaction: Begins one that writes.
        bounds: What may stay.
        now: The time.
    """
    removed = Pruned()
    for unwanted in _unwanted(transaction, bounds, now):
        while (some := _remove(transaction, unwanted)).count:
            removed += some
    return removed


def _unwanted(
    transaction: _Transaction, bounds: Bounds, now: datetime
) -> Iterator[ColumnElement[bool]]:
    """What is to go, one condition after the other, each once the one before it is fulfilled."""
    if bounds.age is not None:
        yield snapshot.c.created < microseconds(now - timedelta(seconds=bounds.age))
    if bounds.alike is not None:
        yield from _alike(transaction, max(1, bounds.alike))
    newest = select(snapshot.c.id).order_by(snapshot.c.id.desc())
    if bounds.count is not None:
        yield snapshot.c.id <= newest.offset(bounds.count).limit(1).scalar_subquery()
    if bounds.size is not None:
        with transaction() as connection:
            last = connection.scalar(_last_that_does_not_fit(bounds.size))
        if last is not None:
            yield snapshot.c.id <= last


def _alike(transaction: _Transaction, most: int) -> Iterator[ColumnElement[bool]]:
    """Of each kind what is between the first and the latest ones."""
    columns = snapshot.c
    first = func.min(columns.id).label("first")
    too_many = (
        select(columns.fingerprint, first)
        .where(columns.fingerprint.is_not(None))
        .group_by(columns.fingerprint)
        .having(func.count() > most)
    )
    with transaction() as connection:
        found = connection.execute(too_many).all()
    for row in found:
        same = columns.fingerprint == row.fingerprint
        latest = select(columns.id).where(same).order_by(columns.id.desc())
        end = latest.offset(max(1, most - 1)).limit(1).scalar_subquery()
        between = same & (columns.id <= end)
        yield between & (columns.id > row.first) if most > 1 else between


def _last_that_does_not_fit(size: int) -> Select[tuple[str]]:
    columns = snapshot.c
    total = func.sum(columns.size).over(order_by=columns.id.desc()).label("total")
    summed = select(columns.id, total).subquery()
    return select(func.max(summed.c.id)).where(summed.c.total > size)


def _remove(transaction: _Transaction, unwanted: ColumnElement[bool]) -> Pruned:
    some = select(snapshot.c.number).where(unwanted).order_by(snapshot.c.id).limit(_AT_ONCE)
    mine = some.with_for_update(skip_locked=True)  # others may prune as well
    statement = delete(snapshot).where(snapshot.c.number.in_(mine)).returning(snapshot.c.size)
    with transaction() as connection:
        sizes = connection.scalars(statement).all()
    return Pruned(len(sizes), sum(sizes))
