"""One thread or one task of a snapshot, in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bcd.report._frames import FrameWriter
from bcd.report._sections import section
from bcd.report._stacks import names_of, thread_lines
from bcd.report._tasks import task_lines
from bcd.report._view import Detail, View
from bcd.report.line import line
from bcd.report.text import title_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from bcd.snapshot.model import Snapshot, Task, Thread

__all__ = ["chosen_report", "tasks_called", "threads_called"]

_T = TypeVar("_T")


def threads_called(threads: Sequence[Thread], name: str) -> list[Thread]:
    """Find threads by their ids or names.

    Args:
        threads: Those of a snapshot.
        name: A thread's id or name, else a part of it in any case of letters.

    Returns:
        Those that fit best.
    """
    by_id = [thread for thread in threads if str(thread.tid) == name]
    return by_id or _named([(thread, thread.name or "") for thread in threads], name)


def tasks_called(tasks: Sequence[Task], name: str) -> list[Task]:
    """Find tasks by their ids or names, as :func:`threads_called` does."""
    by_id = [task for task in tasks if task.id == name.lower()]
    return by_id or _named([(task, task.name) for task in tasks], name)


def chosen_report(
    snapshot: Snapshot, view: View, threads: Sequence[Thread], tasks: Sequence[Task]
) -> Iterator[Text]:
    """Show some threads and tasks in full, below the title of the snapshot."""
    frames = FrameWriter(snapshot.sources, view)
    yield from title_lines(snapshot, view)
    title = f"Thread, one of {len(snapshot.threads)}"
    yield from section(title, thread_lines(threads, frames, Detail.FULL))
    blame = "this task called trace" if snapshot.exception is None else "this task failed"
    rows = task_lines(tasks, frames, Detail.FULL, blame)
    yield from section(f"Task, one of {len(snapshot.tasks)}", rows)
    yield from _awaited(tasks, {task.id: task.name for task in snapshot.tasks})


def _named(candidates: Sequence[tuple[_T, str]], wanted: str) -> list[_T]:
    same = [each for each, name in candidates if name == wanted]
    part = wanted.casefold()
    return same or [each for each, name in candidates if part and part in name.casefold()]


def _awaited(tasks: Sequence[Task], names: dict[str, str]) -> Iterator[Text]:
    waiters = [names[each] for task in tasks for each in task.awaited_by if each in names]
    if waiters:
        yield line("  awaited by ", (names_of(waiters), "bold"))
