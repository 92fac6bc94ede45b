"""Adding snapshots: all of a batch or none of it, each once however often it comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ColumnElement, LargeBinary, Text, and_, case, insert
from sqlalchemy.dialects import postgresql, sqlite

from bcd.errors import SnapshotError
from bcd.snapshot.format import is_id
from bcd.snapshot.head import Head, read_head
from bcd.store.sql import rows, schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

__all__ = ["Candidate", "candidate", "insert_all"]


_TYPES = {BigInteger: "int8", Text: "text", LargeBinary: "bytea"}
"""Our types → PostgreSQL's."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot that is to be added.

    Attributes:
        id: Its id.
        head: What is known of it.
        size: Bytes that it takes.
        content: Those bytes; None where a file holds them.
        name: Of that file.
    """

    id: str
    head: Head
    size: int
    content: bytes | None = None
    name: str | None = None


def candidate(snapshot_id: str, content: bytes) -> Candidate:
    """Look at a snapshot before it is added.

    Raises:
        SnapshotError: It is damaged, too new, or another one than its id says.
    """
    head = read_head(content)
    if head.id != snapshot_id or not is_id(snapshot_id):
        raise SnapshotError(f"the snapshot calls itself {head.id!r}, its file {snapshot_id!r}")
    return Candidate(snapshot_id, head, len(content), content)


def insert_all(connection: Connection, candidates: Sequence[Candidate]) -> int:
    """Insert those that are not there yet.

    In the order of their ids and fingerprints, so that two that add the same wait for each other
    in turn, not in a circle.

    Returns:
        How many were new.
    """
    by_id = {each.id: each for each in sorted(candidates, key=lambda each: each.id)}
    if not by_id:
        return 0
    made = [rows.snapshot_row(each.id, each.head, each.size) for each in by_id.values()]
    found = connection.execute(_insert_snapshots(connection), made)
    numbers: dict[str, int] = {row.id: row.number for row in found}
    new = [(numbers[each.id], each) for each in by_id.values() if each.id in numbers]
    if new:
        _insert_parts(connection, new)
        _insert_groups(connection, [row for row in made if row["id"] in numbers])
    return len(new)


def _insert_snapshots(connection: Connection) -> Any:
    columns = schema.snapshot.c
    statement = _insert(connection, schema.snapshot)
    once = statement.on_conflict_do_nothing(index_elements=[columns.id])
    return once.returning(columns.id, columns.number)


def _insert_parts(connection: Connection, new: Sequence[tuple[int, Candidate]]) -> None:
    parts: dict[Table, list[rows.Row]] = {
        schema.document: [
            {"snapshot": number} | rows.document_row(each.head, each.content, each.name)
            for number, each in new
        ],
        schema.attribute: [
            {"snapshot": number} | row
            for number, each in new
            for row in rows.attribute_rows(each.head)
        ],
        schema.classifier: [
            {"snapshot": number} | row
            for number, each in new
            for row in rows.classifier_rows(each.head)
        ],
    }
    for table, made in parts.items():
        if made and connection.dialect.name == "postgresql":
            _copy(connection, table, made)
        elif made:
            connection.execute(insert(table), made)


def _copy(connection: Connection, table: Table, made: Sequence[rows.Row]) -> None:
    """Insert rows by COPY, which takes a fraction of the time."""
    columns = list(made[0])
    types = [_TYPES[type(table.c[name].type)] for name in columns]
    driver: Any = connection.connection.driver_connection
    named = ", ".join(columns)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({named}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(types)
        for row in made:
            copy.write_row(list(row.values()))


def _insert_groups(connection: Connection, snapshots: Sequence[rows.Row]) -> None:
    """Make new groups, tell old ones of their snapshots, open resolved ones that came back."""
    made = list(_group_rows(snapshots))
    if not made:
        return
    columns = schema.group.c
    statement = _insert(connection, schema.group)
    given = statement.excluded
    comes_back = and_(columns.state == "resolved", given.last_seen > columns.resolved_until)
    changes: Mapping[str, ColumnElement[Any]] = {
        "first_seen": _smaller(columns.first_seen, given.first_seen),
        "last_seen": _smaller(given.last_seen, columns.last_seen, reverse=True),
        "state": case((comes_back, "open"), else_=columns.state),
        "regressed": case((comes_back, True), else_=columns.regressed),
    }
    upsert = statement.on_conflict_do_update(index_elements=[columns.fingerprint], set_=changes)
    connection.execute(upsert, made)


def _group_rows(snapshots: Sequence[rows.Row]) -> Iterator[rows.Row]:
    times: dict[str, list[int]] = {}
    for row in snapshots:
        if row["fingerprint"] is not None:
            times.setdefault(row["fingerprint"], []).append(row["created"])
    for fingerprint, seen in sorted(times.items()):
        yield {
            "fingerprint": fingerprint,
            "first_seen": min(seen),
            "last_seen": max(seen),
            "state": "open",
            "regressed": False,
        }


def _smaller(
    one: ColumnElement[int], other: ColumnElement[int], *, reverse: bool = False
) -> ColumnElement[int]:
    """The smaller one, or the greater one; the databases have no name for it in common."""
    return case((one > other if reverse else one < other, one), else_=other)


def _insert(connection: Connection, table: Table) -> Any:
    """The statement of the database at hand, for both know ON CONFLICT."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
