"""Threads and tasks that are in one snapshot only, by where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from bcd.report._stacks import kind_of_wait
from bcd.report.difference.model import StackGroup
from bcd.report.difference.stacks import function_of, place_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from bcd.report.difference.model import Place
    from bcd.snapshot.model import Snapshot, Task, Thread

__all__ = ["task_groups", "thread_groups"]

Peer: TypeAlias = "Thread | Task"


def thread_groups(before: Snapshot, after: Snapshot) -> Iterator[StackGroup]:
    """Find the places at which not as many threads stand in both; the failed ones aside."""
    return _groups((before, after), (before.threads, after.threads))


def task_groups(before: Snapshot, after: Snapshot) -> Iterator[StackGroup]:
    """Find the places at which not as many tasks stand in both; the failed ones aside."""
    return _groups((before, after), (before.tasks, after.tasks))


def _groups(
    snapshots: tuple[Snapshot, Snapshot], peers: tuple[Sequence[Peer], Sequence[Peer]]
) -> Iterator[StackGroup]:
    found = [_by_place(each) for each in peers]
    for key in dict.fromkeys([*found[0], *found[1]]):
        before, after = (each.get(key, []) for each in found)
        if len(before) != len(after):
            side = 0 if before else 1
            first = (before or after)[0]
            yield StackGroup(
                before=tuple(map(_name, before)),
                after=tuple(map(_name, after)),
                waiting_for=kind_of_wait(first.waiting_for, None),
                place=_place(first, snapshots[side]),
            )


def _by_place(peers: Sequence[Peer]) -> dict[Hashable, list[Peer]]:
    groups: dict[Hashable, list[Peer]] = {}
    for peer in peers:
        if not peer.faulted:
            wait = kind_of_wait(peer.waiting_for, None)
            key = (getattr(peer, "state", None), wait, *map(function_of, peer.frames))
            groups.setdefault(key, []).append(peer)
    return groups


def _name(peer: Peer) -> str:
    return peer.name or "(not started by threading)"


def _place(peer: Peer, snapshot: Snapshot) -> Place | None:
    telling = [frame for frame in peer.frames if frame.in_app] or list(peer.frames)
    return place_of(telling[-1], snapshot.sources) if telling else None
