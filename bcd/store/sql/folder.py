"""A folder of snapshots with an index, so that much can be found quickly."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from bcd.errors import SnapshotNotFound
from bcd.store.files import FolderStore
from bcd.store.kept import Folder
from bcd.store.sql.failures import DamagedError, naming
from bcd.store.sql.index_file import IndexFile
from bcd.store.sql.refreshing import ignore, refresh
from bcd.store.sql.schema import damaged
from bcd.store.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bcd.store.base import (
        Filter,
        Found,
        FoundDump,
        GroupPage,
        GroupState,
        InRelease,
        Known,
        Listing,
        SnapshotPage,
    )
    from bcd.store.sql.refreshing import Progress

__all__ = ["FolderIndex"]

_T = TypeVar("_T")


class FolderIndex:
    """A folder of snapshots, of which each is read once, for the index.

    The index is brought up to date before each answer, which takes no time while the folder does
    not change. Several threads and processes may do so at once, while others write snapshots
    and prune. Content stays in the files.

    Args:
        folder: Its path; it may come to be later.
        progress: Is told how many of how many new snapshots have been read.
        lasting: Fail where only a temporary index could be made, which takes longer than to
            read the files once.
    """

    def __init__(self, folder: str, *, progress: Progress = ignore, lasting: bool = False) -> None:
        self._path = folder
        self._files = FolderStore(folder)
        self._progress = progress
        self._lasting = lasting
        self._lock = threading.Lock()
        self._index: IndexFile | None = None

    def listing(self) -> Listing:
        """List all, dumps too, from the files; see :meth:`bcd.store.files.FolderStore.listing`."""
        return self._files.listing()

    def find(self, reference: str) -> Found | FoundDump:
        """Read one from its file; see :meth:`bcd.store.files.FolderStore.find`."""
        return self._files.find(reference)

    def snapshots(
        self, wanted: Filter, *, limit: int = 50, before: str | None = None
    ) -> SnapshotPage:
        """List snapshots; see :meth:`bcd.store.base.Index.snapshots`."""

        def ask(index: IndexFile) -> SnapshotPage:
            page = self._store(index).snapshots(wanted, limit=limit, before=before)
            return replace(page, warnings=_warnings(index))

        return self._ask(ask)

    def known(self, wanted: Filter, *, limit: int | None, before: str) -> Known:
        """Say what is known of snapshots, so that their files are not read.

        Args:
            wanted: Which ones.
            limit: At most so many, the newest; None for all.
            before: Only those older than the snapshot of this id.
        """
        return self._ask(lambda index: self._store(index).known(wanted, limit=limit, before=before))

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
        return self._ask(
            lambda index: self._store(index).groups(
                wanted, state=state, limit=limit, offset=offset, spans=spans
            )
        )

    def common(self, fingerprint: str, wanted: Filter) -> dict[str, dict[str, int]]:
        """Say what attributes have in common; see :meth:`bcd.store.base.Index.common`."""
        return self._ask(lambda index: self._store(index).common(fingerprint, wanted))

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
        return self._ask(
            lambda index: self._store(index).releases(
                fingerprint, wanted, start=start, end=end, spans=spans, limit=limit
            )
        )

    def values(self, key: str, *, limit: int = 100) -> dict[str, int]:
        """Count the values of an attribute; see :meth:`bcd.store.base.Index.values`."""
        return self._ask(lambda index: self._store(index).values(key, limit=limit))

    def set_state(self, fingerprint: str, state: GroupState) -> None:
        """Set the state of a group, which is kept in the index alone.

        Raises:
            SnapshotNotFound: There is no such group.
            StoreError: The index cannot be written.
        """
        self._ask(lambda index: self._store(index).set_state(fingerprint, state))

    def check(self) -> None:
        """See whether the folder can be read and the index used.

        Raises:
            SnapshotNotFound: The folder cannot be read.
            StoreError: The index cannot be used.
        """
        with Folder(self._path):
            self._ask(lambda index: self._store(index).check())

    def _ask(self, question: Callable[[IndexFile], _T]) -> _T:
        try:
            return self._answer(question)
        except DamagedError:
            with self._lock:
                self._opened().mend()
            return self._answer(question)

    def _answer(self, question: Callable[[IndexFile], _T]) -> _T:
        try:
            folder = Folder(self._path)
        except SnapshotNotFound:
            if os.path.lexists(self._path):
                raise
            return question(IndexFile(self._path))  # of a folder that does not exist yet
        with folder, self._lock:  # the other threads would do the same work
            index = self._opened()
            with naming(index.path):
                refresh(index.engine, folder, self._progress)
        return question(index)

    def _opened(self) -> IndexFile:
        self._index = self._index or IndexFile(self._path, lasting=self._lasting)
        return self._index

    def _store(self, index: IndexFile) -> SqlStore:
        return SqlStore(index.engine, index.path, locate=self._locate)

    def _locate(self, snapshot_id: str, name: str | None) -> str:
        return os.path.join(self._path, name or snapshot_id)  # noqa: PTH118 - stays as it is


def _warnings(index: IndexFile) -> tuple[str, ...]:
    with naming(index.path), index.engine.begin() as connection:
        return tuple(connection.scalars(select(damaged.c.warning).order_by(damaged.c.id.desc())))
