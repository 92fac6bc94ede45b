"""``bcd state``: what people have made of a kind of error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option
from bcd.cli._index import index, store_option
from bcd.cli._output import print_message
from bcd.errors import SnapshotNotFound
from bcd.store.base import STATES, Filter

if TYPE_CHECKING:
    from bcd.store.base import Group, GroupState, Index

__all__ = ["state_command"]


@click.command("state", short_help="Mark a kind of error as resolved, ignored or open.")
@click.argument("fingerprint")
@click.argument("state", type=click.Choice(STATES))
@store_option
@folder_option
def state_command(
    *, fingerprint: str, state: GroupState, store: str | None, folder: str | None
) -> None:
    """Set the state of the errors with a FINGERPRINT, of which the begin will do.

    A resolved kind of error that comes again is open from then on, and marked as one that came
    back. Ignored ones stay ignored.
    """
    opened = index(folder, store)
    group = _the_one(opened, fingerprint)
    opened.set_state(group.fingerprint, state)
    print_message(f"{group.type or group.fingerprint} is {state} now, and was {group.state}")


def _the_one(opened: Index, fingerprint: str) -> Group:
    found = opened.groups(Filter(fingerprint=fingerprint.lower()), limit=1)
    if found.total > 1:
        raise SnapshotNotFound(
            f"{found.total} kinds of error begin with {fingerprint!r}; give more of the fingerprint"
        )
    if not found.groups:
        raise SnapshotNotFound(
            f"no kind of error begins with {fingerprint!r}; the page of one, and "
            "`bcd list --json`, tell its fingerprint"
        )
    return found.groups[0]
