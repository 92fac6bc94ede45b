"""``bcd show``: one snapshot, or one dump of another tool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option, store
from bcd.cli._output import print_json, print_lines, print_warnings, terminal_width
from bcd.cli._page import page_of, write_page
from bcd.cli._pager import pager_option
from bcd.report.dump import dump_report
from bcd.report.text import Detail, View, report
from bcd.snapshot.codec import parse
from bcd.store.base import FoundDump
from bcd.store.files import read_output

if TYPE_CHECKING:
    from bcd.store.base import Found

__all__ = ["show_command"]


@click.command("show", short_help="Show one snapshot, the newest unless told.")
@click.argument("reference", metavar="[latest|ID|PATH]", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot's document.")
@click.option("--html", "html", metavar="FILE", help="Write one HTML page; - for standard output.")
@click.option(
    "--locals/--no-locals",
    "variables",
    default=None,
    help="Every variable of every frame, or none.  [default: library frames on one line]",
)
@click.option(
    "--threads/--no-threads",
    default=None,
    help="Every frame of every thread, or no threads.  [default: the innermost frames]",
)
@click.option(
    "--tasks/--no-tasks",
    default=None,
    help="Every frame of every task, or no tasks.  [default: where each one waits]",
)
@pager_option
@folder_option
def show_command(  # noqa: PLR0913 - one for each option
    *,
    reference: str,
    as_json: bool,
    html: str | None,
    variables: bool | None,
    threads: bool | None,
    tasks: bool | None,
    paged: bool,
    folder: str | None,
) -> None:
    """Show a snapshot: the newest one, or that of an ID (its begin or end will do) or a PATH.

    A dump of py-spy, pystack or gcore is shown likewise.
    """
    found = store(folder).find(reference)
    print_warnings(found.warnings)
    if html is not None:
        write_page(page_of(found), html)
        return
    if as_json:
        print_json(_document(found))
        return
    view = View(
        width=terminal_width(),
        variables=_detail(variables),
        threads=_detail(threads),
        tasks=_detail(tasks),
    )
    if isinstance(found, FoundDump):
        lines = list(dump_report(found.dump, _output(found), found.location, view))
        print_lines(lines, paged=paged)
    else:
        print_lines(report(found.snapshot, view), paged=paged)


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


def _detail(wanted: bool | None) -> Detail:  # noqa: FBT001 - click's three states
    if wanted is None:
        return Detail.FOLDED
    return Detail.FULL if wanted else Detail.NONE
