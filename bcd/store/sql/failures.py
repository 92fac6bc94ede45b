"""What a database says when it fails, as one line for people, without a password."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bcd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DamagedError", "naming"]


class DamagedError(StoreError):
    """A file of SQLite that is none, or whose content is damaged."""


_ADVICE = {
    "3D000": "create it with createdb, or correct the URL",
    "28P01": "correct the user or the password",
    "28000": "correct the user or the password",
    "42501": "have its owner grant the user what is missing",
    "42P01": "run `bcd store upgrade --store …`",
    "53100": "free or enlarge its disk",
    "53300": "let some of its connections end, or allow more",
    "57014": "ask for less, as with a shorter span of time",
    "25006": "name the primary, which can be written to",
}
"""SQLSTATE → what to do; see appendix A of the manual of PostgreSQL."""

_SQLITE_ADVICE = {
    "database or disk is full": "free or enlarge its disk",
    "database is locked": "try again when the others that use it are done",
    "attempt to write a readonly database": "make the file writable for this user",
}

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_UNREACHABLE = "see whether it runs and the URL is right"


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Turn what the database raises into a StoreError that names it.

    Args:
        place: The database, without a password.
    """
    try:
        yield
    except SQLAlchemyError as error:
        kind = DamagedError if _is_damage(error) else StoreError
        raise kind(f"{place}: {_told(error)}") from None


def _is_damage(error: SQLAlchemyError) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return False
    return code & 0xFF in _DAMAGE or str(cause).startswith(("no such table", "no such column"))


def _told(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    said = _first_line(str(cause))
    state = getattr(cause, "sqlstate", None)
    advice = _ADVICE.get(state or "") or _SQLITE_ADVICE.get(said) or _guess(said)
    if advice is None and isinstance(error, DBAPIError) and _is_lost(error, state):
        advice = _UNREACHABLE
    return f"{said}; {advice}" if advice else said


def _guess(said: str) -> str | None:
    """What to do where the driver gives no code, as for what fails while it connects."""
    if "does not exist" in said and "database" in said:
        return _ADVICE["3D000"]
    if "authentication failed" in said or "no password supplied" in said:
        return _ADVICE["28P01"]
    return None


def _is_lost(error: DBAPIError, state: str | None) -> bool:
    return error.connection_invalidated or state is None or state[:2] in ("08", "57")


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else "it failed without a word"
