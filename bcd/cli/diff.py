"""``bcd diff``: what differs between two snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bcd.cli._completing import offer_references
from bcd.cli._folder import folder_option
from bcd.cli._index import store_option
from bcd.cli._output import print_json, print_lines, print_warnings, terminal_width
from bcd.cli._pager import pager_option
from bcd.cli._reading import find, newest, opened
from bcd.errors import ConfigError, SnapshotNotFound
from bcd.report.difference import difference, difference_lines
from bcd.report.difference.document import document_of
from bcd.store.base import Filter, FoundDump

if TYPE_CHECKING:
    from bcd.cli._reading import Place
    from bcd.snapshot.model import Snapshot

__all__ = ["diff_command"]


@click.command("diff", short_help="Show what differs between two snapshots.")
@click.argument("one", metavar="[A", required=False, shell_complete=offer_references)
@click.argument("other", metavar="[B]]", required=False, shell_complete=offer_references)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.option("--locals", "full", is_flag=True, help="Values in frames of libraries, too.")
@pager_option
@store_option
@folder_option
def diff_command(  # noqa: PLR0913 - one for each option
    *,
    one: str | None,
    other: str | None,
    as_json: bool,
    full: bool,
    paged: bool,
    store: str | None,
    folder: str | None,
) -> None:
    """Show what differs between the snapshots A and B, each an ID, a PATH or latest.

    Without B, A is compared with the one before it of its kind; without both, so is the latest.
    What differs in A has a - before it, and what differs in B a +.
    """
    place = opened(folder, store)
    after = _snapshot(place, other or one or "latest")
    assert one is not None or other is None  # noqa: S101 - click fills the first one first
    before = _one_before(place, after) if other is None or one is None else _snapshot(place, one)
    found = difference(before, after)
    if as_json:
        print_json(document_of(found))
    else:
        print_lines(difference_lines(found, width=terminal_width(), full=full), paged=paged)


def _snapshot(place: Place, reference: str) -> Snapshot:
    found = find(place, reference)
    print_warnings(found.warnings)
    if isinstance(found, FoundDump):
        tool = found.dump.tool.name
        raise ConfigError(f"{found.dump.id} is a dump of {tool}; only snapshots can be compared")
    return found.snapshot


def _one_before(place: Place, snapshot: Snapshot) -> Snapshot:
    """Read the newest snapshot of the same kind that is older.

    Raises:
        SnapshotNotFound: There is none.
    """
    kind = snapshot.reason.fingerprint
    if kind is None:
        raise SnapshotNotFound(
            f"{snapshot.id} is of no error, so none is of its kind; name the two: bcd diff A B"
        )
    older = Filter(fingerprint=kind, until=snapshot.created)
    entries = newest(place, older, limit=1).entries
    if not entries:
        raise SnapshotNotFound(
            f"no snapshot before {snapshot.id} is of its kind ({kind}); name the two: bcd diff A B"
        )
    return _snapshot(place, entries[0].location)
