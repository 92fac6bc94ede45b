"""Threads by what they do, tasks by who waits for whom, and circles of waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcd.report._forest import DEEPEST, Forest
from bcd.report._stacks import grouped, names_of
from bcd.report._tasks import STATES
from bcd.report.page.errors import Error, errors
from bcd.report.page.frames import Stack, short_place, stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bcd.report.page.sources import Sources
    from bcd.snapshot.model import Task, Thread

__all__ = ["TaskNode", "ThreadGroup", "circles", "task_nodes", "thread_groups"]


@dataclass(frozen=True, slots=True)
class ThreadGroup:
    """Threads that stand at the same place.

    Attributes:
        first: The one whose frames are shown.
        names: Of all, the first few of many.
        tids: Likewise.
        count: How many there are.
        anchors: One for each thread, by which others refer to it.
        holder: Name of the thread that holds what they wait for; empty where not known.
        holder_anchor: That thread's; empty where it is not recorded.
        stack: Their frames.
        place: File and line of the frame that tells most.
        handling: The exception that the first one handles, with what led to it before it.
    """

    first: Thread
    names: str
    tids: str
    count: int
    anchors: Sequence[str]
    holder: str
    holder_anchor: str
    stack: Stack
    place: str
    handling: Sequence[Error]


@dataclass(frozen=True, slots=True)
class TaskNode:
    """Tasks that stand at the same place, with those that they wait for.

    Attributes:
        first: The one whose frames are shown.
        names: Of all, the first few of many.
        count: How many there are.
        state: In words.
        stack: Their frames.
        place: File and line of the frame that tells most.
        handling: The exception that the first one handles, with what led to it before it.
        children: What the first one waits for.
        instead: What to say where it is shown elsewhere.
        deeper: How many tasks lie too deep below it.
    """

    first: Task
    names: str
    count: int
    state: str
    stack: Stack
    place: str
    handling: Sequence[Error] = ()
    children: Sequence[TaskNode] = ()
    instead: str = ""
    deeper: int = 0


def circles(sentences: Sequence[str]) -> list[list[str]]:
    """Take each circle of waiting apart into who waits for whom."""
    return [sentence.split("; ") for sentence in sentences]


def thread_groups(threads: Sequence[Thread], sources: Sources) -> list[ThreadGroup]:
    """Prepare the threads; the faulted one first, then the holder of the GIL."""
    by_tid = {thread.tid: thread for thread in threads}
    return [_thread_group(group, by_tid, sources) for group in grouped(threads)]


def task_nodes(tasks: Sequence[Task], sources: Sources) -> list[TaskNode]:
    """Prepare the tasks; the tree of the faulted one first."""
    forest = Forest(tasks)
    return list(_nodes(forest, forest.roots(), sources, 0))


def _thread_group(
    group: Sequence[Thread], by_tid: Mapping[int, Thread], sources: Sources
) -> ThreadGroup:
    first = group[0]
    holder = by_tid.get(first.held_by) if first.held_by is not None else None
    frames = stack(first.frames, sources, unfold=first.faulted)
    return ThreadGroup(
        first=first,
        names=names_of([each.name or "(not started by threading)" for each in group]),
        tids=names_of([str(each.tid) for each in group]),
        count=len(group),
        anchors=[f"t{each.tid}-{each.interpreter}" for each in group],
        holder="" if holder is None else holder.name or f"thread {holder.tid}",
        holder_anchor="" if holder is None else f"t{holder.tid}-{holder.interpreter}",
        stack=frames,
        place="" if frames.telling is None else short_place(frames.telling),
        handling=_handling(first, sources, f"h{first.tid}-{first.interpreter}-"),
    )


def _handling(waiting: Thread | Task, sources: Sources, prefix: str) -> Sequence[Error]:
    return () if waiting.handling is None else errors(waiting.handling, sources, prefix)


def _nodes(
    forest: Forest, tasks: Sequence[Task], sources: Sources, depth: int
) -> Iterator[TaskNode]:
    for group in forest.grouped(tasks):
        if forest.was_shown(group[0]):
            yield _node(group, Stack([], None), instead="shown above")
        else:
            forest.show(group)
            yield _tree(forest, group, sources, depth)


def _tree(forest: Forest, group: Sequence[Task], sources: Sources, depth: int) -> TaskNode:
    below = forest.below(group[0])
    frames = stack(group[0].frames, sources, unfold=group[0].faulted)
    handling = _handling(group[0], sources, f"h{group[0].id}-")
    if depth >= DEEPEST:
        return _node(group, frames, handling=handling, deeper=forest.show_rest(below))
    children = list(_nodes(forest, below, sources, depth + 1))
    return _node(group, frames, handling=handling, children=children)


def _node(  # noqa: PLR0913 - all of a node
    group: Sequence[Task],
    frames: Stack,
    *,
    handling: Sequence[Error] = (),
    children: Sequence[TaskNode] = (),
    instead: str = "",
    deeper: int = 0,
) -> TaskNode:
    first = group[0]
    return TaskNode(
        first=first,
        names=names_of([each.name for each in group]),
        count=len(group),
        state=STATES.get(first.state, first.state),
        stack=frames,
        place="" if frames.telling is None else short_place(frames.telling),
        handling=handling,
        children=children,
        instead=instead,
        deeper=deeper,
    )
