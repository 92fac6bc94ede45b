"""Whose turn it is: what was never seen comes before what was seen a moment ago."""

from __future__ import annotations

import os
from collections import Counter, defaultdict

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bcd.gate import Gate
from bcd.integrations import _skipped
from bcd.integrations._skipped import Skipped
from bcd.integrations._turns import _MOST, RECENT, Turns

LIMIT = 3.0
KINDS = st.sampled_from(["storm", "rare", "other", "last"])


class FakeClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The moment."""
        return self.now


class Service:
    """A process in which errors come up: the gate and the turns as a hook uses them."""

    def __init__(self, limit: float = LIMIT) -> None:
        self.clock = FakeClock()
        self.limit = limit
        self.gate = Gate(self.clock)
        self.turns = Turns(self.gate.open_for, lambda: self.limit, self.clock)
        self.traced: list[str] = []
        self.counted: Counter[str] = Counter()

    def fail(self, kind: str, *, dropped: bool = False) -> bool:
        """Let an error come up; returns whether it was traced."""
        if not self.gate.is_open() or self.turns.gives_way(kind):
            self.turns.counted(kind)
            self.counted[kind] += 1
            return False
        if dropped:
            self.turns.dropped(kind)
            return False
        slot = self.gate.try_acquire()
        assert slot is not None
        slot.release(self.limit)
        self.turns.traced(kind)
        self.traced.append(kind)
        return True

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds


def test_a_rare_kind_gets_the_slot_in_a_storm() -> None:
    """Without turns the storm would have it as soon as it is free, for ever."""
    service = Service()
    for step in range(400):  # the storm strikes every 0.1 s, the rare error every 2 s
        service.fail("storm")
        if step % 20 == 5:
            service.fail("rare")
        service.wait(0.1)
    assert service.traced[:3] == ["storm", "rare", "storm"]


def test_the_storm_waits_no_longer_than_the_rate_limit() -> None:
    """A kind that does not come again costs one delay of that length, and no more."""
    service = Service()
    service.fail("storm")
    service.fail("once")
    moments = []
    for _ in range(200):
        if service.fail("storm"):
            moments.append(round(service.clock.now - 1000, 1))
        service.wait(0.1)
    assert moments == [6.0, 9.0, 12.0, 15.0, 18.0]


def test_a_kind_alone_gives_way_to_nobody() -> None:
    """The gaps are those of the rate limit."""
    service = Service()
    for _ in range(100):
        service.fail("storm")
        service.wait(0.1)
    assert len(service.traced) == 4


@pytest.mark.parametrize(("limit", "traced"), [(0.0, 4), (-1.0, 4), (1000.0, 2)])
def test_extreme_limits(limit: float, traced: int) -> None:
    """Without a limit nobody gives way; with a long one for a minute at most."""
    service = Service(limit)
    service.fail("storm")
    service.fail("rare")
    service.wait(max(limit, 0) + RECENT / 2)
    service.fail("storm")
    service.wait(RECENT)
    service.fail("storm")
    assert len(service.traced) == traced


def test_a_kind_that_is_never_wanted_holds_nobody_up() -> None:
    """What ``before_trace`` drops had its turn."""
    service = Service()
    service.fail("storm")
    service.fail("unwanted")
    service.wait(LIMIT)
    service.fail("unwanted", dropped=True)
    assert service.fail("storm")


def test_after_a_minute_a_kind_is_as_good_as_new() -> None:
    """It gives way no more, and others give way to it."""
    service = Service()
    service.fail("first")
    service.wait(RECENT - 1)
    service.fail("second")
    service.wait(1)
    service.fail("first")
    assert service.traced == ["first", "second"]
    service.wait(LIMIT)
    assert not service.fail("second")
    assert service.fail("first")


def test_what_is_noted_is_bounded() -> None:
    """However many kinds there are."""
    service = Service()
    service.fail("storm")
    for number in range(3 * _MOST):
        service.fail(f"kind {number}")
    service.limit = 0
    service.wait(LIMIT)
    for number in range(3 * _MOST):
        service.fail(f"kind {number}")
    assert len(service.turns._waiting) <= _MOST
    assert len(service.turns._traced) <= _MOST


def test_a_forked_child_has_seen_nothing() -> None:
    """It gives way to nobody for what its parent traced."""
    service = Service()
    service.fail("storm")
    service.fail("rare")
    service.wait(LIMIT)
    child = os.fork()
    if child == 0:
        os._exit(0 if not service.turns.gives_way("storm") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert service.turns.gives_way("storm")


class AnyService(RuleBasedStateMachine):
    """Errors of any kind at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.service = Service()
        self.errors: Counter[str] = Counter()
        self.traced_at: dict[str, float] = defaultdict(lambda: float("-inf"))
        self.counted_since: set[str] = set()

    @rule(kind=KINDS)
    def fail(self, kind: str) -> None:
        """An error comes up."""
        service = self.service
        now, free_for = service.clock.now, service.gate.open_for()
        recent = now - self.traced_at[kind] < RECENT
        self.errors[kind] += 1
        traced = service.fail(kind)
        if free_for < 0:
            assert not traced
        elif not recent:
            assert traced, "a kind that was not seen for a minute gets a slot that is free"
        elif free_for >= LIMIT:
            assert traced, "nobody gives way for longer than the rate limit"
        elif not traced:
            assert self.counted_since - {kind}, "somebody else waits"
        if traced:
            self.traced_at[kind] = now
            self.counted_since = set() if recent else self.counted_since - {kind}
        elif not recent:
            self.counted_since.add(kind)

    @rule(seconds=st.sampled_from([0.01, 0.5, LIMIT, 2 * LIMIT, 25.0, RECENT]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.service.wait(seconds)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Each error was traced or counted."""
        traced = Counter(self.service.traced)
        assert self.errors == traced + self.service.counted

    @invariant()
    def notes_only_kinds_that_were_counted(self) -> None:
        """Nobody gives way to a kind that was traced since."""
        assert self.service.turns._waiting.keys() == self.counted_since


TestAnyService = AnyService.TestCase


class TestSkipped:
    """The line that tells how many errors left no snapshot."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Time."""
        return FakeClock()

    @pytest.fixture
    def skipped(self, clock: FakeClock) -> Skipped:
        """What counts."""
        return Skipped(60, clock)

    def test_one_line_per_window(
        self, skipped: Skipped, clock: FakeClock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With the next error after it; the kinds with the most errors are named."""
        for number in range(100):
            skipped.add("ValueError" if number % 10 else "KeyError")
            clock.now += 0.5
        assert capsys.readouterr().err == ""
        clock.now += 10
        skipped.add("OSError")
        (line,) = capsys.readouterr().err.splitlines()
        said = "100 errors (90 ValueError, 10 KeyError) were counted without a snapshot in 60 s"
        assert line.startswith("[bcd] ")
        assert line.endswith(said)

    def test_what_no_snapshot_will_tell_of(
        self, skipped: Skipped, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Is told at the end, if anything was counted since the last line."""
        skipped.tell_at_end({"a": 1}, 0)
        skipped.add("a")
        skipped.tell_at_end({}, 0)
        assert capsys.readouterr().err == ""
        skipped.tell_at_end({"a": 1}, 0)
        skipped.tell_at_end({"a": 1, "b": 2, "c": 1, "d": 1}, 3)
        one, several = capsys.readouterr().err.splitlines()
        assert one.endswith("1 error (1 a) was counted, and no snapshot tells of them")
        assert several.endswith(
            "8 errors (2 b, 1 a, 1 c, …) were counted, and no snapshot tells of them"
        )

    def test_kinds_are_bounded(self, skipped: Skipped, capsys: pytest.CaptureFixture[str]) -> None:
        """Their number is told all the same."""
        for number in range(1000):
            skipped.add(str(number))
        assert len(skipped._kinds) == _skipped._MOST_KINDS
        skipped.tell()
        assert "1000 errors (1 0, 1 1, 1 2, …) were" in capsys.readouterr().err

    def test_a_forked_child_tells_its_own(
        self, skipped: Skipped, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The parent tells those of the parent."""
        skipped.add("of the parent")
        child = os.fork()
        if child == 0:
            skipped.tell()
            skipped.tell_at_end({"of the parent": 1}, 0)
            skipped.add("of the child")
            skipped.tell()
            os._exit(0)
        os.waitpid(child, 0)
        (line,) = capfd.readouterr().err.splitlines()
        assert "1 of the child" in line
        skipped.tell()
        assert capfd.readouterr().err.count("of the parent") == 1
