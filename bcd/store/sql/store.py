"""Snapshots in a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, text

from bcd.errors import SnapshotError
from bcd.store.sql.adding import candidate, insert_all
from bcd.store.sql.engines import writing
from bcd.store.sql.failures import naming
from bcd.store.sql.schema import document, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Engine

__all__ = ["Added", "SqlStore"]

_DOCUMENTS_AT_ONCE = 20


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of snapshots that were to be added.

    Attributes:
        new: How many were not there before.
        refused: Id → why it was not added: it is damaged, or of a format that is too new. All
            others are there now.
    """

    new: int
    refused: Mapping[str, str] = field(default_factory=dict)


class SqlStore:
    """The snapshots of a database, SQLite's or PostgreSQL's.

    Several threads and processes may use one database at once.

    Args:
        engine: Of the database.
        place: The database, for messages; without a password.
        clock: Says what time it is.
    """

    def __init__(self, engine: Engine, place: str, *, clock: Callable[[], datetime] = _now) -> None:
        self._engine = engine
        self._place = place
        self._clock = clock

    def add(self, items: Iterable[tuple[str, bytes]]) -> Added:
        """Add snapshots in one transaction; those that are there already stay as they are.

        Args:
            items: Id and content of each, compressed or not, as it lies in a file.

        Raises:
            StoreError: None was added.
        """
        good, refused = [], {}
        for snapshot_id, content in items:
            try:
                good.append(candidate(snapshot_id, content))
            except SnapshotError as error:
                refused[snapshot_id] = str(error)
        with naming(self._place), writing(self._engine).begin() as connection:
            new = insert_all(connection, good)
        return Added(new=new, refused=refused)

    def documents(self, after: str | None = None) -> Iterator[tuple[str, bytes]]:
        """Go through all snapshots, a few at a time.

        Args:
            after: Begin behind the one of this id.

        Yields:
            Id and content, as it was added, by their ids, oldest first.

        Raises:
            StoreError: The store cannot be read.
        """
        columns = select(snapshot.c.id, document.c.content).join(document)
        ordered = columns.order_by(snapshot.c.id).limit(_DOCUMENTS_AT_ONCE)
        last = after or ""
        while True:
            with naming(self._place), self._engine.connect() as connection:
                found = connection.execute(ordered.where(snapshot.c.id > last)).all()
            if not found:
                return
            for row in found:
                yield row.id, row.content
            last = found[-1].id

    def check(self) -> None:
        """See whether the database answers.

        Raises:
            StoreError: It does not.
        """
        with naming(self._place), self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()
