"""``bcd open``: the page of one snapshot in a browser."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from bcd.cli._completing import offer_references
from bcd.cli._folder import folder_option
from bcd.cli._index import store_option
from bcd.cli._output import print_warnings
from bcd.cli._page import page_of, write_page
from bcd.cli._reading import find, opened
from bcd.errors import ConfigError

__all__ = ["open_command"]


@click.command("open", short_help="Open one snapshot in a browser, the newest unless told.")
@click.argument(
    "reference",
    metavar="[latest|ID|PATH]",
    default="latest",
    shell_complete=offer_references,
)
@store_option
@folder_option
def open_command(*, reference: str, store: str | None, folder: str | None) -> None:
    """Make the page of a snapshot, in a folder of its own that only you can read, and open it."""
    found = find(opened(folder, store), reference)
    print_warnings(found.warnings)
    text = page_of(found)
    import webbrowser  # for this command alone

    path = Path(tempfile.mkdtemp(prefix="bcd-"), "snapshot.html")
    write_page(text, str(path))
    if not webbrowser.open(path.as_uri()):
        raise ConfigError(
            f"no browser was found: open {path} in one, or name yours in the variable BROWSER"
        )
