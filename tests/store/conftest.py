"""What the tests of stores share: snapshots, and databases of both kinds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import psycopg
import pytest

from bcd.snapshot.codec import time_text
from bcd.store.sql.engines import sqlite_engine, writing
from bcd.store.sql.opening import open_database, upgrade_database
from bcd.store.sql.schema import metadata
from bcd.store.sql.store import SqlStore
from bcd.store.sql.versions import upgrade
from tests.postgresql import Databases, databases
from tests.store.commands import Ran

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"
NewStore: TypeAlias = Callable[[], SqlStore]


def id_at(number: int) -> str:
    """An id that sorts by ``number``."""
    digits = [ALPHABET[number >> shift & 31] for shift in range(40, -1, -5)]
    return f"01{''.join(digits):0>24}"


def made(  # noqa: PLR0913 - a test names what it is about
    number: int,
    *,
    kind: int = 0,
    type_: str = "shop.CheckoutFailed",
    message: str = "order 1042 could not be paid",
    attributes: Mapping[str, str] | None = None,
    classifiers: tuple[str, ...] = (),
    created: datetime | None = None,
    suppressed: int = 0,
) -> tuple[str, bytes]:
    """Make the snapshot of a number, a minute later for each: its id and its document."""
    document = json.loads(SAMPLE.read_bytes())
    document |= {
        "id": id_at(number),
        "created": time_text(created or BEGIN + timedelta(minutes=number)),
        "reason": {"kind": "error", "fingerprint": f"{kind:016x}"},
        "attributes": {"bcd.suppressed": str(suppressed)} | dict(attributes or {}),
        "classifiers": list(classifiers),
        "threads": [],
        "tasks": [],
        "sources": {},
    }
    error = {"type": type_, "message": message, "cause": None, "context": None}
    document["exception"] = {"root": 0, "list": [error | {"suppress_context": False}]}
    return document["id"], json.dumps(document).encode()


@pytest.fixture(name="bcd")
def _bcd(capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(capsys)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Databases]:
    """Databases of PostgreSQL, those with bcd's tables copied from one template."""
    with databases(upgrade_database) as found:
        yield found


@pytest.fixture(scope="session")
def shared_database(postgresql: Databases) -> str:
    """One with bcd's tables that tests use in turn: to drop one takes a second."""
    return postgresql.new()


def emptied(url: str) -> str:
    """Remove what an earlier test has left in a database."""
    tables = ", ".join(metadata.tables)
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY".encode())
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewStore]:
    """Opens the store of this test, each time as another program would."""
    opened: list[SqlStore] = []
    if request.param == "postgresql":
        url = emptied(request.getfixturevalue("shared_database"))
    else:
        path = str(tmp_path / "store.sqlite3")
        upgrade(writing(sqlite_engine(path)), path)

    def open_it() -> SqlStore:
        store = (
            open_database(url)
            if request.param == "postgresql"
            else SqlStore(sqlite_engine(path), path)
        )
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(new_store: NewStore) -> SqlStore:
    """An empty store with its tables."""
    return new_store()
