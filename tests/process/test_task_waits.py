"""What asyncio tasks wait for, and who holds it, against what the target knows of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    from tests.process.agreement import Agreement

    Run = Callable[..., list[Traced]]

LEFT = re.compile(r"[\d,.]+ s (?=left|more)")


@pytest.fixture
def traced(run_target: Run) -> Traced:
    """The tasks of the target."""
    (one,) = run_target("task_waits.py")
    assert one.snapshot["notes"] == []
    return one


def by_name(traced: Traced) -> dict[str, dict[str, Any]]:
    """The tasks of the snapshot by their names."""
    return {task["name"]: task for task in traced.snapshot["tasks"]}


def compare_waits(
    told: dict[str, list[Any]], tasks: dict[str, dict[str, Any]], agreement: Agreement
) -> None:
    """Compare what each task waits for, without the time that is left, and who holds it."""
    words = {name: LEFT.sub("_ ", task.get("waiting_for") or "") for name, task in tasks.items()}
    holders = {name: task.get("held_by") for name, task in tasks.items()}
    agreement.told("what tasks wait for", {name: pair[0] for name, pair in told.items()}, words)
    agreement.told("who holds it", {name: pair[1] for name, pair in told.items()}, holders)
    assert agreement.differences == []


class TestTaskWaits:
    def test_each_says_for_what_and_who_holds_it(
        self, traced: Traced, agreement: Agreement
    ) -> None:
        """Locks, queues, groups, sleeps, calls in threads, streams and processes."""
        compare_waits(traced.truth["told"], by_name(traced), agreement)
        assert len(traced.truth["told"]) > 25

    def test_how_long_is_left(self, traced: Traced) -> None:
        """A sleep and a time-out of 1,000 s that began a moment ago are not over soon."""
        tasks = by_name(traced)
        for name in ("sleeps", "awaits_event_in_time", "waits_in_time"):
            (left,) = re.findall(r"([\d,.]+) s (?:left|more)", tasks[name]["waiting_for"])
            assert 900 < float(left.replace(",", "")) <= 1000

    def test_circles_are_told(self, traced: Traced, agreement: Agreement) -> None:
        """Two tasks that hold the lock that the other waits for."""
        (circle,) = traced.snapshot["deadlocks"]
        told = traced.truth["told"]
        steps = [f"task {name} waits for {told[name][0]}" for name in ("first", "second")]
        agreement.equal("deadlocks", "tasks", steps, sorted(circle.split("; ")))
        assert agreement.differences == []

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_of_anyio_and_uvloop(
        self, run_target: Run, agreement: Agreement, libraries: str, loop: str
    ) -> None:
        """What tasks of anyio wait for; of uvloop's timers it is not known when they end."""
        (one,) = run_target("library_waits.py", loop, libraries=libraries)
        compare_waits(one.truth, by_name(one), agreement)
        assert one.snapshot["notes"] == []
