"""The options that say how much of a snapshot is shown as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bcd.cli._completing import offer_peers
from bcd.cli._output import terminal_width
from bcd.report.text import Detail, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["check_view", "view_of", "view_options"]

_MOST_CONTEXT = 1000

_OPTIONS = (
    click.option(
        "--frames",
        type=click.Choice(["app", "all"]),
        help="Fold the frames of libraries, or show all.  [default: all]",
    ),
    click.option(
        "--context",
        type=click.IntRange(0, _MOST_CONTEXT),
        metavar="N",
        help="Lines of source around each frame of the application, if they were recorded.",
    ),
    click.option(
        "--locals/--no-locals",
        default=None,
        help="Every variable of every frame, or none.  [default: library frames on one line]",
    ),
    click.option(
        "--threads/--no-threads",
        default=None,
        help="Every frame of every thread, or no threads.  [default: the innermost frames]",
    ),
    click.option(
        "--tasks/--no-tasks",
        default=None,
        help="Every frame of every task, or no tasks.  [default: where each one waits]",
    ),
    click.option(
        "--thread",
        metavar="NAME|TID",
        shell_complete=offer_peers,
        help="Only this thread, in full.",
    ),
    click.option(
        "--task", metavar="NAME|ID", shell_complete=offer_peers, help="Only this task, in full."
    ),
)


def view_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of which :func:`view_of` makes a view."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_view(given: Mapping[str, object], whole: str | None) -> None:
    """Refuse options that contradict each other.

    Args:
        given: The options of :func:`view_options`, None where they were not given.
        whole: The option that shows all of a snapshot in another way, if there is one.

    Raises:
        UsageError: Two do.
    """
    told = [name for name, value in given.items() if value is not None]
    if whole is not None and told:
        raise click.UsageError(f"{whole} has all there is; leave out --{told[0]}")
    one = next((name for name in ("thread", "task") if name in told), None)
    all_of_them = next((name for name in ("threads", "tasks") if name in told), None)
    if one is not None and all_of_them is not None:
        raise click.UsageError(f"--{one} shows nothing but that one; leave out --{all_of_them}")


def view_of(given: Mapping[str, Any]) -> View:
    """Make the view for this terminal."""
    return View(
        width=terminal_width(),
        variables=_detail(given["locals"]),
        threads=_detail(given["threads"]),
        tasks=_detail(given["tasks"]),
        app_only=given["frames"] == "app",
        context=given["context"],
    )


def _detail(wanted: bool | None) -> Detail:  # noqa: FBT001 - click's three states
    if wanted is None:
        return Detail.FOLDED
    return Detail.FULL if wanted else Detail.NONE
