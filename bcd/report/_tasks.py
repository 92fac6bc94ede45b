"""Tasks as a tree: below each task those that it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._exceptions import handling_lines
from bcd.report._forest import DEEPEST, Forest
from bcd.report._stacks import names_of
from bcd.report._view import Detail
from bcd.report.line import Part, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from bcd.report._frames import FrameWriter
    from bcd.snapshot.model import Frame, Task

__all__ = ["STATES", "task_lines"]

_FOLDED_GROUPS = 40
STATES = {"running": "running", "ready": "ready to run", "waiting": "waiting"}


def task_lines(
    tasks: Sequence[Task], frames: FrameWriter, detail: Detail, blame: str = "this task failed"
) -> Iterator[Text]:
    """Show the tasks; equal ones that wait for no other task are one group.

    Args:
        tasks: The tasks.
        frames: Writes their frames.
        detail: How much of them.
        blame: What to say of the faulted task, which comes first with those that wait for it.
    """
    return _Tree(tasks, frames, detail, blame).all()


class _Tree:
    """Draws the tasks, as many as there is room for."""

    def __init__(
        self, tasks: Sequence[Task], frames: FrameWriter, detail: Detail, blame: str
    ) -> None:
        self._forest = Forest(tasks)
        self._frames = frames
        self._detail = detail
        self._blame = blame
        self._room = _FOLDED_GROUPS if detail is Detail.FOLDED else len(tasks)

    def all(self) -> Iterator[Text]:
        yield from self._lines(self._forest.roots(), depth=0)
        if self._forest.left:
            yield line(f"… and {self._forest.left} more tasks; --tasks shows all", style="dim")

    def _lines(self, tasks: Sequence[Task], depth: int) -> Iterator[Text]:
        for group in self._forest.grouped(tasks):
            first = group[0]
            if self._forest.was_shown(first):
                yield line(_branch(depth), (f"{first.name}, shown above", "dim"), style="dim")
            elif self._room > 0:
                self._room -= 1
                self._forest.show(group)
                yield from self._group(group, depth)
                yield from self._children(first, depth)

    def _children(self, task: Task, depth: int) -> Iterator[Text]:
        below = self._forest.below(task)
        if depth < DEEPEST:
            yield from self._lines(below, depth + 1)
            return
        deeper = self._forest.show_rest(below)
        if deeper:
            yield line("  " * depth, f"… {deeper} tasks deeper in", style="dim")

    def _group(self, group: Sequence[Task], depth: int) -> Iterator[Text]:
        first = group[0]
        yield _title(group, _branch(depth), self._blame)
        below = "  " * depth
        full = self._detail is Detail.FULL
        for row in handling_lines(first.handling, self._frames, full=full):
            yield line(below).append_text(row)
        for row in self._stack(first.frames, 2 * depth):
            yield line(below).append_text(row)

    def _stack(self, frames: Sequence[Frame], indent: int) -> Iterator[Text]:
        if self._detail is Detail.FULL:
            return self._frames.stack(frames, indent)
        return self._frames.one(frames)


def _branch(depth: int) -> str:
    return "  " * (depth - 1) + "└ " if depth else ""


def _title(group: Sequence[Task], branch: str, blame: str) -> Text:
    first = group[0]
    parts: list[Part] = [(branch, "dim"), (names_of([each.name for each in group]), "bold")]
    state = STATES.get(first.state, first.state)
    parts.append((f" · {state}", "green" if first.state == "running" else "dim"))
    if first.waiting_for is not None:
        parts.extend([(" for ", "dim"), first.waiting_for])
    if first.interpreter:
        parts.append((f" · interpreter {first.interpreter}", "dim"))
    if first.faulted:
        parts.append((f" · {blame}", "bold red"))
    return line(*parts)
