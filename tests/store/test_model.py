"""The databases beside a plain model of lists, through any sequence of what is done to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import delete

from bcd.errors import SnapshotNotFound
from bcd.store.base import STATES, Filter, Group
from bcd.store.retention import Bounds
from bcd.store.sql.engines import writing
from bcd.store.sql.rows import storable
from bcd.store.sql.schema import metadata
from tests.store.conftest import BEGIN, id_at, made

if TYPE_CHECKING:
    from bcd.store.base import GroupPage
    from bcd.store.sql.store import SqlStore

NOW = BEGIN + timedelta(minutes=8)
NUMBERS = st.integers(0, 15)
KINDS = st.integers(0, 1)
TEXTS = st.sampled_from(
    ["", "", "a", "A", "ß", "%", "_", "'", "a.b", "\0", "\ud800", "a'; --", "é\\"]
)
TIMES = st.none() | NUMBERS.map(lambda number: BEGIN + timedelta(minutes=number))
KEYS = ("http.route", "service.name", "service.version", "celery.task_name", "k", "%")


@dataclass
class Kept:
    """A snapshot, as the model keeps it."""

    number: int
    kind: int
    type_: str
    message: str
    attributes: dict[str, str]
    classifiers: tuple[str, ...]
    suppressed: int
    created: datetime

    @property
    def id(self) -> str:
        """Its id."""
        return id_at(self.number)

    @property
    def route(self) -> str | None:
        """Its route, or its task."""
        route = self.attributes.get("http.route", self.attributes.get("celery.task_name"))
        return route or None

    def item(self) -> tuple[str, bytes]:
        """What is added to the store."""
        return made(
            self.number,
            kind=self.kind,
            type_=self.type_,
            message=self.message,
            attributes=self.attributes,
            classifiers=self.classifiers,
            created=self.created,
            suppressed=self.suppressed,
        )

    def fits(self, wanted: Filter) -> bool:
        """Whether it is wanted."""
        text = (wanted.text or "").casefold()
        said = (self.type_.casefold(), self.message.casefold())
        return all(
            (
                wanted.since is None or wanted.since <= self.created,
                wanted.until is None or self.created < wanted.until,
                wanted.type is None or wanted.type in (self.type_, self.type_.split(".")[-1]),
                any(text in each for each in said),
                wanted.route is None or wanted.route == self.route,
                self._has("service.name", wanted.service),
                self._has("service.version", wanted.release),
                wanted.fingerprint is None or f"{self.kind:016x}".startswith(wanted.fingerprint),
                wanted.classifier is None or wanted.classifier in self.classifiers,
                *(
                    key in self.attributes and value in (None, self.attributes[key])
                    for key, value in wanted.attributes.items()
                ),
            )
        )

    def _has(self, key: str, value: str | None) -> bool:
        return value is None or self.attributes.get(key) == value


KEPT = st.builds(
    Kept,
    number=NUMBERS,
    kind=KINDS,
    type_=TEXTS,
    message=TEXTS,
    attributes=st.dictionaries(st.sampled_from(KEYS), TEXTS.filter(bool), max_size=4),
    classifiers=st.lists(TEXTS, max_size=2).map(tuple),
    suppressed=st.integers(0, 3),
    created=(NUMBERS | st.integers(16, 60)).map(lambda at: BEGIN + timedelta(minutes=at)),
)
FILTERS = st.builds(
    Filter,
    since=TIMES,
    until=TIMES,
    type=st.none() | TEXTS,
    text=st.none() | TEXTS,
    route=st.none() | TEXTS.filter(bool),
    service=st.none() | TEXTS.filter(bool),
    release=st.none(),
    fingerprint=st.none() | KINDS.map(lambda kind: f"{kind:016x}") | st.just("00000"),
    classifier=st.none() | TEXTS,
    attributes=st.dictionaries(st.sampled_from(KEYS), st.none() | TEXTS, max_size=1),
)
FILTERS = st.just(Filter()) | TIMES.map(lambda time: Filter(since=time)) | FILTERS


@dataclass
class GroupState:
    """What the model knows of a group."""

    first_seen: datetime
    last_seen: datetime
    state: str = "open"
    regressed: bool = False
    until: datetime = BEGIN


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to lists, and compares what they say."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__()
        self.store = store
        self.kept: dict[str, Kept] = {}
        self.groups: dict[int, GroupState] = {}
        store._clock = lambda: NOW
        with writing(store._engine).begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))

    @initialize(items=st.lists(KEPT, min_size=8, max_size=16))
    def begin(self, items: list[Kept]) -> None:
        """There is something to ask for from the beginning."""
        self.add(items)

    @rule(items=st.lists(KEPT, min_size=1, max_size=4))
    def add(self, items: list[Kept]) -> None:
        """Those that are new are added, the last one of an id."""
        new = {each.id: each for each in items if each.id not in self.kept}
        assert self.store.add([each.item() for each in items]).new == len(new)
        self.kept |= new
        for kind in {each.kind for each in new.values()}:
            self._see(kind, [each.created for each in new.values() if each.kind == kind])

    def _see(self, kind: int, times: list[datetime]) -> None:
        group = self.groups.setdefault(kind, GroupState(times[0], times[0]))
        group.first_seen = min(group.first_seen, *times)
        group.last_seen = max(group.last_seen, *times)
        if group.state == "resolved" and max(times) > group.until:
            group.state, group.regressed = "open", True

    @rule(kind=KINDS, state=st.sampled_from(STATES))
    def set_state(self, kind: int, state: str) -> None:
        """A group that was ever seen has a state, another one has none to set."""
        group = self.groups.get(kind)
        if group is None:
            with pytest.raises(SnapshotNotFound):
                self.store.set_state(f"{kind:016x}", state)
            return
        self.store.set_state(f"{kind:016x}", state)
        group.state, group.regressed = state, False
        group.until = max(NOW, group.last_seen)

    @rule(
        minutes=st.none() | NUMBERS,
        count=st.none() | st.integers(3, 10),
        alike=st.none() | st.integers(1, 4),
    )
    def prune(self, minutes: int | None, count: int | None, alike: int | None) -> None:
        """Too old ones go, then those of a kind between first and latest, then the oldest."""
        age = None if minutes is None else minutes * 60.0
        left = [
            each
            for each in self._sorted(Filter())
            if age is None or each.created >= NOW - timedelta(seconds=age)
        ]
        if alike is not None:
            left = [each for each in left if self._stays(each, left, alike)]
        left = left[: len(left) if count is None else count]
        removed = self.store.prune(Bounds(age=age, count=count, alike=alike))
        assert removed.count == len(self.kept) - len(left)
        self.kept = {each.id: each for each in left}

    @staticmethod
    def _stays(each: Kept, left: list[Kept], alike: int) -> bool:
        same = [other for other in left if other.kind == each.kind]
        latest = same[: alike - 1] if alike > 1 else same[:1]
        return each in latest or (alike > 1 and each is same[-1])

    @rule(wanted=FILTERS, limit=st.integers(1, 5), before=st.none() | NUMBERS)
    def snapshots(self, wanted: Filter, limit: int, before: int | None) -> None:
        """A page of those that fit."""
        fitting = self._sorted(wanted)
        behind = [each for each in fitting if before is None or each.number < before]
        start = None if before is None else id_at(before)
        page = self.store.snapshots(wanted, limit=limit, before=start)
        assert [entry.head.id for entry in page.entries] == [each.id for each in behind[:limit]]
        assert page.total == len(fitting)
        assert page.next == (behind[limit - 1].id if len(behind) > limit else None)

    @rule(wanted=FILTERS, state=st.none() | st.sampled_from(STATES), spans=st.integers(1, 5))
    def list_groups(self, wanted: Filter, state: str | None, spans: int) -> None:
        """The groups of those that fit, with all that is told of them."""
        fitting = [
            each
            for each in self._sorted(wanted)
            if state is None or self.groups[each.kind].state == state
        ]
        kinds = list(dict.fromkeys(each.kind for each in fitting))
        page = self.store.groups(wanted, state=state, spans=spans)
        assert page.total == len(kinds)
        times = [each.created for each in fitting] or [NOW]
        end = wanted.until or (max(times) + timedelta(microseconds=1) if fitting else NOW)
        assert page.end == end
        assert page.start == (wanted.since or (min(times) if fitting else end))
        expected = [
            self._group([each for each in fitting if each.kind == kind], page, spans)
            for kind in kinds
        ]
        assert list(page.groups) == expected

    def _group(self, members: list[Kept], page: GroupPage, spans: int) -> Group:
        newest, known = members[0], self.groups[members[0].kind]
        activity = [0] * spans
        for each in members:
            span = (each.created - page.start) * spans // (page.end - page.start)
            activity[span] += 1 + each.suppressed
        return Group(
            fingerprint=f"{newest.kind:016x}",
            type=storable(newest.type_),
            message=storable(newest.message),
            route=newest.route and storable(newest.route),
            count=len(members),
            suppressed=sum(each.suppressed for each in members),
            first_seen=known.first_seen,
            last_seen=newest.created,
            latest=newest.id,
            state=known.state,
            regressed=known.regressed,
            activity=tuple(activity),
        )

    @rule(wanted=FILTERS, kind=KINDS, key=st.sampled_from(KEYS))
    def attributes(self, wanted: Filter, kind: int, key: str) -> None:
        """What attributes a group has in common, and the values of one in all."""
        members = [each for each in self._sorted(wanted) if each.kind == kind]
        found = self.store.common(f"{kind:016x}", wanted)
        counted = Counter(pair for each in members for pair in self._told(each))
        told = {(name, value): n for name, by in found.items() for value, n in by.items()}
        assert told == counted
        values = Counter(value for each in self.kept.values() for value in self._value(each, key))
        assert self.store.values(key) == values

    @staticmethod
    def _told(each: Kept) -> set[tuple[str, str]]:
        told = {"bcd.suppressed": str(each.suppressed)} | each.attributes
        return {(key, storable(value)) for key, value in told.items()}

    def _value(self, each: Kept, key: str) -> list[str]:
        return [value for name, value in self._told(each) if name == key]

    def _sorted(self, wanted: Filter) -> list[Kept]:
        """Those that fit, newest first."""
        fitting = [each for each in self.kept.values() if each.fits(wanted)]
        return sorted(fitting, key=lambda each: each.number, reverse=True)


def test_a_store_does_what_lists_do(store: SqlStore) -> None:
    """Whatever is added, pruned, resolved and asked for, in any order, both say the same."""
    run_state_machine_as_test(
        lambda: StoreMachine(store),
        settings=settings(
            max_examples=60,
            stateful_step_count=20,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
