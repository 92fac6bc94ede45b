"""A snapshot as lines of text: the error first, then what else the process was doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._exceptions import exception_lines
from bcd.report._frames import FrameWriter
from bcd.report._process import pair_lines, process_pairs, tracer_text
from bcd.report._sections import attribute_section, circle_lines, section, sentences
from bcd.report._stacks import thread_lines
from bcd.report._tasks import task_lines
from bcd.report._view import Detail, View
from bcd.report.line import cells, cut, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from bcd.snapshot.model import Snapshot

__all__ = ["Detail", "View", "plain", "report", "title_lines"]

_TITLE_LINES = 3
_KINDS = {
    "request": "a snapshot that the program asked for",
    "signal": "a snapshot on a signal",
    "dump": "a snapshot from outside",
}


def report(snapshot: Snapshot, view: View) -> Iterator[Text]:
    """Show a snapshot.

    Args:
        snapshot: What to show.
        view: How much of it, and how wide.

    Returns:
        Lines with styles and without newlines; nothing in them can control a terminal.
    """
    frames = FrameWriter(snapshot.sources, view)
    yield from title_lines(snapshot, view)
    if snapshot.exception is not None:
        yield line()
        yield from exception_lines(snapshot.exception, frames)
    yield from section("Deadlocks", circle_lines(snapshot.deadlocks))
    yield from attribute_section(snapshot.attributes, snapshot.classifiers, view)
    yield from section("Process", pair_lines(process_pairs(snapshot.process), view))
    if view.threads is not Detail.NONE:
        rows = thread_lines(snapshot.threads, frames, view.threads)
        yield from section(f"Threads ({len(snapshot.threads)})", rows)
    if view.tasks is not Detail.NONE:
        blame = "this task called trace" if snapshot.exception is None else "this task failed"
        rows = task_lines(snapshot.tasks, frames, view.tasks, blame)
        yield from section(f"Tasks ({len(snapshot.tasks)})", rows)
    yield from section("Cut short", sentences(snapshot.truncated))
    yield from section("Notes", sentences(snapshot.notes))


def plain(snapshot: Snapshot, view: View | None = None) -> str:
    """Show a snapshot as text without colours, every line with its newline."""
    return "".join(f"{each.plain}\n" for each in report(snapshot, view or View()))


def title_lines(snapshot: Snapshot, view: View) -> Iterator[Text]:
    """Show what happened, in a few lines, when and where, and who looked at it."""
    if snapshot.exception is not None:
        root = snapshot.exception.list[snapshot.exception.root]
        room = view.width and max(_TITLE_LINES * view.width - cells(root.type) - 2, view.width)
        message = cut(root.message.partition("\n")[0], room)
        colon = ": " if message else ""
        yield line((root.type, "bold red"), colon, (message, "bold"))
    else:
        kind = snapshot.reason.kind
        yield line((_KINDS.get(kind, kind), "bold"))
    host = snapshot.process.host
    where = f"pid {snapshot.process.pid}" + (f" on {host}" if host else "")
    yield line(f"{snapshot.id} · {snapshot.created:%Y-%m-%d %H:%M:%S} UTC · {where}", style="dim")
    yield line(tracer_text(snapshot), style="dim")
