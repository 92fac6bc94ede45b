"""What the commands read of a store, with a bar where that takes long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcd.cli._progress import watched
from bcd.store.base import Filter
from bcd.store.grouping import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bcd.store.base import Group, Listing
    from bcd.store.files import FolderStore
    from bcd.store.matching import AnyHead

__all__ = ["Kinds", "kinds", "newest"]


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


def newest(store: FolderStore, wanted: Filter | None, limit: int | None) -> Listing:
    """List the newest snapshots and dumps that are wanted."""
    return store.listing(wanted, limit=limit, watch=_watch)


def kinds(store: FolderStore, wanted: Filter | None, limit: int | None) -> Kinds:
    """Group all snapshots and dumps that are wanted."""
    reading = store.read(wanted or Filter(), watch=_watch)
    heads = _Counted(entry.head for entry in reading)
    groups = grouped(heads)
    shown = groups[:limit]
    return Kinds(
        groups=tuple(shown),
        state_known=False,
        left=len(groups) - len(shown),
        without=heads.count - sum(group.count for group in groups),
        warnings=tuple(reading.warnings),
        hint=None if heads.count else store.hint(wanted),
    )


def _watch(paths: Sequence[str]) -> Iterator[str]:
    return watched(paths, "Reading snapshots", len(paths))


class _Counted:
    """Counts what goes through."""

    def __init__(self, heads: Iterable[AnyHead]) -> None:
        self._heads = heads
        self.count = 0

    def __iter__(self) -> Iterator[AnyHead]:
        for head in self._heads:
            self.count += 1
            yield head
