"""How many snapshots a second go from a folder to PostgreSQL, beside its own bulk insert?

The bulk inserts read the same files and put id and bytes into one table, without an index but
that of the id, without looking into a snapshot.
"""

from __future__ import annotations

import gzip
import json
import random
import statistics
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import psycopg

from bcd.snapshot.format import SUFFIX_GZIP
from bcd.store.forwarding import Forwarder
from bcd.store.sent import Sent
from bcd.store.sql.opening import open_database, upgrade_database
from bcd.store.sql.schema import metadata
from tests.bench.rounds import interleave
from tests.bench.tables import print_table, verdict
from tests.postgresql import databases
from tests.store.folders import SAMPLE, made_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = 2000
KINDS = 50
ROUNDS = 5
GOAL = 500.0  # snapshots/s
_TABLE = "CREATE TABLE bare (id text PRIMARY KEY, content bytea NOT NULL)"


class Unhurried:
    """Time that passes by itself, and nobody who wants an end."""

    def now(self) -> float:
        """Seconds."""
        return perf_counter()

    def wait(self, _seconds: float) -> bool:
        """Go on."""
        return False


class Deaf:
    """Does not want to know what happens, as long as nothing goes wrong."""

    def said(self, sentence: str) -> None:
        """End: it went wrong."""
        raise AssertionError(sentence)

    damaged = said

    def sent(self, new: int, size: int) -> None:
        """Do nothing."""

    def waiting(self, count: int) -> None:
        """Do nothing."""

    def settled(self, count: int) -> None:
        """Do nothing."""


def fill(folder: Path) -> int:
    """Write the snapshots; the bytes of all of them."""
    chance = random.Random(7)  # noqa: S311 - the same each time
    words = [f"{chance.getrandbits(40):x}" for _ in range(4000)]
    sample = json.loads(SAMPLE.read_bytes())
    for number in range(COUNT):
        kind = number % KINDS
        made = sample | {"id": made_id(1_790_000_000 + number, kind=kind, number=number)}
        made["reason"] = {"kind": "error", "fingerprint": f"{kind:016x}"}
        lines = {str(at): " ".join(chance.choices(words, k=8)) for at in range(150)}
        made["sources"] = {"/app/shop/checkout.py": lines}
        data = gzip.compress(json.dumps(made).encode(), 1)
        (folder / f"{made['id']}{SUFFIX_GZIP}").write_bytes(data)
    return sum(path.stat().st_size for path in folder.iterdir())


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Id and bytes of each."""
    for path in sorted(folder.glob(f"*{SUFFIX_GZIP}")):
        yield path.name[:26], path.read_bytes()


def emptied(database: str, *tables: str) -> None:
    """Remove what an earlier round has left."""
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY".encode())


def copied(database: str, folder: Path) -> float:
    """Snapshots a second by COPY, in one transaction."""
    emptied(database, "bare")
    began = perf_counter()
    statement = "COPY bare (id, content) FROM STDIN (FORMAT BINARY)"
    with psycopg.connect(database) as connection, connection.cursor().copy(statement) as copy:
        copy.set_types(["text", "bytea"])
        for row in files(folder):
            copy.write_row(row)
    return COUNT / (perf_counter() - began)


def inserted(database: str, folder: Path) -> float:
    """Snapshots a second by INSERT, as many in a transaction as bcd has in one."""
    emptied(database, "bare")
    statement = "INSERT INTO bare VALUES (%s, %s) ON CONFLICT DO NOTHING"
    began = perf_counter()
    with closing(psycopg.connect(database)) as connection:
        rows = list(files(folder))
        for start in range(0, COUNT, 128):
            with connection.transaction():
                connection.cursor().executemany(statement, rows[start : start + 128])
    return COUNT / (perf_counter() - began)


def forwarded(database: str, folder: Path) -> float:
    """Snapshots a second by the forwarder of bcd."""
    emptied(database, *metadata.tables)
    began = perf_counter()
    forwarder = Forwarder(
        str(folder),
        partial(open_database, database),
        "the database",
        pace=Unhurried(),
        listener=Deaf(),
        sent=Sent(str(folder), "bench", again=True),
    )
    assert forwarder.once().new == COUNT
    forwarder.close()
    return COUNT / (perf_counter() - began)


def by_command(database: str, folder: Path) -> float:
    """Snapshots a second by the command, the start of its process included."""
    emptied(database, *metadata.tables)
    program = [sys.executable, "-c", "from bcd.cli import main; main()"]
    options = ["--to", database, "--folder", str(folder), "--again", "--json"]
    began = perf_counter()
    ran = subprocess.run([*program, "forward", *options], stdout=subprocess.PIPE, check=True)
    took = perf_counter() - began
    assert json.loads(ran.stdout)["sent"] == COUNT
    return COUNT / took


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as name, databases(upgrade_database) as server:
        folder, database = Path(name), server.new()
        size = fill(folder)
        with closing(psycopg.connect(database, autocommit=True)) as connection:
            connection.execute(_TABLE)
        cases: dict[str, Callable[[], float]] = {
            "psycopg, COPY": partial(copied, database, folder),
            "psycopg, INSERT of 128": partial(inserted, database, folder),
            "bcd's forwarder": partial(forwarded, database, folder),
            "bcd forward, with its start": partial(by_command, database, folder),
        }
        interleave(cases, 1)
        found = interleave(cases, ROUNDS)
    bare = statistics.median(found["psycopg, INSERT of 128"])
    rows = []
    for case, rates in found.items():
        middle = statistics.median(rates)
        goal = verdict(round(middle), GOAL, at_least=True) if "bcd" in case else ""
        rows.append([case, f"{middle:,.0f}", f"{max(rates):,.0f}", f"{middle / bare:.2f}", goal])
    title = f"Snapshots of {size / COUNT / 1024:.1f} KiB into PostgreSQL, {COUNT:,} of them"
    print_table(title, ["a second", "median", "most", "ratio", "goal"], rows)


if __name__ == "__main__":
    main()
