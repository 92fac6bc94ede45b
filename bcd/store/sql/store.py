"""Snapshots in a database."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, text

from bcd.errors import SnapshotError
from bcd.store.base import (
    Entry,
    Filter,
    Found,
    GroupPage,
    GroupState,
    InRelease,
    Known,
    Listing,
    SnapshotPage,
)
from bcd.store.sql.adding import candidate, insert_all
from bcd.store.sql.engines import reading, writing
from bcd.store.sql.failures import naming
from bcd.store.sql.groups import Wanted, common, groups_page, set_state, values
from bcd.store.sql.keeping import Pruned, prune
from bcd.store.sql.pages import Locate, find, known_of, page_of
from bcd.store.sql.releases import WantedReleases, releases_of
from bcd.store.sql.schema import document, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Engine

    from bcd.store.retention import Bounds


__all__ = ["Added", "SqlStore"]

_DOCUMENTS_AT_ONCE = 20
_MOST = 1000


def _by_id(snapshot_id: str, _name: str | None) -> str:
    return snapshot_id


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
        locate: Says where a snapshot lies; by default under its id.
    """

    def __init__(
        self,
        engine: Engine,
        place: str,
        *,
        clock: Callable[[], datetime] = _now,
        locate: Locate = _by_id,
    ) -> None:
        self._engine = engine
        self._place = place
        self._clock = clock
        self._locate = locate

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
        with self._writing() as connection:
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
            with self._reading() as connection:
                found = connection.execute(ordered.where(snapshot.c.id > last)).all()
            if not found:
                return
            for row in found:
                yield row.id, row.content
            last = found[-1].id

    def listing(self) -> Listing:
        """List all snapshots, newest first.

        Raises:
            StoreError: The store cannot be read.
        """
        entries: list[Entry] = []
        before: str | None = None
        while True:
            page = self.snapshots(Filter(), limit=_MOST, before=before)
            entries.extend(page.entries)
            before = page.next
            if before is None:
                hint = None if entries else f"no snapshots in {self._place} yet"
                return Listing(entries=tuple(entries), hint=hint)

    def find(self, reference: str) -> Found:
        """Read one snapshot.

        Args:
            reference: ``"latest"``, an id, or the begin or end of an id that fits only one.

        Raises:
            SnapshotNotFound: None fits, or more than one.
            SnapshotCorrupt: It is damaged.
            SnapshotTooNew: It has a format newer than this bcd.
            StoreError: The store cannot be read.
        """
        with self._reading() as connection:
            return find(connection, reference, self._place)

    def snapshots(
        self, wanted: Filter, *, limit: int = 50, before: str | None = None
    ) -> SnapshotPage:
        """List snapshots; see :meth:`bcd.store.base.Index.snapshots`."""
        with self._reading() as connection:
            return page_of(connection, wanted, _bounded(limit), before, self._locate)

    def known(self, wanted: Filter, *, limit: int | None, before: str) -> Known:
        """Say what is known; see :meth:`bcd.store.sql.folder.FolderIndex.known`."""
        with self._reading() as connection:
            return known_of(connection, wanted, limit, before, self._locate)

    def groups(
        self,
        wanted: Filter,
        *,
        state: GroupState | None = None,
        limit: int = 50,
        offset: int = 0,
        spans: int = 24,
    ) -> GroupPage:
        """List groups; see :meth:`bcd.store.base.Index.groups`."""
        asked = Wanted(
            filter=wanted,
            state=state,
            limit=_bounded(limit),
            offset=max(0, offset),
            spans=_bounded(spans),
        )
        with self._reading() as connection:
            return groups_page(connection, asked, self._clock())

    def common(self, fingerprint: str, wanted: Filter) -> dict[str, dict[str, int]]:
        """Say what attributes have in common; see :meth:`bcd.store.base.Index.common`."""
        with self._reading() as connection:
            return common(connection, fingerprint, wanted)

    def releases(  # noqa: PLR0913 - as an index has it
        self,
        fingerprint: str,
        wanted: Filter,
        *,
        start: datetime,
        end: datetime,
        spans: int = 24,
        limit: int = 50,
    ) -> tuple[InRelease, ...]:
        """Count by release; see :meth:`bcd.store.base.Index.releases`."""
        asked = WantedReleases(
            fingerprint=fingerprint,
            filter=wanted,
            start=start,
            end=end,
            spans=_bounded(spans),
            limit=_bounded(limit),
        )
        with self._reading() as connection:
            return releases_of(connection, asked)

    def values(self, key: str, *, limit: int = 100) -> dict[str, int]:
        """Count the values of an attribute; see :meth:`bcd.store.base.Index.values`."""
        with self._reading() as connection:
            return values(connection, key, _bounded(limit))

    def set_state(self, fingerprint: str, state: GroupState) -> None:
        """Set the state of a group; a resolved one comes back with an error after now.

        Raises:
            SnapshotNotFound: There is no such group.
            StoreError: The store cannot be written.
        """
        with self._writing() as connection:
            set_state(connection, fingerprint, state, self._clock())

    def prune(self, bounds: Bounds) -> Pruned:
        """Remove what is above the bounds, oldest first; groups keep what is known of them.

        Raises:
            StoreError: The store cannot be written; what was removed before is gone.
        """
        return prune(self._writing, bounds, self._clock())

    def check(self) -> None:
        """See whether the database answers.

        Raises:
            StoreError: It does not.
        """
        with self._reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with naming(self._place), reading(self._engine).begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with naming(self._place), writing(self._engine).begin() as connection:
            yield connection


def _bounded(number: int) -> int:
    return max(1, min(number, _MOST))
