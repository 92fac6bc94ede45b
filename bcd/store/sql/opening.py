"""Opening the store that somebody has named."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bcd.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import URL

    from bcd.store.sql.folder import FolderIndex
    from bcd.store.sql.store import SqlStore

__all__ = ["is_url", "open_database", "open_store", "place_of", "upgrade_database"]

_SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")
_EXPECTED = "postgresql://USER@HOST/DATABASE is expected"


def is_url(store: str) -> bool:
    """Whether the name of a store is that of a database, not of a folder."""
    return re.match(r"[a-z][a-z0-9+]*://", store, re.IGNORECASE) is not None


def open_store(store: str, *, create: bool = False) -> SqlStore | FolderIndex:
    """Open a store for reading.

    Args:
        store: A folder of snapshots, or the URL of a database.
        create: Make the tables of a database where there are none.

    Raises:
        StoreError: It cannot be used; the message says why and what to do.
    """
    if is_url(store):
        return open_database(store, create=create)
    try:
        from bcd.store.sql.folder import FolderIndex  # SQLAlchemy takes 0.2 s
    except ImportError as error:
        raise StoreError(
            f"the index of {store} needs more than is installed ({error}):"
            " pip install 'bcd[viewer]'"
        ) from None
    return FolderIndex(store)


def open_database(url: str, *, create: bool = False) -> SqlStore:
    """Open a database of PostgreSQL.

    Args:
        url: Such as ``postgresql://USER@HOST/DATABASE``.
        create: Make the tables where there are none.

    Raises:
        StoreError: It cannot be reached, has no tables or those of another version, or what is
            needed is not installed.
    """
    parsed = _parse(url)
    from bcd.store.sql.engines import postgresql_engine  # SQLAlchemy takes 0.2 s
    from bcd.store.sql.failures import naming
    from bcd.store.sql.store import SqlStore
    from bcd.store.sql.versions import check_version, upgrade, version_of

    place = _place(parsed)
    with ExitStack() as stack, naming(place):
        engine = postgresql_engine(parsed)
        stack.callback(engine.dispose)
        with engine.connect() as connection:
            version = version_of(connection)
        if version is None and create:
            upgrade(engine, place)
        else:
            check_version(version, place)
        stack.pop_all()  # it is used from now on
    return SqlStore(engine, place)


def place_of(url: str) -> str:
    """The database as messages name it, without a password.

    Raises:
        StoreError: It is not the URL of one, or what is needed is not installed.
    """
    return _place(_parse(url))


def upgrade_database(url: str) -> bool:
    """Make the tables of a database, or bring them to the present version.

    Args:
        url: Such as ``postgresql://USER@HOST/DATABASE``.

    Returns:
        Whether there was something to do.

    Raises:
        StoreError: It cannot be reached, or was made by a newer bcd.
    """
    parsed = _parse(url)
    from bcd.store.sql.engines import postgresql_engine  # as above
    from bcd.store.sql.failures import naming
    from bcd.store.sql.versions import upgrade

    place = _place(parsed)
    with naming(place):
        engine = postgresql_engine(parsed)
        try:
            return upgrade(engine, place)
        finally:
            engine.dispose()


def _parse(url: str) -> URL:
    if not is_url(url):  # its text might hold the password
        raise StoreError(f"what is given as a store is no URL; {_EXPECTED}")
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        raise StoreError(f"a store of the kind {scheme!r} is not known; {_EXPECTED}")
    try:
        import psycopg  # noqa: F401 - to say at once that it is missing
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        raise StoreError(
            f"a store in PostgreSQL needs more than is installed ({error}):"
            " pip install 'bcd[postgres]'"
        ) from None
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # its text might hold the password
        raise StoreError(f"the URL of the store cannot be read; {_EXPECTED}") from None
    if "@" in (parsed.host or ""):  # so might the host
        raise StoreError(
            f"the URL of the store cannot be read: an @ in a password is written %40; {_EXPECTED}"
        )
    return parsed


def _place(url: URL) -> str:
    """The database as messages name it: no password, and none in what follows the name."""
    return url.set(drivername="postgresql", query={})._replace(password=None).render_as_string()
