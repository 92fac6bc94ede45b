"""Lists of snapshots, page by page, and single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Row, func, or_, select

from bcd.errors import SnapshotError, SnapshotNotFound
from bcd.snapshot.codec import from_dict, inflate, parse
from bcd.snapshot.format import ID_LENGTH
from bcd.snapshot.head import decode_head
from bcd.store.base import Entry, Filter, Found, Known, SnapshotPage
from bcd.store.sql.conditions import begins, conditions, most_have
from bcd.store.sql.schema import document, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from sqlalchemy import Connection, Select

__all__ = ["Locate", "find", "known_of", "page_of"]

Locate: TypeAlias = "Callable[[str, str | None], str]"
"""Says where a snapshot lies, given its id and the name of its file."""

_NAMED_AT_MOST = 3
_TRIED_AT_ONCE = 5


def page_of(
    connection: Connection, wanted: Filter, limit: int, before: str | None, locate: Locate
) -> SnapshotPage:
    """One page of a list, newest first."""
    probing = most_have(connection, wanted)
    fitting = conditions(wanted, connection.dialect, probing=probing)
    numbers = select(snapshot.c.number).where(*fitting).order_by(snapshot.c.id.desc())
    if before is not None:
        numbers = numbers.where(snapshot.c.id < before)
    rows = _entries(connection, numbers.limit(limit + 1))
    is_all = before is None and len(rows) <= limit
    return SnapshotPage(
        entries=tuple(_entry(row, locate) for row in rows[:limit]),
        total=len(rows) if is_all else _total(connection, wanted, probing=probing),
        next=rows[limit - 1].id if len(rows) > limit else None,
    )


def known_of(
    connection: Connection, wanted: Filter, limit: int | None, before: str, locate: Locate
) -> Known:
    """The newest that fit, and all that were passed over for them."""
    probing = most_have(connection, wanted)
    fitting = conditions(wanted, connection.dialect, probing=probing)
    older = snapshot.c.id < before
    numbers = select(snapshot.c.number).where(older, *fitting).order_by(snapshot.c.id.desc())
    entries = [_entry(row, locate) for row in _entries(connection, numbers.limit(limit))]
    ids = select(snapshot.c.id).where(older)
    if limit is not None and len(entries) == limit:
        ids = ids.where(snapshot.c.id >= entries[-1].head.id)
    return Known(
        ids=frozenset(connection.scalars(ids)),
        entries={entry.head.id: entry for entry in entries},
    )


def _total(connection: Connection, wanted: Filter, *, probing: bool) -> int:
    """How many fit; other conditions may leave few whose attributes are to be looked up."""
    narrow = wanted.type or wanted.text or wanted.route or wanted.fingerprint
    fitting = conditions(wanted, connection.dialect, probing=probing and bool(narrow))
    counted = select(func.count()).select_from(snapshot).where(*fitting)
    return connection.scalar(counted) or 0


def _entries(connection: Connection, numbers: Select[tuple[int]]) -> list[Row[Any]]:
    """What is listed of the snapshots of these numbers, which were found in narrow rows."""
    chosen = numbers.subquery()
    statement = (
        select(snapshot.c.id, snapshot.c.size, document.c.head, document.c.name)
        .join_from(chosen, snapshot, chosen.c.number == snapshot.c.number)
        .join(document)
        .order_by(snapshot.c.id.desc())
    )
    return list(connection.execute(statement))


def _entry(row: Row[Any], locate: Locate) -> Entry:
    location = locate(row.id, row.name)
    return Entry(head=decode_head(row.head), location=location, size=row.size)


def find(connection: Connection, reference: str, place: str) -> Found:
    """Read one snapshot.

    Args:
        connection: To the database.
        reference: ``"latest"``, an id, or the begin or end of one that fits only one snapshot.
        place: The database, for messages.

    Raises:
        SnapshotNotFound: None fits, or more than one.
        SnapshotCorrupt: It is damaged.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    if reference == "latest":
        return _latest(connection, place)
    ids = _fitting(connection, reference.upper())
    if len(ids) == 1:
        return _found(ids[0], _content(connection, ids[0]))
    if ids:
        named = ", ".join(ids[:_NAMED_AT_MOST])
        count = f"{len(ids)}" if len(ids) <= _NAMED_AT_MOST else f"more than {_NAMED_AT_MOST}"
        raise SnapshotNotFound(
            f"{reference!r} fits {count} snapshots, the newest of them {named}; give more of the id"
        )
    raise SnapshotNotFound(f"no snapshot {reference!r} in {place}; `bcd list` shows what is there")


def _fitting(connection: Connection, part: str) -> list[str]:
    if not part or len(part) > ID_LENGTH or not part.isascii() or not part.isalnum():
        return []
    end = func.substr(snapshot.c.id, ID_LENGTH - len(part) + 1) == part
    statement = select(snapshot.c.id).where(or_(begins(snapshot.c.id, part), end))
    newest = statement.order_by(snapshot.c.id.desc()).limit(_NAMED_AT_MOST + 1)
    return list(connection.scalars(newest))


def _latest(connection: Connection, place: str) -> Found:
    """The newest one that can be read."""
    warnings: list[str] = []
    for snapshot_id in _newest(connection):
        try:
            return _found(snapshot_id, _content(connection, snapshot_id), tuple(warnings))
        except SnapshotError as error:
            warnings.append(str(error))
    raise SnapshotNotFound("; ".join([*warnings, f"no snapshots in {place} yet"]))


def _newest(connection: Connection) -> Iterator[str]:
    statement = select(snapshot.c.id).order_by(snapshot.c.id.desc()).limit(_TRIED_AT_ONCE)
    while ids := list(connection.scalars(statement)):
        yield from ids
        statement = statement.where(snapshot.c.id < ids[-1])


def _content(connection: Connection, snapshot_id: str) -> bytes:
    statement = select(document.c.content).join(snapshot).where(snapshot.c.id == snapshot_id)
    content: bytes | None = connection.scalar(statement)
    if content is None:
        raise SnapshotNotFound(f"{snapshot_id}: it was removed just now")
    return content


def _found(snapshot_id: str, content: bytes, warnings: tuple[str, ...] = ()) -> Found:
    try:
        text = inflate(content)
        read = from_dict(parse(text))
    except SnapshotError as error:
        raise type(error)(f"{snapshot_id}: {error}") from None
    return Found(snapshot=read, document=text, location=snapshot_id, warnings=warnings)
