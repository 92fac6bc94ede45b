"""``bcd list``: what snapshots and dumps there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bcd.cli._filters import filter_of, filter_options, limit_of
from bcd.cli._folder import folder_option
from bcd.cli._grouping import row_of, summary_of
from bcd.cli._index import store_option
from bcd.cli._output import print_json, print_lines, print_message, print_warnings, terminal_width
from bcd.cli._pager import pager_option
from bcd.cli._reading import Kinds, kinds, newest, opened
from bcd.report.groups import kind_lines
from bcd.report.listing import listing_lines
from bcd.snapshot.codec import time_text
from bcd.snapshot.dump import Dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.snapshot.head import Head
    from bcd.store.base import DumpEntry, Entry, Listing

__all__ = ["list_command"]


@click.command("list", short_help="List the snapshots, newest first.")
@click.option("--groups", is_flag=True, help="One line for each kind of error.")
@filter_options
@click.option(
    "--limit",
    type=limit_of,
    metavar="NUMBER|all",
    default="200",
    help="At most so many lines.  [default: 200]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, newest first.")
@pager_option
@store_option
@folder_option
def list_command(  # noqa: PLR0913 - one for each option
    *,
    groups: bool,
    limit: int | None,
    as_json: bool,
    paged: bool,
    store: str | None,
    folder: str | None,
    **filters: Any,
) -> None:
    """List the snapshots, and the dumps of other tools, newest first.

    Only those are listed that have all that the options ask for.
    """
    wanted = filter_of(**filters)
    place = opened(folder, store)
    if groups:
        _print_kinds(kinds(place, wanted, limit), as_json=as_json, paged=paged)
    else:
        _print_listing(newest(place, wanted, limit), as_json=as_json, paged=paged)


def _print_listing(listing: Listing, *, as_json: bool, paged: bool) -> None:
    found: list[Entry | DumpEntry] = [*listing.entries, *listing.dumps]
    found.sort(key=lambda entry: entry.head.id, reverse=True)
    print_warnings(listing.warnings)
    if as_json:
        print_json([dict(_summary(entry)) for entry in found])
    elif listing.hint is not None:
        print_message(listing.hint)
    else:
        lines = listing_lines([entry.head for entry in found], now=_now(), width=terminal_width())
        print_lines(lines, paged=paged)
    if listing.left:
        print_message(_left_out(listing.left))


def _print_kinds(found: Kinds, *, as_json: bool, paged: bool) -> None:
    print_warnings(found.warnings)
    if as_json:
        print_json([dict(summary_of(each, state_known=found.state_known)) for each in found.groups])
    elif found.hint is not None:
        print_message(found.hint)
    elif found.groups:
        rows = [row_of(each) for each in found.groups]
        print_lines(kind_lines(rows, now=_now(), width=terminal_width()), paged=paged)
    if found.without:
        print_message(_in_no_group(found.without))
    if found.left:
        print_message(f"{found.left:,} more kinds are not shown; --limit all shows them too")


def _left_out(count: int) -> str:
    if count == 1:
        return "1 older one was not looked at; --limit all takes it too"
    return f"{count:,} older ones were not looked at; --limit all takes them too"


def _in_no_group(count: int) -> str:
    if count == 1:
        return "1 snapshot is of no kind of error, and in no group"
    return f"{count:,} snapshots are of no kind of error, and in no group"


def _now() -> datetime | None:
    """The time that ages are counted from, on a terminal."""
    return datetime.now(UTC) if terminal_width() is not None else None


def _summary(entry: Entry | DumpEntry) -> Iterator[tuple[str, object]]:
    head: Head | Dump = entry.head
    yield "id", head.id
    yield "kind", _kind(head)
    yield "created", time_text(head.created)
    yield "reason", head.reason.kind
    yield "fingerprint", head.reason.fingerprint
    yield "pid", head.process.pid
    yield "host", head.process.host
    yield "type", head.error and (head.error.type or None)
    yield "message", head.error and head.error.message
    yield "attributes", dict(head.attributes)
    yield "classifiers", list(head.classifiers)
    yield "path", entry.location
    yield "size", entry.size


def _kind(head: Head | Dump) -> str:
    """``"snapshot"``, or the name of the tool that made the dump."""
    return head.tool.name if isinstance(head, Dump) else "snapshot"
