"""Connections to SQLite and to PostgreSQL, set up for what bcd does with them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

__all__ = ["begin_writing", "postgresql_engine", "reading", "sqlite_engine", "writing"]

_BUSY_SECONDS = 30
_CONNECT_SECONDS = 10
_STATEMENT_MS = 60_000
_WRITES = "bcd_writes"
_PLANNER = "-c jit=off -c random_page_cost=1.1"
"""A page of a group reads some thousand rows by an index: to compile it, or to read a million rows
from end to end instead, takes ten times as long."""


def sqlite_engine(path: str) -> Engine:
    """Open a file of SQLite, which is made where there is none.

    The journal is one that stays in its place: a file that comes and goes would change the time
    of the folder, by which is known whether snapshots came or went.
    """
    engine = create_engine(
        URL.create("sqlite", database=path),
        poolclass=NullPool,
        connect_args={"timeout": _BUSY_SECONDS},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def postgresql_engine(url: URL) -> Engine:
    """Connect to a database of PostgreSQL when it is first used."""
    given = {
        "application_name": "bcd",
        "connect_timeout": _CONNECT_SECONDS,
        "options": f"-c statement_timeout={_STATEMENT_MS} {_PLANNER}",
        "tcp_user_timeout": _STATEMENT_MS,
        "client_encoding": "utf8",
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={key: value for key, value in given.items() if key not in url.query},
    )


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: in SQLite they take their turn at once."""
    return engine.execution_options(**{_WRITES: True})


@contextmanager
def begin_writing(connection: Connection) -> Iterator[Connection]:
    """A transaction that writes, over a connection that has done something else before."""
    connection.execution_options(**{_WRITES: True})
    try:
        with connection.begin():
            yield connection
    finally:
        connection.execution_options(**{_WRITES: False})


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read, and see one moment throughout."""
    if engine.dialect.name != "postgresql":
        return engine  # SQLite's do
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says
    for pragma in ("journal_mode=TRUNCATE", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
