"""How fast are 100,000 snapshots of 500 groups added, listed and grouped, in both databases?

The snapshots are small ones; what is asked does not read them. PostgreSQL's own bulk insert is
COPY of the same bytes into one table of ids and contents.
"""

from __future__ import annotations

import json
import os
import random
import statistics
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import psycopg

from bcd.snapshot.codec import time_text
from bcd.store.base import Filter
from bcd.store.sql.engines import sqlite_engine, writing
from bcd.store.sql.opening import open_database, upgrade_database
from bcd.store.sql.store import SqlStore
from bcd.store.sql.versions import upgrade
from tests.bench.tables import print_table, verdict
from tests.postgresql import Databases, databases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

SNAPSHOTS = int(os.environ.get("BCD_BENCH_SNAPSHOTS", "100000"))
GROUPS = 500
BATCH = 500
ROUNDS = 9
GOAL_MS = 100.0
GOAL_RATE = 500.0
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(days=30) / SNAPSHOTS
LAST_DAY = BEGIN + timedelta(days=29)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"
CHOSEN = random.Random(7)  # noqa: S311 - the same ones each time


def main() -> None:
    """Fill both, and ask both."""
    with ExitStack() as stack:
        servers = stack.enter_context(databases(upgrade_database))
        stores = {"SQLite": new_sqlite(stack), "PostgreSQL": new_postgresql(stack, servers)}
        rates = {name: _rate(store.add) for name, store in stores.items()}
        rates["PostgreSQL's COPY"] = _copy_rate(servers.new(empty=True))
        settle(stores["PostgreSQL"])
        _print_rates(rates)
        _print_answers(stores)


def new_sqlite(stack: ExitStack) -> SqlStore:
    """Make an empty one, in a file."""
    folder = stack.enter_context(TemporaryDirectory(prefix="bcd-bench-"))
    path = f"{folder}/store.sqlite3"
    engine = sqlite_engine(path)
    upgrade(writing(engine), path)
    return stack.enter_context(closing(SqlStore(engine, path)))


def new_postgresql(stack: ExitStack, servers: Databases) -> SqlStore:
    """Make an empty one, in a database."""
    return stack.enter_context(closing(open_database(servers.new())))


def _rate(add: Callable[[Iterable[tuple[str, bytes]]], object]) -> float:
    """Snapshots a second, without the time that it takes to make them."""
    taken = 0.0
    made = snapshots()
    while batch := list(islice(made, BATCH)):
        start = perf_counter()
        add(batch)
        taken += perf_counter() - start
    return SNAPSHOTS / taken


def settle(store: SqlStore) -> None:
    """What PostgreSQL does by itself within a minute."""
    url = store._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("VACUUM ANALYZE")


def _copy_rate(url: str) -> float:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE document (id text PRIMARY KEY, content bytea NOT NULL)")

        def add(items: Iterable[tuple[str, bytes]]) -> None:
            with connection.cursor().copy("COPY document FROM STDIN") as copy:
                for item in items:
                    copy.write_row(item)

        return _rate(add)


def _print_rates(rates: Mapping[str, float]) -> None:
    rows = [
        [name, f"{rate:,.0f}", verdict(rate, GOAL_RATE, at_least=True)]
        for name, rate in rates.items()
    ]
    title = f"Adding {SNAPSHOTS:,} snapshots of {GROUPS} groups, {BATCH} in a transaction"
    print_table(title, ["into", "snapshots/s", "goal"], rows)


def _print_answers(stores: Mapping[str, SqlStore]) -> None:
    rows = []
    for question, ask in _questions().items():
        row = [question]
        for store in stores.values():
            taken = _median_ms(lambda store=store, ask=ask: ask(store))
            row += [f"{taken:.1f}", verdict(taken, GOAL_MS)]
        rows.append(row)
    heads = [head for name in stores for head in (f"{name} ms", "goal")]
    print_table(f"Answering, medians of {ROUNDS}", ["question", *heads], rows)


def _questions() -> dict[str, Callable[[SqlStore], object]]:
    big, small = fingerprint(0), fingerprint(GROUPS // 2)
    return {
        "list": lambda store: store.snapshots(Filter()),
        "list: next page, in the middle": lambda store: store.snapshots(
            Filter(), before=_id(SNAPSHOTS // 2, 0)
        ),
        "list: type": lambda store: store.snapshots(Filter(type="Error7")),
        "list: route": lambda store: store.snapshots(Filter(route="/route/7")),
        "list: attribute of few": lambda store: store.snapshots(
            Filter(attributes={"tenant": "tenant 7"})
        ),
        "list: attribute of many": lambda store: store.snapshots(
            Filter(attributes={"http.request.method": "POST"})
        ),
        "list: classifier": lambda store: store.snapshots(Filter(classifier="kind.3")),
        "list: text of few": lambda store: store.snapshots(Filter(text="ORDER 77")),
        "list: text of none": lambda store: store.snapshots(Filter(text="nowhere")),
        "list: last day": lambda store: store.snapshots(Filter(since=LAST_DAY)),
        "list: first day": lambda store: store.snapshots(Filter(until=BEGIN + timedelta(days=1))),
        "list: all of these": lambda store: store.snapshots(
            Filter(
                type="Error7", text="order", since=BEGIN, attributes={"http.request.method": "POST"}
            )
        ),
        "groups": lambda store: store.groups(Filter()),
        "groups: open, second page": lambda store: store.groups(Filter(), state="open", offset=50),
        "groups: last day": lambda store: store.groups(Filter(since=LAST_DAY)),
        "groups: service": lambda store: store.groups(Filter(service="service 1")),
        "groups: text": lambda store: store.groups(Filter(text="order 7")),
        "the biggest group, with common": lambda store: _group(store, big),
        "a group of the middle, with common": lambda store: _group(store, small),
        "values of an attribute": lambda store: store.values("service.name"),
        "values of another, many": lambda store: store.values("tenant"),
        "one snapshot": lambda store: store.find("latest"),
    }


def _group(store: SqlStore, fingerprint: str) -> None:
    """What the page of a group shows."""
    wanted = Filter(fingerprint=fingerprint)
    assert store.groups(wanted, limit=1).groups
    store.snapshots(wanted)
    store.common(fingerprint, Filter())


def _median_ms(ask: Callable[[], object]) -> float:
    ask()
    taken = []
    for _ in range(ROUNDS):
        start = perf_counter()
        ask()
        taken.append(perf_counter() - start)
    return statistics.median(taken) * 1000


def snapshots() -> Iterator[tuple[str, bytes]]:
    """The same ones each time, oldest first; one group has 5 %, half of all have 0.1 %."""
    chosen = random.Random(7)  # noqa: S311 - no secret
    document = json.loads(SAMPLE.read_bytes())
    document |= {"threads": document["threads"][:1], "tasks": [], "sources": {}}
    kinds = chosen.choices(
        range(GROUPS), weights=[1 / (kind + 15) for kind in range(GROUPS)], k=SNAPSHOTS
    )
    for number, kind in enumerate(kinds):
        yield _snapshot(document, number, kind, chosen)


def _snapshot(
    document: dict[str, object], number: int, kind: int, chosen: random.Random
) -> tuple[str, bytes]:
    message = f"order {number} of tenant {chosen.randrange(1000)} could not be paid"
    error = {"type": f"shop.errors.Error{kind % 60}", "message": message}
    links = {"cause": None, "context": None, "suppress_context": False}
    made = document | {
        "id": _id(number, kind),
        "created": time_text(BEGIN + number * STEP),
        "reason": {"kind": "error", "fingerprint": fingerprint(kind)},
        "attributes": {
            "bcd.suppressed": str(chosen.randrange(3)),
            "error": message,
            "http.request.method": "POST" if kind % 3 else "GET",
            "http.route": f"/route/{kind % 50}",
            "service.name": f"service {kind % 8}",
            "service.version": f"1.{number * 20 // SNAPSHOTS}",
            "tenant": f"tenant {chosen.randrange(1000)}",
            "url.path": f"/route/{kind % 50}/{number}",
            "user.id": f"{chosen.randrange(20_000)}",
        },
        "classifiers": [f"kind.{kind % 20}", f"shop.errors.Error{kind % 60}"],
        "exception": {"root": 0, "list": [error | links]},
    }
    return _id(number, kind), json.dumps(made, separators=(",", ":")).encode()


def _id(number: int, kind: int) -> str:
    milliseconds = (BEGIN + number * STEP).timestamp() * 1000
    value = int(milliseconds) << 80 | kind << 40 | number
    return "".join([ALPHABET[value >> shift & 31] for shift in range(125, -1, -5)])


def fingerprint(kind: int) -> str:
    """The fingerprint of a group, of which the first is the biggest."""
    return f"{kind * 0x9E3779B97F4A7C15 % 2**64:016x}"


if __name__ == "__main__":
    main()
