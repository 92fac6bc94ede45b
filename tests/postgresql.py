"""Databases of PostgreSQL for tests: of the server that runs, else of one that is started."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg

from tests.servers import POSTGRESQL, need_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Databases", "databases"]


class Databases:
    """Databases of one server, all of which go at the end.

    Args:
        server: URL without the name of a database.
        prepare: Fills the database that the others are copied from; gets its URL.
    """

    def __init__(self, server: str, prepare: Callable[[str], object]) -> None:
        self._server = server
        self._prefix = f"bcd_test_{os.getpid()}_{secrets.token_hex(3)}"
        self._prepare = prepare
        self._prepared: str | None = None
        self._made: list[str] = []

    def new(self, *, empty: bool = False) -> str:
        """Make one, and return its URL."""
        if empty:
            return self._url(self._make("template0"))
        if self._prepared is None:
            self._prepared = self._make("template0")
            self._prepare(self._url(self._prepared))
        return self._url(self._make(self._prepared))

    def drop(self) -> None:
        """Drop all, whoever is still connected."""
        for name in self._made:
            self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.clear()
        self._prepared = None

    def _make(self, template: str) -> str:
        name = f"{self._prefix}_{len(self._made)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        self._made.append(name)
        return name

    def _run(self, statement: str) -> None:
        with closing(psycopg.connect(self._url("postgres"), autocommit=True)) as connection:
            connection.execute(statement.encode())

    def _url(self, name: str) -> str:
        return f"{self._server.rstrip('/')}/{name}"


@contextmanager
def databases(prepare: Callable[[str], object]) -> Iterator[Databases]:
    """Databases of the server at hand; a test without any is skipped, or fails in the CI."""
    with ExitStack() as stack:
        server = POSTGRESQL if _answers() else stack.enter_context(_started())
        found = Databases(server, prepare)
        stack.callback(found.drop)
        yield found


def _answers() -> bool:
    parts = urlsplit(POSTGRESQL)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 5432), timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def _started() -> Iterator[str]:
    """A server of our own, where its program is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs and not shutil.which("initdb"):
        need_server(POSTGRESQL)
    program = programs[-1] if programs else Path(shutil.which("initdb") or "").parent
    folder, user = Path(mkdtemp(prefix="bcd-postgresql-")), _unprivileged()
    try:
        if user is not None:
            shutil.chown(folder, user)
        _control(user, program / "initdb", "-D", folder, "-U", "postgres", "-A", "trust", "-N")
        port = _free_port()
        options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
        _control(
            user,
            program / "pg_ctl",
            "-D",
            folder,
            "-w",
            "-l",
            folder / "log",
            "-o",
            options,
            "start",
        )
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            _control(user, program / "pg_ctl", "-D", folder, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _control(user: str | None, *command: str | Path) -> None:
    subprocess.run(
        command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )


def _unprivileged() -> str | None:
    """Whom the server runs as, which refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
