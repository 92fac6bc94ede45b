"""The one thread or task that somebody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.errors import ConfigError
from bcd.report.chosen import tasks_called, threads_called

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.snapshot.model import Task, Thread

__all__ = ["the_task", "the_thread"]

_NAMED = 8


def the_thread(threads: Sequence[Thread], name: str | None) -> list[Thread]:
    """Find the thread; more than one where several interpreters have it, none where None is given.

    Args:
        threads: Those of a snapshot.
        name: Its name or a part of it, or its id.

    Raises:
        ConfigError: There is none, or more than one; the message lists those to choose from.
    """
    if name is None:
        return []
    found = threads_called(threads, name)
    same = {thread.tid for thread in found}
    if len(same) != 1:
        _refuse("thread", name, [_thread_name(each) for each in found or threads], len(found))
    return found


def the_task(tasks: Sequence[Task], name: str | None) -> list[Task]:
    """Find the task, as :func:`the_thread` does."""
    if name is None:
        return []
    found = tasks_called(tasks, name)
    if len(found) != 1:
        names = [f"{each.name} ({each.id})" for each in found or tasks]
        _refuse("task", name, names, len(found))
    return found


def _refuse(kind: str, name: str, candidates: Sequence[str], fitting: int) -> None:
    several = list(dict.fromkeys(candidates))
    listed = ", ".join(several[:_NAMED])
    if len(several) > _NAMED:
        listed += f" and {len(several) - _NAMED} more"
    if fitting:
        raise ConfigError(f"{name!r} fits {fitting} {kind}s: {listed}; give its id")
    if not several:
        raise ConfigError(f"no {kind} {name!r}: the snapshot has no {kind}s")
    raise ConfigError(f"no {kind} {name!r}; there are {listed}")


def _thread_name(thread: Thread) -> str:
    return f"{thread.name or 'not started by threading'} ({thread.tid})"
