"""``bcd dump``: a snapshot of a process that did not ask for one."""

from __future__ import annotations

import json

import click

from bcd.cli._folder import folder_option
from bcd.cli._output import print_json, print_lines, print_message, terminal_width
from bcd.cli._page import page_of, write_page
from bcd.cli._pager import pager_option
from bcd.doctor.outside import take_snapshot
from bcd.doctor.program import find_program
from bcd.folder import snapshot_folder
from bcd.report.text import View, report
from bcd.store.base import Found
from bcd.store.files import read_file

__all__ = ["dump_command"]


@click.command("dump", short_help="Take a snapshot of a running process.")
@click.argument("pid", type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot's document.")
@click.option("--html", "html", metavar="FILE", help="Write one HTML page; - for standard output.")
@click.option(
    "--pause/--no-pause",
    default=True,
    help="Whether the process stands still while it is read.  [default: --pause]",
)
@click.option(
    "--python",
    metavar="PATH",
    help="Interpreter to read it with, for programs that have Python inside (uWSGI).",
)
@pager_option
@folder_option
def dump_command(  # noqa: PLR0913 - one for each option
    *,
    pid: int,
    as_json: bool,
    html: str | None,
    pause: bool,
    python: str | None,
    paged: bool,
    folder: str | None,
) -> None:
    """Take a snapshot of the Python process PID, keep it, and show it.

    The process needs no bcd. It is read by its own interpreter and stands still for some
    milliseconds; none of its code runs.
    """
    program = find_program(pid, python)
    path = take_snapshot(program, pid, snapshot_folder(folder), pause=pause)
    found = read_file(path)
    assert isinstance(found, Found)  # noqa: S101 - no dump of another tool
    if html is not None:
        write_page(page_of(found), html)
    elif as_json:
        print_json(json.loads(found.document))
    else:
        print_lines(report(found.snapshot, View(width=terminal_width())), paged=paged)
    print_message(f"kept as {path}")
