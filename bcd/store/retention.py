"""Which snapshots and dumps of a folder are too many, and removing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcd.errors import StoreError
from bcd.snapshot.format import kind_in
from bcd.store.kept import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bcd.store.kept import Folder, Kept

__all__ = ["Bounds", "remove", "superfluous"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be kept: all that is given holds.

    Attributes:
        age: Seconds since it was made.
        count: Snapshots and dumps, the newest ones.
        size: Bytes of all of them, the newest ones.
        alike: Snapshots of one fingerprint: the first, and the latest.
    """

    age: float | None = None
    count: int | None = None
    size: int | None = None
    alike: int | None = None


def superfluous(kept: Sequence[Kept], bounds: Bounds, now: float) -> list[Kept]:
    """Say what has to go.

    Args:
        kept: What there is, oldest first.
        bounds: What may stay.
        now: The time, in seconds since 1970.

    Returns:
        Oldest first.
    """
    staying = [each for each in kept if not _too_old(each, bounds, now)]
    staying = _without_alike(staying, bounds.alike)
    staying = _newest(staying, bounds)
    names = {each.names for each in staying}
    return [each for each in kept if each.names not in names]


def _too_old(kept: Kept, bounds: Bounds, now: float) -> bool:
    return bounds.age is not None and seconds_of(kept.id) < now - bounds.age


def _without_alike(kept: list[Kept], most: int | None) -> list[Kept]:
    """Leave out what is between the first and the latest ones of a kind."""
    if most is None:
        return kept
    kinds: dict[str, list[Kept]] = {}
    for each in kept:
        if not each.is_dump:
            kinds.setdefault(kind_in(each.id), []).append(each)
    between = {
        each.names
        for alike in kinds.values()
        if len(alike) > most
        for each in (alike[1 : len(alike) - most + 1] if most > 1 else alike[: len(alike) - most])
    }
    return [each for each in kept if each.names not in between]


def _newest(kept: list[Kept], bounds: Bounds) -> list[Kept]:
    count, size = len(kept), sum(each.size for each in kept)
    for index, each in enumerate(kept):
        fits = bounds.size is None or size <= bounds.size
        if fits and (bounds.count is None or count <= bounds.count):
            return kept[index:]
        count, size = count - 1, size - each.size
    return []


def remove(folder: Folder, unwanted: Iterable[Kept]) -> list[Kept]:
    """Remove snapshots and dumps.

    Returns:
        Those that were still there: others may remove them at the same time.

    Raises:
        StoreError: One cannot be removed; those before it are gone.
    """
    removed: list[Kept] = []
    for each in unwanted:
        try:
            if folder.remove(each.names):
                removed.append(each)
        except OSError as error:
            raise StoreError(
                f"{folder.path_of(each.names[0])} cannot be removed: {error.strerror}; "
                f"{len(removed)} before it are gone; run it as the user whose folder it is"
            ) from None
    return removed
