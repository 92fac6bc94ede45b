"""Limits, the budget of a reading, and what is said of what was left out."""

from __future__ import annotations

from typing import Any

import pytest

from bcd.ptrace.bounds import Budget, Limits, Remarks
from bcd.ptrace.errors import DeadlineReached, RequestError
from bcd.snapshot.codec import MAX_BYTES
from bcd.snapshot.limits import DEFAULTS


class FakeClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class TestLimits:
    def test_defaults(self) -> None:
        """Without others the defaults hold, for every name."""
        assert {name: Limits()[name] for name in DEFAULTS} == DEFAULTS

    def test_given(self) -> None:
        """A limit that is given replaces its default and no other."""
        limits = Limits({"depth": 7})
        assert limits["depth"] == 7
        assert limits.values == {**DEFAULTS, "depth": 7}
        assert Limits()["depth"] == DEFAULTS["depth"]

    def test_unknown_names(self) -> None:
        """An unknown name is refused by a message that names it and those that there are."""
        with pytest.raises(RequestError, match="dept") as caught:
            Limits({"dept": 1})
        assert "depth" in str(caught.value)

    def test_a_document_that_nobody_reads(self) -> None:
        """A document may not be larger than what a reader accepts."""
        assert Limits({"file_bytes": MAX_BYTES})["file_bytes"] == MAX_BYTES
        with pytest.raises(RequestError, match="file_bytes"):
            Limits({"file_bytes": MAX_BYTES + 1})

    @pytest.mark.parametrize("value", [0, -1, "3", None, True, [], 2.5])
    def test_values_that_make_no_sense(self, value: Any) -> None:
        """Only whole numbers from 1 on are limits; the message names the one that is not."""
        with pytest.raises(RequestError, match="depth"):
            Limits({"depth": value})


class TestBudget:
    def test_values(self) -> None:
        """As many values as the limit says are spent, then no more."""
        budget = Budget(Limits({"values": 3}), FakeClock())
        for _ in range(3):
            budget.spend()
        for _ in range(2):
            with pytest.raises(DeadlineReached):
                budget.spend()

    def test_time(self) -> None:
        """When the time is over it stays over, even if the clock were to go back."""
        clock = FakeClock()
        budget = Budget(Limits({"deadline_ms": 500}), clock)
        clock.now += 0.499
        budget.spend()
        clock.now += 0.002
        with pytest.raises(DeadlineReached):
            budget.spend()
        clock.now -= 1
        with pytest.raises(DeadlineReached):
            budget.spend()

    def test_late(self) -> None:
        """When all time for stacks is over as well, that is said and nothing is raised."""
        clock = FakeClock()
        budget = Budget(Limits({"deadline_ms": 500}), clock)
        clock.now += 1.2
        assert not budget.is_late
        clock.now += 0.1
        assert budget.is_late

    def test_time_that_passes_while_it_may_not_run(self) -> None:
        """Where nobody waits, what counts is the time that the reader ran, within bounds."""
        clock, own = FakeClock(), FakeClock()
        budget = Budget(Limits({"deadline_ms": 500}), clock, own)
        clock.now += 1.4
        own.now += 0.4
        budget.spend()
        assert not budget.is_late
        clock.now += 0.09
        budget.spend()
        own.now += 0.101
        clock.now += 0.2
        with pytest.raises(DeadlineReached):
            budget.spend()
        assert not budget.is_late
        clock.now += 2.1
        assert budget.is_late

    def test_time_that_passes_without_end(self) -> None:
        """A reader that is hardly ever let run gives up after three times its time."""
        clock = FakeClock()
        budget = Budget(Limits({"deadline_ms": 500}), clock, FakeClock())
        clock.now += 1.499
        budget.spend()
        clock.now += 0.002
        with pytest.raises(DeadlineReached):
            budget.spend()

    def test_room(self) -> None:
        """Values that alone take more than a whole document may are not made."""
        budget = Budget(Limits({"file_bytes": 100}), FakeClock())
        budget.take_room(60)
        budget.spend()
        with pytest.raises(DeadlineReached):
            budget.take_room(41)
        with pytest.raises(DeadlineReached):
            budget.spend()

    def test_what_is_set_aside(self) -> None:
        """A part of the values and of the room is left for later, however many are asked for."""
        budget = Budget(Limits({"values": 8, "file_bytes": 100}), FakeClock())
        budget.set_aside(4)
        budget.spend(6)
        for _ in range(9):
            with pytest.raises(DeadlineReached):
                budget.spend()
        budget.bring_back()
        budget.spend(2)
        with pytest.raises(DeadlineReached):
            budget.spend()
        budget.bring_back()
        with pytest.raises(DeadlineReached):
            budget.spend()

    def test_room_that_is_set_aside(self) -> None:
        """What is no value takes room too, but is never refused."""
        budget = Budget(Limits({"file_bytes": 100}), FakeClock())
        budget.count_room(20)
        budget.set_aside(4)
        with pytest.raises(DeadlineReached):
            budget.take_room(61)
        budget.bring_back()
        budget.spend()
        budget.take_room(80)
        budget.count_room(1000)
        with pytest.raises(DeadlineReached):
            budget.take_room(1)

    def test_time_is_not_brought_back(self) -> None:
        """Only values and room were set aside."""
        clock = FakeClock()
        budget = Budget(Limits({"deadline_ms": 500}), clock)
        budget.set_aside(4)
        clock.now += 0.6
        with pytest.raises(DeadlineReached):
            budget.spend()
        budget.bring_back()
        with pytest.raises(DeadlineReached):
            budget.spend()


class TestRemarks:
    def test_each_once_in_order(self) -> None:
        """A sentence is said once, in the order of its first time; cuts and notes are apart."""
        remarks = Remarks()
        for sentence in ("b", "a", "b"):
            remarks.cut(sentence)
            remarks.note(f"note {sentence}")
        assert remarks.truncated == ["b", "a"]
        assert remarks.notes == ["note b", "note a"]

    def test_bounded(self) -> None:
        """However much goes wrong, the list of it stays short."""
        remarks = Remarks()
        for number in range(10_000):
            remarks.cut(f"cut {number}")
            remarks.note(f"note {number}")
        assert len(remarks.truncated) == len(remarks.notes) == 200
