"""``bcd list``: what snapshots and dumps there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option, store
from bcd.cli._output import print_json, print_lines, print_message, print_warnings, terminal_width
from bcd.report.listing import listing_lines
from bcd.snapshot.codec import time_text
from bcd.snapshot.dump import Dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.snapshot.head import Head
    from bcd.store.base import DumpEntry, Entry

__all__ = ["list_command"]


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, newest first.")
@folder_option
def list_command(*, as_json: bool, folder: str | None) -> None:
    """List the snapshots, and the dumps of other tools, newest first."""
    listing = store(folder).listing()
    found: list[Entry | DumpEntry] = [*listing.entries, *listing.dumps]
    found.sort(key=lambda entry: entry.head.id, reverse=True)
    print_warnings(listing.warnings)
    if as_json:
        print_json([dict(_summary(entry)) for entry in found])
    elif listing.hint is not None:
        print_message(listing.hint)
    else:
        width = terminal_width()
        now = datetime.now(UTC) if width is not None else None
        print_lines(listing_lines([entry.head for entry in found], now=now, width=width))


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
