"""A store in memory that does what the viewer needs, as plainly as it can be done."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bcd.errors import SnapshotNotFound
from bcd.snapshot import to_dict
from bcd.snapshot.head import Head, Headline
from bcd.store.base import (
    Entry,
    Filter,
    Found,
    Group,
    GroupPage,
    InRelease,
    Listing,
    SnapshotPage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from bcd.snapshot.model import Snapshot
    from bcd.store.base import FoundDump, GroupState

__all__ = ["FakeIndex"]


class FakeIndex:
    """Snapshots in memory, and what is to happen when it is asked."""

    def __init__(self, snapshots: Sequence[Snapshot], now: datetime) -> None:
        self.all = sorted(snapshots, key=lambda each: each.id, reverse=True)
        self.now = now
        self.states: dict[str, GroupState] = {}
        self.regressed: set[str] = set()
        self.asked: list[Filter] = []
        self.before_answer: Callable[[], None] = lambda: None

    def listing(self) -> Listing:
        """Everything."""
        return Listing(entries=tuple(map(_entry, self.all)))

    def find(self, reference: str) -> Found | FoundDump:
        """The first whose id begins so."""
        self.before_answer()
        for each in self.all:
            if each.id.startswith(reference):
                document = json.dumps(to_dict(each)).encode()
                return Found(snapshot=each, document=document, location=f"/secret/{each.id}")
        raise SnapshotNotFound(f"no snapshot {reference!r}")

    def snapshots(
        self, wanted: Filter, *, limit: int = 50, before: str | None = None
    ) -> SnapshotPage:
        """Those that fit, newest first."""
        fitting = self._fitting(wanted)
        left = [each for each in fitting if before is None or each.id < before]
        entries = tuple(map(_entry, left[:limit]))
        more = entries[-1].head.id if len(left) > limit else None
        return SnapshotPage(entries=entries, total=len(fitting), next=more)

    def groups(
        self,
        wanted: Filter,
        *,
        state: GroupState | None = None,
        limit: int = 50,
        offset: int = 0,
        spans: int = 24,
    ) -> GroupPage:
        """Those that fit, by their newest snapshot."""
        fitting = self._fitting(wanted)
        start = wanted.since or min((each.created for each in fitting), default=self.now)
        end = wanted.until or self.now
        prints = dict.fromkeys(str(each.reason.fingerprint) for each in fitting)
        made = [
            self._group(
                [each for each in fitting if each.reason.fingerprint == name], start, end, spans
            )
            for name in prints
        ]
        kept = [group for group in made if state in (None, group.state)]
        return GroupPage(
            groups=tuple(kept[offset : offset + limit]), total=len(kept), start=start, end=end
        )

    def common(self, fingerprint: str, wanted: Filter) -> Mapping[str, Mapping[str, int]]:
        """Counted one by one."""
        found: dict[str, Counter[str]] = {}
        for each in self._fitting(replace(wanted, fingerprint=fingerprint)):
            for key, value in each.attributes.items():
                found.setdefault(key, Counter())[value] += 1
        return {key: dict(counts.most_common(20)) for key, counts in found.items()}

    def releases(  # noqa: PLR0913 - as an index has it
        self,
        fingerprint: str,
        wanted: Filter,
        *,
        start: datetime,
        end: datetime,
        spans: int = 24,
        limit: int = 50,
    ) -> Sequence[InRelease]:
        """Those of the group, one by one."""
        fitting = self._fitting(replace(wanted, fingerprint=fingerprint, since=start, until=end))
        named: dict[str, list[Snapshot]] = {}
        for each in fitting:
            named.setdefault(each.attributes.get("service.version", ""), []).append(each)
        named.pop("", None)
        found = [(name, self._group(members, start, end, spans)) for name, members in named.items()]
        found.sort(key=lambda pair: -pair[1].count)
        return [
            InRelease(
                name=name,
                count=group.count,
                suppressed=group.suppressed,
                last_seen=group.last_seen,
                activity=group.activity,
            )
            for name, group in found[:limit]
        ]

    def values(self, key: str, *, limit: int = 100) -> Mapping[str, int]:
        """Likewise."""
        counts = Counter(each.attributes[key] for each in self.all if key in each.attributes)
        return dict(counts.most_common(limit))

    def set_state(self, fingerprint: str, state: GroupState) -> None:
        """Remember it."""
        self.states[fingerprint] = state

    def check(self) -> None:
        """Answer, unless told otherwise."""
        self.before_answer()

    def _fitting(self, wanted: Filter) -> list[Snapshot]:
        self.before_answer()
        self.asked.append(wanted)
        return [each for each in self.all if _fits(each, wanted)]

    def _group(
        self, members: Sequence[Snapshot], start: datetime, end: datetime, spans: int
    ) -> Group:
        newest = members[0]
        fingerprint = str(newest.reason.fingerprint)
        step = (end - start) / spans or timedelta(microseconds=1)
        activity = [0] * spans
        for each in members:
            at = min(int((each.created - start) / step), spans - 1)
            activity[at] += 1 + _suppressed(each)
        everything = [each for each in self.all if each.reason.fingerprint == fingerprint]
        entry = _entry(newest)
        error = entry.head.error
        return Group(
            fingerprint=fingerprint,
            type=error.type if error else "",
            message=error.message if error else "",
            route=_route(newest),
            count=len(members),
            suppressed=sum(map(_suppressed, members)),
            first_seen=everything[-1].created,
            last_seen=newest.created,
            latest=newest.id,
            state=self.states.get(fingerprint, "open"),
            regressed=fingerprint in self.regressed,
            activity=tuple(activity),
        )


def _entry(snapshot: Snapshot) -> Entry:
    chain = snapshot.exception
    error = chain and chain.list[chain.root]
    head = Head(
        id=snapshot.id,
        created=snapshot.created,
        reason=snapshot.reason,
        process=snapshot.process,
        attributes=snapshot.attributes,
        classifiers=snapshot.classifiers,
        error=Headline(type=error.type, message=error.message) if error else None,
    )
    return Entry(head=head, location=f"/secret/{snapshot.id}", size=4096)


def _suppressed(snapshot: Snapshot) -> int:
    return int(snapshot.attributes.get("bcd.suppressed", "0"))


def _route(snapshot: Snapshot) -> str | None:
    told = snapshot.attributes
    return told.get("http.route") or told.get("celery.task_name")


def _fits(snapshot: Snapshot, wanted: Filter) -> bool:
    told, head = snapshot.attributes, _entry(snapshot).head
    kind = head.error.type if head.error else ""
    message = head.error.message if head.error else ""
    return all(
        [
            wanted.since is None or snapshot.created >= wanted.since,
            wanted.until is None or snapshot.created < wanted.until,
            wanted.type in (None, kind, kind.rpartition(".")[2]),
            (wanted.text or "").lower() in f"{kind}\n{message}".lower(),
            wanted.route in (None, _route(snapshot)),
            wanted.service in (None, told.get("service.name")),
            wanted.release in (None, told.get("service.version")),
            str(snapshot.reason.fingerprint).startswith(wanted.fingerprint or ""),
            wanted.classifier is None or wanted.classifier in snapshot.classifiers,
            *(
                key in told and value in (None, told[key])
                for key, value in wanted.attributes.items()
            ),
        ]
    )
