"""Tasks as a tree: below each task those that it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._exceptions import handling_lines, kind_of_handled
from bcd.report._frames import FrameWriter, same_place
from bcd.report._stacks import kind_of_wait, names_of
from bcd.report._view import Detail
from bcd.report.line import Part, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from bcd.snapshot.model import Frame, Task

__all__ = ["task_lines"]

_FOLDED_GROUPS = 40
_DEEPEST = 30
_STATES = {"running": "running", "ready": "ready to run", "waiting": "waiting"}


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
    tree = _Tree(tasks, frames, detail, blame)
    yield from tree.lines(tree.roots(), depth=0)
    if tree.left:
        yield line(f"… and {tree.left} more tasks; --tasks shows all", style="dim")


class _Tree:
    """The tasks by who waits for them; in a circle of waiting each is shown once."""

    def __init__(
        self, tasks: Sequence[Task], frames: FrameWriter, detail: Detail, blame: str
    ) -> None:
        self._tasks = sorted(tasks, key=lambda each: not each.faulted)
        self._frames = frames
        self._detail = detail
        self._blame = blame
        self._by_id = {task.id: task for task in tasks}
        self._faulted = {task.id for task in tasks if task.faulted}
        self._seen: set[str] = set()
        self._room = _FOLDED_GROUPS if detail is Detail.FOLDED else len(tasks)
        self._below: dict[str, list[Task]] = {}
        for task in self._tasks:
            for waiter in task.awaited_by:
                self._below.setdefault(waiter, []).append(task)

    @property
    def left(self) -> int:
        """How many tasks there was no room for."""
        return len(self._by_id) - len(self._seen)

    def roots(self) -> list[Task]:
        """Return the tasks that no recorded task waits for; of a circle, its first task."""
        roots = [task for task in self._tasks if not self._waiters(task)]
        reached: set[str] = set()
        self._reach(roots, reached)
        for task in self._tasks:
            if task.id not in reached:
                roots.append(task)
                self._reach([task], reached)
        return sorted(roots, key=lambda each: (not self._leads_to_faulted(each), not _runs(each)))

    def lines(self, tasks: Sequence[Task], depth: int) -> Iterator[Text]:
        for group in self._grouped(tasks):
            first = group[0]
            if first.id in self._seen:
                yield line(_branch(depth), (f"{first.name}, shown above", "dim"), style="dim")
            elif self._room > 0:
                self._room -= 1
                self._seen.update(each.id for each in group)
                yield from self._group(group, depth)
                yield from self._children(first, depth)

    def _children(self, task: Task, depth: int) -> Iterator[Text]:
        below = self._below.get(task.id, [])
        if depth < _DEEPEST:
            yield from self.lines(below, depth + 1)
            return
        deeper: set[str] = set()
        self._reach(below, deeper)
        deeper -= self._seen
        self._seen |= deeper
        if deeper:
            yield line("  " * depth, f"… {len(deeper)} tasks deeper in", style="dim")

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

    def _waiters(self, task: Task) -> list[str]:
        return [each for each in task.awaited_by if each in self._by_id and each != task.id]

    def _leads_to_faulted(self, task: Task) -> bool:
        reached: set[str] = set()
        if self._faulted:
            self._reach([task], reached)
        return not self._faulted.isdisjoint(reached)

    def _reach(self, tasks: Sequence[Task], reached: set[str]) -> None:
        to_do = list(tasks)
        while to_do:
            task = to_do.pop()
            if task.id not in reached:
                reached.add(task.id)
                to_do.extend(self._below.get(task.id, []))

    def _grouped(self, tasks: Sequence[Task]) -> list[list[Task]]:
        groups: dict[object, list[Task]] = {}
        for task in tasks:
            alone = task.faulted or task.id in self._below or task.id in self._seen
            stack = tuple(map(same_place, task.frames))
            key = (
                task.id
                if alone
                else (
                    task.state,
                    kind_of_wait(task.waiting_for, task.held_by),
                    kind_of_handled(task.handling),
                    stack,
                )
            )
            groups.setdefault(key, []).append(task)
        return list(groups.values())


def _branch(depth: int) -> str:
    return "  " * (depth - 1) + "└ " if depth else ""


def _runs(task: Task) -> bool:
    return task.state == "running"


def _title(group: Sequence[Task], branch: str, blame: str) -> Text:
    first = group[0]
    parts: list[Part] = [(branch, "dim"), (names_of([each.name for each in group]), "bold")]
    state = _STATES.get(first.state, first.state)
    parts.append((f" · {state}", "green" if _runs(first) else "dim"))
    if first.waiting_for is not None:
        parts.extend([(" for ", "dim"), first.waiting_for])
    if first.interpreter:
        parts.append((f" · interpreter {first.interpreter}", "dim"))
    if first.faulted:
        parts.append((f" · {blame}", "bold red"))
    return line(*parts)
