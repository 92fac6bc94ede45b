"""``bcd show``: one snapshot."""

from __future__ import annotations

import json

import click

from bcd.cli._folder import folder_option, store
from bcd.cli._output import print_json, print_lines, print_warnings, terminal_width
from bcd.report.text import Detail, View, report

__all__ = ["show_command"]


@click.command("show", short_help="Show one snapshot, the newest unless told.")
@click.argument("reference", metavar="[latest|ID|PATH]", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot's document.")
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
@folder_option
def show_command(  # noqa: PLR0913 - one for each option
    *,
    reference: str,
    as_json: bool,
    variables: bool | None,
    threads: bool | None,
    tasks: bool | None,
    folder: str | None,
) -> None:
    """Show a snapshot: the newest one, or that of an ID (its begin or end will do) or a PATH."""
    found = store(folder).find(reference)
    print_warnings(found.warnings)
    if as_json:
        print_json(json.loads(found.document))
        return
    view = View(
        width=terminal_width(),
        variables=_detail(variables),
        threads=_detail(threads),
        tasks=_detail(tasks),
    )
    print_lines(report(found.snapshot, view))


def _detail(wanted: bool | None) -> Detail:  # noqa: FBT001 - click's three states
    if wanted is None:
        return Detail.FOLDED
    return Detail.FULL if wanted else Detail.NONE
