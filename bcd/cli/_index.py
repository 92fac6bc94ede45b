"""Which store a command reads that finds and groups: a folder with its index, or a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bcd.cli._reading import bring_up_to_date
from bcd.folder import snapshot_folder

if TYPE_CHECKING:
    from bcd.store.base import Index

__all__ = ["database_option", "index", "store_option"]

database_option = click.option(
    "--store",
    "database",
    metavar="URL",
    help="Database of a fleet, postgresql://…, in place of a folder.",
)
"""For what changes or copies a store, which no variable of the environment may choose."""

store_option = click.option(
    "--store",
    metavar="URL",
    envvar="BCD_STORE",
    help="Database of a fleet, postgresql://…, in place of a folder.  [default: $BCD_STORE]",
)


def index(folder: str | None, store: str | None) -> Index:
    """Open the folder or the database that was asked for; a folder goes before ``BCD_STORE``.

    Raises:
        SnapshotError: The folder cannot be read.
        StoreError: The index or the database cannot be used.
    """
    from bcd.store.sql.opening import is_url, open_store  # what it needs is in an extra

    place = snapshot_folder(folder) if folder or not store else store
    opened = open_store(place)
    if not is_url(place):
        bring_up_to_date(place)
    return opened
