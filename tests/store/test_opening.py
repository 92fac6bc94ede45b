"""Opening a database: what is said where it cannot be, and nothing of a password anywhere."""

from __future__ import annotations

import re
import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from bcd.errors import StoreError
from bcd.store.base import Filter
from bcd.store.sql.opening import open_database, open_store, place_of, upgrade_database
from tests.store.commands import Ran
from tests.store.conftest import made

if TYPE_CHECKING:
    from tests.postgresql import Databases

SECRET = "geheim-4711"  # noqa: S105 - of nobody


@pytest.fixture(name="ran")
def _ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(capsys)


@pytest.fixture(name="empty")
def _empty(postgresql: Databases) -> str:
    return postgresql.new(empty=True)


def with_password(url: str) -> str:
    """The URL of a database with a password, which a server that trusts everybody ignores."""
    return re.sub(r"//(\w+)@", rf"//\1:{SECRET}@", url)


def run(url: str, statement: str, *values: str) -> None:
    """Change a database as its owner would."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(statement.encode(), values or None)


def refused(url: str) -> str:
    """The one line that is said where a database cannot be opened."""
    with pytest.raises(StoreError) as caught:
        open_store(url)
    said = str(caught.value)
    assert SECRET not in said
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://root:{SECRET}@localhost/x", "of the kind 'mysql' is not known"),
        (f"sqlite:///{SECRET}", "of the kind 'sqlite' is not known"),
        (f"postgresql://u:{SECRET}@host:port/x", "cannot be read; postgresql://USER@HOST/DATABASE"),
        (f"postgresql://u@127.0.0.1:1/x?password={SECRET}", "see whether it runs"),
        (f"postgresql://u:a@{SECRET}@127.0.0.1/x", "is written %40"),
        ("postgresql://u@127.0.0.1:1/x?nonsense=1", "nonsense"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, said: str) -> None:
    """What is wrong with a URL is said in one line, with what to do, without its password."""
    assert said in refused(url)


def test_a_server_that_does_not_answer() -> None:
    """A port that nobody listens at is named, with what to see to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = refused(f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/x")
    assert said.startswith(f"postgresql://postgres@127.0.0.1:{port}/x: ")
    assert said.endswith("; see whether it runs and the URL is right")


def test_a_database_that_does_not_exist(empty: str) -> None:
    """A wrong name says how the database is made."""
    assert "create it with createdb" in refused(with_password(f"{empty}_not"))


@pytest.mark.parametrize(("version", "said"), [("99", "update bcd"), ("0", "bcd store upgrade")])
def test_a_database_of_another_version(empty: str, version: str, said: str) -> None:
    """Tables of another version are left alone, whoever asks; it is said who has to be updated."""
    upgrade_database(empty)
    run(empty, "UPDATE bcd_version SET version_num = %s", version)
    assert said in refused(with_password(empty))
    with pytest.raises(StoreError, match=said):
        open_database(empty, create=True)


def test_a_user_without_rights(empty: str) -> None:
    """A user who may not read says so, and whom to ask."""
    upgrade_database(empty)
    user = f"bcd_{empty.rpartition('/')[2]}"
    run(empty, f"CREATE ROLE {user} LOGIN")
    try:
        said = refused(re.sub(r"//\w+@", f"//{user}:{SECRET}@", empty))
        assert "permission denied" in said
        assert "have its owner grant" in said
    finally:
        run(empty, f"DROP ROLE {user}")


def test_tables_that_vanish(empty: str) -> None:
    """A store whose tables are dropped while it is open says what makes them again."""
    store = open_database(empty, create=True)
    run(empty, "DROP TABLE bcd_document CASCADE")
    with pytest.raises(StoreError, match="bcd store upgrade"):
        store.snapshots(Filter())
    store.close()


def test_a_database_that_comes_back(empty: str) -> None:
    """A store whose connections were cut answers again without being opened anew."""
    store = open_database(empty, create=True)
    store.add([made(1)])
    name = empty.rpartition("/")[2]
    server = f"{empty.rpartition('/')[0]}/postgres"
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    run(server, end, name)
    assert store.snapshots(Filter()).total == 1
    store.close()


@pytest.fixture(name="without")
def _without(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for name in [name for name in sys.modules if name.startswith("bcd.store.sql.")]:
        if name != "bcd.store.sql.opening":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, request.param, None)


@pytest.mark.parametrize("without", ["psycopg", "sqlalchemy"], indirect=True)
@pytest.mark.usefixtures("without")
def test_what_is_not_installed_is_named() -> None:
    """A missing package is one line that says what to install."""
    assert refused("postgresql://u@h/x").endswith("pip install 'bcd[postgres]'")


@pytest.mark.parametrize("without", ["sqlalchemy"], indirect=True)
@pytest.mark.usefixtures("without")
def test_what_an_index_needs_is_named() -> None:
    """So it is for a folder."""
    assert refused("/nowhere").endswith("pip install 'bcd[viewer]'")


def test_a_place_is_named_without_its_password() -> None:
    """Messages name user, host, port and database."""
    url = f"postgres://me:{SECRET}@db.example:5433/errors?password={SECRET}&sslmode=require"
    assert place_of(url) == "postgresql://me@db.example:5433/errors"


def test_upgrade_prepares_a_database(empty: str, ran: Ran) -> None:
    """The command makes the tables once, and says that they are there."""
    place = place_of(empty)
    url = with_password(empty)
    assert ran("store", "upgrade", "--store", url) == (0, "", f"bcd: {place} is ready now\n")
    assert ran("store", "upgrade", "--store", url) == (0, "", f"bcd: {place} was ready before\n")
