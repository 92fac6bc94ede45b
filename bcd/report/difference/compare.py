"""Comparing two snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._chain import linked
from bcd.report.difference.aligning import aligned, changes
from bcd.report.difference.facts import process_changes
from bcd.report.difference.model import Difference, ErrorPair, Raised, Side
from bcd.report.difference.peers import task_groups, thread_groups
from bcd.report.difference.stacks import frame_pairs, parting
from bcd.snapshot.codec import time_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bcd.report.difference.model import FramePair
    from bcd.snapshot.model import ExceptionRecord, Snapshot

__all__ = ["difference"]


def difference(before: Snapshot, after: Snapshot) -> Difference:
    """Find what differs between two snapshots.

    Args:
        before: The one that the other one is compared with, as a rule the older one.
        after: The other one.
    """
    kinds = (before.reason.fingerprint, after.reason.fingerprint)
    return Difference(
        before=_side(before),
        after=_side(after),
        one_kind=kinds[0] == kinds[1],
        reason=tuple(changes(_reason(before), _reason(after))),
        errors=tuple(_errors(before, after)),
        attributes=tuple(changes(before.attributes, after.attributes)),
        process=tuple(process_changes(before.process, after.process)),
        threads=tuple(thread_groups(before, after)),
        tasks=tuple(task_groups(before, after)),
    )


def _side(snapshot: Snapshot) -> Side:
    process = snapshot.process
    created = time_text(snapshot.created)
    return Side(id=snapshot.id, created=created, pid=process.pid, host=process.host)


def _reason(snapshot: Snapshot) -> dict[str, str]:
    failed = next((thread.name for thread in snapshot.threads if thread.faulted), None)
    found = {
        "reason": snapshot.reason.kind,
        "fingerprint": snapshot.reason.fingerprint,
        "classifiers": ", ".join(snapshot.classifiers),
        "thread": failed,
        "deadlocks": "; ".join(snapshot.deadlocks),
    }
    return {name: text for name, text in found.items() if text}


def _errors(before: Snapshot, after: Snapshot) -> Iterator[ErrorPair]:
    records = (_records(before), _records(after))
    types = [[record.type for record in each] for each in records]
    sources = (before.sources, after.sources)
    for index, other in aligned(*types, in_place_of=True):
        one = None if index is None else records[0][index]
        two = None if other is None else records[1][other]
        frames: tuple[FramePair, ...] = ()
        if one is not None and two is not None:
            frames = tuple(frame_pairs(one.frames, two.frames, sources))
        yield ErrorPair(
            before=None if one is None else _raised(one),
            after=None if two is None else _raised(two),
            frames=frames,
            parts_at=parting(frames),
        )


def _raised(record: ExceptionRecord) -> Raised:
    return Raised(type=record.type, message=record.message, notes=record.notes)


def _records(snapshot: Snapshot) -> list[ExceptionRecord]:
    """The exceptions as they are printed: causes first, below each group its members."""
    if snapshot.exception is None:
        return []
    known = snapshot.exception.list
    return [known[index] for index in _order(known, snapshot.exception.root, set())]


def _order(records: Sequence[ExceptionRecord], root: int, seen: set[int]) -> Iterator[int]:
    to_do = [root]
    while to_do:
        found = linked(records, to_do.pop(), seen)
        members: list[int] = []
        for index, _ in reversed(found):
            yield index
            members.extend(records[index].children)
        to_do.extend(reversed(members))
