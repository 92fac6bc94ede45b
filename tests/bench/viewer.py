"""How fast does the viewer answer with 100,000 snapshots of 500 groups, in both databases?

The application is asked in this process, as its server would ask it. The time of the processor is
that of this process: it has SQLite's work in it, not that of PostgreSQL.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack, closing
from itertools import islice
from time import perf_counter, process_time
from typing import TYPE_CHECKING, NamedTuple

from bcd.store.sql.opening import upgrade_database
from bcd.viewer.access import Access
from bcd.viewer.application import application
from tests.bench.store import (
    BATCH,
    GOAL_MS,
    GROUPS,
    ROUNDS,
    SNAPSHOTS,
    fingerprint,
    new_postgresql,
    new_sqlite,
    settle,
    snapshots,
)
from tests.bench.tables import print_table, verdict
from tests.postgresql import databases
from tests.viewer.client import Client

if TYPE_CHECKING:
    from bcd.store.sql.store import SqlStore

OPEN = Access(token=None, hosts=None)
PATHS = {
    "the groups": "/",
    "the groups, second page": "/?page=2",
    "the biggest group": f"/groups/{fingerprint(0)}",
    "a group of the middle": f"/groups/{fingerprint(GROUPS // 2)}",
    "the biggest group in one release": f"/groups/{fingerprint(0)}?release=1.7",
    "snapshots, for programs": "/api/snapshots",
    "snapshots with an attribute": "/api/snapshots?attribute=tenant%3Dtenant+7",
}


class Taken(NamedTuple):
    """Milliseconds on the clock, and of the processor."""

    wall: float
    processor: float


def main() -> None:
    """Fill both, and ask for the pages of both."""
    with ExitStack() as stack:
        servers = stack.enter_context(databases(upgrade_database))
        stores = {"SQLite": new_sqlite(stack), "PostgreSQL": new_postgresql(stack, servers)}
        for store in stores.values():
            _fill(store)
        settle(stores["PostgreSQL"])
        for name, store in stores.items():
            _print_answers(name, store)


def _fill(store: SqlStore) -> None:
    made = snapshots()
    while batch := list(islice(made, BATCH)):
        store.add(batch)


def _print_answers(name: str, store: SqlStore) -> None:
    taken = {"the groups, for the first reader": _first(store)}
    with closing(Client(application(store, OPEN), "http://viewer.test")) as client:
        taken |= {what: _median(client, path) for what, path in PATHS.items()}
    rows = [
        [what, f"{each.wall:.1f}", f"{each.processor:.1f}", verdict(each.wall, GOAL_MS)]
        for what, each in taken.items()
    ]
    title = f"Pages of {SNAPSHOTS:,} snapshots in {name}, medians of {ROUNDS}"
    print_table(title, ["page", "ms", "of the processor", "goal"], rows)


def _first(store: SqlStore) -> Taken:
    """With the values of the filters to choose from, which are counted once a minute."""
    with closing(Client(application(store, OPEN), "http://viewer.test")) as client:
        return _taken(client, "/")


def _median(client: Client, path: str) -> Taken:
    _taken(client, path)
    rounds = [_taken(client, path) for _ in range(ROUNDS)]
    return Taken(*(statistics.median(times) for times in zip(*rounds, strict=True)))


def _taken(client: Client, path: str) -> Taken:
    wall, processor = perf_counter(), process_time()
    answer = client.get(path)
    taken = Taken((perf_counter() - wall) * 1000, (process_time() - processor) * 1000)
    assert answer.status_code == 200, answer.text
    return taken


if __name__ == "__main__":
    main()
