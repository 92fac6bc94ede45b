"""Bringing the index of a folder up to date, in small steps, whoever else does so too."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import delete, insert, select, text

from bcd._version import __version__
from bcd.errors import SnapshotError, SnapshotNotFound
from bcd.snapshot.format import ID_LENGTH
from bcd.snapshot.head import read_head
from bcd.store.sql.adding import Candidate, insert_all
from bcd.store.sql.engines import begin_writing
from bcd.store.sql.rows import storable
from bcd.store.sql.schema import damaged, mark, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine, Row, TextClause

    from bcd.store.kept import Folder

__all__ = ["Progress", "ignore", "refresh"]

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many of how many snapshots have been read."""

_FOLDER = "folder"
_MOST_WARNINGS = 100
_SETTLED_NS = 2_000_000_000
"""A folder that changed a moment ago may change again without its time telling."""

_MAKE_PRESENT = text(
    "CREATE TEMP TABLE present (id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID"
)
_ADD_PRESENT = text(
    "INSERT INTO present VALUES (:id, :name)"
    " ON CONFLICT (id) DO UPDATE SET name = min(name, excluded.name)"
)
_GONE = text(
    "SELECT snapshot.id, document.name FROM bcd_snapshot AS snapshot"
    " JOIN bcd_document AS document ON document.snapshot = snapshot.number"
    " WHERE snapshot.id > :after AND NOT EXISTS (SELECT 1 FROM present"
    " WHERE present.id = snapshot.id AND present.name = document.name)"
    " ORDER BY snapshot.id LIMIT 1000"
)
_IS_NEW = "NOT EXISTS (SELECT 1 FROM bcd_snapshot WHERE bcd_snapshot.id = present.id)"
_COUNT_NEW = text(f"SELECT count(*) FROM present WHERE {_IS_NEW}")  # noqa: S608 - a constant
_NEW = text(
    f"SELECT id, name FROM present WHERE id > :after AND {_IS_NEW} ORDER BY id LIMIT 100"  # noqa: S608
)


def ignore(_done: int, _total: int) -> None:
    """Tell nobody."""


def refresh(engine: Engine, folder: Folder, progress: Progress = ignore) -> None:
    """Index the snapshots that came, and forget those that went.

    Args:
        engine: Of the index.
        folder: What is indexed.
        progress: Is told how far it is.
    """
    changed = folder.changed()
    state = f"{changed} {__version__}"
    with engine.connect() as connection:
        with connection.begin():
            known = connection.scalar(select(mark.c.value).where(mark.c.name == _FOLDER))
        if known == state:
            return
        if changed > time.time_ns() - _SETTLED_NS:
            state = ""
        run = _Run(connection, folder)
        run.look()
        run.forget()
        run.learn(progress)
        run.remember(state)


class _Run:
    """One look at the folder, over one connection, which has the list of what is there."""

    def __init__(self, connection: Connection, folder: Folder) -> None:
        self._connection = connection
        self._folder = folder
        self._warnings: dict[str, str] = {}

    def look(self) -> None:
        """List what is there, in a file if it is much."""
        connection, names = self._connection, self._folder.names()
        with connection.begin():
            connection.execute(_MAKE_PRESENT)
            while some := [{"id": name[:ID_LENGTH], "name": name} for name in islice(names, 1000)]:
                connection.execute(_ADD_PRESENT, some)

    def forget(self) -> None:
        """Remove what is not there any more: others may have indexed what came since."""
        for rows in self._pages(_GONE):
            gone = [row.id for row in rows if self._folder.touched(row.name) is None]
            with begin_writing(self._connection) as connection:
                connection.execute(delete(snapshot).where(snapshot.c.id.in_(gone)))

    def learn(self, progress: Progress) -> None:
        """Read what is new."""
        with self._connection.begin():
            total = self._connection.execute(_COUNT_NEW).scalar_one()
        done = 0
        for rows in self._pages(_NEW):
            candidates = [found for row in rows if (found := self._read(row.id, row.name))]
            with begin_writing(self._connection) as connection:
                insert_all(connection, candidates)
            done += len(rows)
            progress(done, total)

    def remember(self, state: str) -> None:
        """Note what cannot be read, and that nothing has to be done until the folder changes."""
        with begin_writing(self._connection) as connection:
            connection.execute(delete(damaged))
            if self._warnings:
                rows = [{"id": each, "warning": said} for each, said in self._warnings.items()]
                connection.execute(insert(damaged), rows)
            connection.execute(delete(mark).where(mark.c.name == _FOLDER))
            connection.execute(insert(mark), {"name": _FOLDER, "value": state})

    def _pages(self, statement: TextClause) -> Iterator[Sequence[Row[Any]]]:
        """The rows of a statement, a few at a time, in the order of their ids."""
        after = ""
        while True:
            with self._connection.begin():
                rows = self._connection.execute(statement, {"after": after}).all()
            if not rows:
                return
            yield rows
            after = rows[-1].id

    def _read(self, snapshot_id: str, name: str) -> Candidate | None:
        try:
            content = self._folder.read(name)
            return Candidate(snapshot_id, read_head(content), len(content), name=name)
        except SnapshotNotFound:
            return None  # pruned in between
        except SnapshotError as error:
            self._warn(snapshot_id, name, str(error))
            return None

    def _warn(self, snapshot_id: str, name: str, said: str) -> None:
        if len(self._warnings) < _MOST_WARNINGS:
            path = self._folder.path_of(name)
            warning = said if said.startswith(path) else f"{path}: {said}"
            self._warnings[snapshot_id] = storable(warning)
