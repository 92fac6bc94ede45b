"""``bcd list``: what snapshots there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option, store
from bcd.cli._output import print_json, print_lines, print_message, print_warnings, terminal_width
from bcd.report.listing import listing_lines
from bcd.snapshot.codec import time_text

if TYPE_CHECKING:
    from bcd.store.base import Entry

__all__ = ["list_command"]


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, newest first.")
@folder_option
def list_command(*, as_json: bool, folder: str | None) -> None:
    """List the snapshots, newest first."""
    listing = store(folder).listing()
    print_warnings(listing.warnings)
    if as_json:
        print_json([_summary(entry) for entry in listing.entries])
    elif listing.hint is not None:
        print_message(listing.hint)
    else:
        width = terminal_width()
        now = datetime.now(UTC) if width is not None else None
        heads = [entry.head for entry in listing.entries]
        print_lines(listing_lines(heads, now=now, width=width))


def _summary(entry: Entry) -> dict[str, object]:
    head = entry.head
    return {
        "id": head.id,
        "created": time_text(head.created),
        "reason": head.reason.kind,
        "fingerprint": head.reason.fingerprint,
        "pid": head.process.pid,
        "host": head.process.host,
        "type": head.error and head.error.type,
        "message": head.error and head.error.message,
        "attributes": dict(head.attributes),
        "classifiers": list(head.classifiers),
        "path": entry.location,
        "size": entry.size,
    }
