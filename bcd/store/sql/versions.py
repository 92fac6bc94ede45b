"""Which version the tables of a database have, and how they get the present one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from bcd.errors import StoreError
from bcd.store.sql.schema import VERSION, VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["check_version", "upgrade", "version_of"]

_ADVISORY_LOCK = 0x626364  # "bcd"; one upgrade at a time


def version_of(connection: Connection) -> int | None:
    """The version of the tables; None where there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else int(found)


def check_version(version: int | None, place: str, *, is_file: bool = False) -> None:
    """Refuse tables of another version.

    Args:
        version: What :func:`version_of` has found.
        place: The database, for the message.
        is_file: It is a file, which can be made anew.

    Raises:
        StoreError: They are of another version; the message says what to do.
    """
    if version is None:
        raise StoreError(
            f"{place} holds no snapshots of bcd yet; `bcd forward --store …` brings them there,"
            " `bcd store upgrade --store …` prepares it"
        )
    if version > VERSION:
        raise StoreError(
            f"{place} was made by a newer bcd: its tables have version {version}, this bcd knows"
            f" them up to {VERSION}; update bcd{', or remove the file' if is_file else ''}"
        )
    if version < VERSION:
        raise StoreError(
            f"{place} was made by an older bcd: its tables have version {version} of {VERSION};"
            " run `bcd store upgrade --store …`"
        )


def upgrade(engine: Engine, place: str) -> bool:
    """Make the tables, or bring them to the present version; others wait meanwhile.

    Args:
        engine: Of the database, whose transactions write.
        place: The database, for the message.

    Returns:
        Whether there was something to do.

    Raises:
        StoreError: They are of a newer version.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        version = version_of(connection)
        if version == VERSION:
            return False
        if version is not None and version > VERSION:
            check_version(version, place, is_file=engine.dialect.name == "sqlite")
        _migrate(connection)
    return True


def _migrate(connection: Connection) -> None:
    from alembic import command  # 0.1 s, for a database that is new or old
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    # A "%" would be taken for the begin of a reference.
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
