"""What a database keeps: by age, count, bytes and kind, and what is known of groups."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bcd.store.base import Filter
from bcd.store.retention import Bounds
from bcd.store.sql import keeping
from bcd.store.sql.keeping import Pruned
from tests.store.conftest import BEGIN, id_at, made

if TYPE_CHECKING:
    from bcd.store.sql.store import SqlStore


def left(store: SqlStore) -> list[int]:
    """The numbers of the snapshots that are left, oldest first."""
    by_id = {id_at(number): number for number in range(100)}
    return [by_id[snapshot_id] for snapshot_id, _ in store.documents()]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (Bounds(), list(range(10))),
        (Bounds(age=240), [6, 7, 8, 9]),
        (Bounds(count=3), [7, 8, 9]),
        (Bounds(count=0), []),
        (Bounds(count=10), list(range(10))),
        (Bounds(alike=3), [0, 1, 6, 7, 8, 9]),
        (Bounds(alike=1), [8, 9]),
        (Bounds(age=420, count=5, alike=2), [3, 4, 8, 9]),
    ],
)
def test_bounds(store: SqlStore, bounds: Bounds, expected: list[int]) -> None:
    """Too old ones go, of each kind all between the first and the latest, and the oldest."""
    store._clock = lambda: BEGIN + timedelta(minutes=10)
    store.add([made(number, kind=number % 2) for number in range(10)])
    assert store.prune(bounds).count == 10 - len(expected)
    assert left(store) == expected


def test_bytes(store: SqlStore) -> None:
    """The newest ones that fit stay; what is removed is counted."""
    items = [made(number) for number in range(5)]
    store.add(items)
    size = len(items[4][1])
    assert store.prune(Bounds(size=2 * size)) == Pruned(3, 3 * size)
    assert left(store) == [3, 4]
    assert store.prune(Bounds(size=2 * size)) == Pruned()
    assert store.prune(Bounds(size=size - 1)).count == 2


def test_it_goes_in_small_steps(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are removed at once are removed all the same, with all that belongs to them."""
    monkeypatch.setattr(keeping, "_AT_ONCE", 2)
    store.add([made(number, attributes={"k": "v"}, classifiers=("c",)) for number in range(7)])
    assert store.prune(Bounds(count=2)).count == 5
    assert store.values("k") == {"v": 2}
    assert store.snapshots(Filter(classifier="c")).total == 2


def test_groups_outlive_their_snapshots(store: SqlStore) -> None:
    """First time and state of a group are known when it comes back."""
    store.add([made(1)])
    store.set_state("0" * 16, "ignored")
    store.prune(Bounds(count=0))
    assert store.groups(Filter()).groups == ()
    store.add([made(9)])
    (group,) = store.groups(Filter()).groups
    assert (group.state, group.first_seen) == ("ignored", BEGIN + timedelta(minutes=1))
