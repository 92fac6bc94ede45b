"""Tasks by who waits for them: a forest, though what waits in a circle has no root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._chain import kind_of_handled
from bcd.report._frames import same_place
from bcd.report._stacks import kind_of_wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.snapshot.model import Task

__all__ = ["DEEPEST", "Forest"]

DEEPEST = 30
"""How many tasks that wait for each other are drawn below one another."""


class Forest:
    """The tasks by who waits for them; in a circle of waiting each is shown once.

    Args:
        tasks: All tasks of the snapshot.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = sorted(tasks, key=lambda each: not each.faulted)
        self._by_id = {task.id: task for task in tasks}
        self._faulted = {task.id for task in tasks if task.faulted}
        self._seen: set[str] = set()
        self._below: dict[str, list[Task]] = {}
        for task in self._tasks:
            for waiter in task.awaited_by:
                self._below.setdefault(waiter, []).append(task)

    @property
    def left(self) -> int:
        """How many tasks were not shown."""
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
        return sorted(
            roots, key=lambda each: (not self._leads_to_faulted(each), each.state != "running")
        )

    def below(self, task: Task) -> list[Task]:
        """Return the tasks that this one waits for."""
        return self._below.get(task.id, [])

    def was_shown(self, task: Task) -> bool:
        """Tell whether the task was shown before."""
        return task.id in self._seen

    def show(self, group: Sequence[Task]) -> None:
        """Note that these tasks are shown now."""
        self._seen.update(each.id for each in group)

    def show_rest(self, tasks: Sequence[Task]) -> int:
        """Note that these and all below them are not drawn; return how many those are."""
        deeper: set[str] = set()
        self._reach(tasks, deeper)
        deeper -= self._seen
        self._seen |= deeper
        return len(deeper)

    def grouped(self, tasks: Sequence[Task]) -> list[list[Task]]:
        """Put equal tasks together that wait for no other task."""
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
