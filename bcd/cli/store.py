"""``bcd store``: looking after the database that many machines send their snapshots to."""

from __future__ import annotations

import click

from bcd.cli._output import print_message

__all__ = ["store_command"]


@click.group("store", short_help="Look after a database of snapshots.")
def store_command() -> None:
    """Look after the database that machines send their snapshots to."""


@store_command.command("upgrade")
@click.option(
    "--store",
    "url",
    metavar="URL",
    envvar="BCD_STORE",
    required=True,
    help="Such as postgresql://USER@HOST/DATABASE.  [default: $BCD_STORE]",
)
def upgrade_command(*, url: str) -> None:
    """Make the tables, or bring them to the version of this bcd.

    It may run while others use the database, and as often as one likes.
    """
    from bcd.store.sql.opening import place_of, upgrade_database  # what it needs is in an extra

    changed = upgrade_database(url)
    print_message(f"{place_of(url)} {'is ready now' if changed else 'was ready before'}")
