"""Which store a command reads that finds and groups: a folder with its index, or a database."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import platform_folder
from bcd.cli._reading import bring_up_to_date
from bcd.folder import snapshot_folder

if TYPE_CHECKING:
    from bcd.store.base import Index

__all__ = ["database_option", "index", "options_for", "store_option"]

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


def options_for(folder: str | None, store: str | None) -> str:
    """Say how a command names the same store from another shell: empty where it need not.

    The URL of a database, which may have a password in it, is left to that shell.
    """
    from bcd.store.sql.opening import is_url

    if store and not folder and is_url(store):
        return '--store "$BCD_STORE"'
    place = snapshot_folder(folder or store)
    return "" if place == platform_folder() else f"--folder {shlex.quote(place)}"
