"""What the commands read of a store, with a bar where that takes long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import click

from bcd.cli._folder import store
from bcd.cli._progress import Bar, watched
from bcd.errors import StoreError
from bcd.store.base import Entry, Filter, Index, Known, Listing
from bcd.store.files import FolderStore, names_a_file, read_file
from bcd.store.grouping import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bcd.store.base import DumpEntry, Found, FoundDump, Group
    from bcd.store.matching import AnyHead
    from bcd.store.sql.folder import FolderIndex

__all__ = ["Kinds", "Place", "bring_up_to_date", "find", "kinds", "newest", "opened"]

Place: TypeAlias = "FolderStore | Index"
_READING = "Reading snapshots"
_PAGE = 1000
_NO_INDEX = (ImportError, StoreError, OSError)
"""Why the files are read: no SQLAlchemy, a database that fails, no place for its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """The kinds of errors of a store.

    Attributes:
        groups: Those seen last come first.
        state_known: Whether the store keeps what people make of them.
        left: How many more there are.
        without: Snapshots that are of no kind.
        warnings: As of a listing.
        hint: Likewise.
    """

    groups: tuple[Group, ...]
    state_known: bool
    left: int = 0
    without: int = 0
    warnings: tuple[str, ...] = ()
    hint: str | None = None


def opened(folder: str | None, url: str | None) -> Place:
    """Open the folder or the database that was asked for; a folder goes before ``BCD_STORE``.

    Raises:
        StoreError: The database cannot be used.
    """
    if folder or not url:
        return store(folder)
    from bcd.store.sql.opening import is_url, open_database  # what it needs is in an extra

    if not is_url(url):
        return FolderStore(url)
    database = open_database(url)
    click.get_current_context().call_on_close(database.close)
    return database


def find(place: Place, reference: str) -> Found | FoundDump:
    """Read one snapshot or the head of one dump; the path of a file means that file.

    Raises:
        SnapshotError: None fits, or it cannot be read.
        StoreError: The database cannot be read.
    """
    if not isinstance(place, FolderStore) and names_a_file(reference):
        return read_file(reference)
    return place.find(reference)


def newest(place: Place, wanted: Filter | None, limit: int | None) -> Listing:
    """List the newest snapshots, of a folder dumps too, that are wanted."""
    if isinstance(place, FolderStore):
        with Bar(_READING, None) as bar:
            look = _Look(place, wanted or Filter(), limit, bar)
            return place.listing(wanted, limit=limit, watch=look.watch, know=look.know)
    asked = wanted or Filter()
    page = place.snapshots(asked, limit=_bounded(limit))
    entries = list(page.entries)
    while page.next is not None and (limit is None or len(entries) < limit):
        rest = None if limit is None else limit - len(entries)
        page = place.snapshots(asked, limit=_bounded(rest), before=page.next)
        entries.extend(page.entries)
    left = page.total - len(entries)
    return Listing(entries=tuple(entries), hint=None if entries else _hint(wanted), left=left)


def kinds(place: Place, wanted: Filter | None, limit: int | None) -> Kinds:
    """Group all snapshots that are wanted, with the index of a folder where there can be one."""
    if not isinstance(place, FolderStore):
        return _indexed_kinds(place, wanted, limit, _hint(wanted))
    with Bar(_READING, None) as bar:
        try:
            return _indexed_kinds(_index_of(place, bar), wanted, limit, place.hint(wanted))
        except _NO_INDEX:
            return _kinds_of_files(place, wanted, limit)


def bring_up_to_date(folder: str) -> None:
    """Read what is new in a folder into its index, so that no one waits for that later.

    Raises:
        SnapshotError: The folder cannot be read.
        StoreError: The index cannot be used.
    """
    with Bar(_READING, None) as bar:
        _index_of(FolderStore(folder), bar).groups(Filter(), limit=1)


def _index_of(place: FolderStore, bar: Bar, *, lasting: bool = False) -> FolderIndex:
    from bcd.store.sql.folder import FolderIndex  # needs an extra, and takes 0.2 s

    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        bar.expect(total)
        bar.advance(done - told)
        told = done

    return FolderIndex(place.folder, progress=tell, lasting=lasting)


def _indexed_kinds(index: Index, wanted: Filter | None, limit: int | None, hint: str) -> Kinds:
    asked = wanted or Filter()
    page = index.groups(asked, limit=_bounded(limit))
    groups = list(page.groups)
    while len(groups) < page.total and (limit is None or len(groups) < limit):
        rest = None if limit is None else limit - len(groups)
        page = index.groups(asked, limit=_bounded(rest), offset=len(groups))
        groups.extend(page.groups)
    all_of_them = index.snapshots(asked, limit=1)
    left = page.total - len(groups)
    counted = sum(group.count for group in groups)
    return Kinds(
        groups=tuple(groups),
        state_known=True,
        left=left,
        without=0 if left else all_of_them.total - counted,
        warnings=all_of_them.warnings,
        hint=None if all_of_them.total else hint,
    )


def _kinds_of_files(place: FolderStore, wanted: Filter | None, limit: int | None) -> Kinds:
    reading = place.read(wanted or Filter(), watch=_watch)
    heads = _Counted(reading)
    groups = grouped(heads)
    shown = groups[:limit]
    return Kinds(
        groups=tuple(shown),
        state_known=False,
        left=len(groups) - len(shown),
        without=heads.count - sum(group.count for group in groups),
        warnings=tuple(reading.warnings),
        hint=None if heads.count else place.hint(wanted),
    )


def _bounded(limit: int | None) -> int:
    return _PAGE if limit is None else min(limit, _PAGE)


def _hint(wanted: Filter | None) -> str:
    return "no snapshots in the store yet" if wanted is None else "no snapshot is as asked for"


def _watch(paths: Sequence[str]) -> Iterator[str]:
    return watched(paths, _READING, len(paths))


class _Look:
    """One look at a folder, with a bar: at its files, and at its index where these are many."""

    def __init__(self, place: FolderStore, wanted: Filter, limit: int | None, bar: Bar) -> None:
        self._place, self._wanted, self._limit = place, wanted, limit
        self._bar = bar
        self._indexed = False

    def watch(self, paths: Sequence[str]) -> Iterator[str]:
        self._bar.expect(len(paths))
        for path in paths:
            yield path
            if not self._indexed:
                self._bar.advance()

    def know(self, before: str) -> Known:
        self._bar.restart()
        try:
            index = _index_of(self._place, self._bar, lasting=True)
            known = index.known(self._wanted, limit=self._limit, before=before)
        except _NO_INDEX:
            self._bar.restart()
            return Known()
        self._indexed = True
        return known


class _Counted:
    """Lets the heads of snapshots through, without those of dumps, and counts them."""

    def __init__(self, entries: Iterable[Entry | DumpEntry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[AnyHead]:
        for entry in self._entries:
            if isinstance(entry, Entry):
                self.count += 1
                yield entry.head
