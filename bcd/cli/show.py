"""``bcd show``: one snapshot, or one dump of another tool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from bcd.cli._choosing import the_task, the_thread
from bcd.cli._completing import offer_references
from bcd.cli._folder import folder_option
from bcd.cli._index import store_option
from bcd.cli._output import print_json, print_lines, print_warnings
from bcd.cli._page import page_of, write_page
from bcd.cli._pager import pager_option
from bcd.cli._reading import find, opened
from bcd.cli._view import check_view, view_of, view_options
from bcd.errors import ConfigError
from bcd.report.chosen import chosen_report
from bcd.report.dump import dump_report
from bcd.report.text import report
from bcd.snapshot.codec import parse
from bcd.store.base import FoundDump
from bcd.store.files import read_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.text import Text

    from bcd.store.base import Found

__all__ = ["show_command"]


@click.command("show", short_help="Show one snapshot, the newest unless told.")
@click.argument(
    "reference",
    metavar="[latest|ID|PATH]",
    default="latest",
    shell_complete=offer_references,
)
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot's document.")
@click.option("--html", "html", metavar="FILE", help="Write one HTML page; - for standard output.")
@view_options
@pager_option
@store_option
@folder_option
def show_command(  # noqa: PLR0913 - one for each option
    *,
    reference: str,
    as_json: bool,
    html: str | None,
    paged: bool,
    store: str | None,
    folder: str | None,
    **wanted: Any,
) -> None:
    """Show a snapshot: the newest one, or that of an ID (its begin or end will do) or a PATH.

    A dump of py-spy, pystack or gcore is shown likewise.
    """
    if as_json and html is not None:
        raise click.UsageError("--json and --html are two ways to show it; leave out one")
    check_view(wanted, "--json" if as_json else None if html is None else "--html")
    found = find(opened(folder, store), reference)
    print_warnings(found.warnings)
    if html is not None:
        write_page(page_of(found), html)
    elif as_json:
        print_json(_document(found))
    else:
        print_lines(_lines(found, wanted), paged=paged)


def _lines(found: Found | FoundDump, wanted: Mapping[str, Any]) -> Iterable[Text]:
    view, thread, task = view_of(wanted), wanted["thread"], wanted["task"]
    if isinstance(found, FoundDump):
        if thread is not None or task is not None:
            tool = found.dump.tool.name
            raise ConfigError(f"{found.dump.id} is a dump of {tool}, which is shown as a whole")
        return list(dump_report(found.dump, _output(found), found.location, view))
    if thread is None and task is None:
        return report(found.snapshot, view)
    threads = the_thread(found.snapshot.threads, thread)
    return chosen_report(found.snapshot, view, threads, the_task(found.snapshot.tasks, task))


def _document(found: Found | FoundDump) -> dict[str, object]:
    """The document of a snapshot; the head of a dump with its path and what is in it."""
    document: dict[str, object] = json.loads(found.document)
    if not isinstance(found, FoundDump):
        return document
    document["path"] = found.location
    if found.dump.tool.name == "py-spy":
        document["content"] = parse(_output(found))
    elif found.dump.tool.name == "pystack":
        document["content"] = _output(found).decode("utf-8", "backslashreplace")
    return document


def _output(found: FoundDump) -> bytes:
    """What the tool found; nothing of a core, which is not for readers."""
    return b"" if found.dump.tool.name == "gcore" else read_output(found)
