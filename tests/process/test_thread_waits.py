"""What threads wait for, and who holds it, against what the target knows of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    from tests.process.agreement import Agreement

    Run = Callable[..., list[Traced]]


@pytest.fixture
def traced(run_target: Run) -> Traced:
    """The threads of the target."""
    (one,) = run_target("thread_waits.py")
    assert one.snapshot["notes"] == []
    return one


def by_name(traced: Traced) -> dict[str, dict[str, Any]]:
    """The threads of the snapshot by their names."""
    return {thread["name"]: thread for thread in traced.snapshot["threads"]}


class TestThreadWaits:
    def test_each_says_for_what_and_who_holds_it(
        self, traced: Traced, agreement: Agreement
    ) -> None:
        """Locks, conditions, queues, futures, threads, files and processes; what is not is not."""
        threads = by_name(traced)
        told = {name: words for name, words in traced.truth.items() if name != "pool"}
        for kind, part in (("what threads wait for", "waiting_for"), ("who holds it", "held_by")):
            shown = {name: thread.get(part) for name, thread in threads.items()}
            number = part == "held_by"
            agreement.told(kind, {name: pair[number] for name, pair in told.items()}, shown)
        assert agreement.differences == []
        assert len(told) > 30

    def test_an_idle_worker_of_a_pool(self, traced: Traced) -> None:
        """It is told apart from one that works."""
        words = [t.get("waiting_for") for n, t in by_name(traced).items() if n.startswith("pool")]
        assert traced.truth["pool"] in words

    def test_who_traces_waits_for_nothing(self, traced: Traced) -> None:
        """The thread that called ``trace`` has nothing to say."""
        assert "waiting_for" not in traced.snapshot["threads"][0]
        assert "deadlocks" not in traced.snapshot


class TestDeadlocks:
    def test_circles_are_told(self, run_target: Run, agreement: Agreement) -> None:
        """Threads that hold what the other waits for, and one that waits for itself."""
        (one,) = run_target("deadlocks.py")
        told = sorted(sorted(each.split("; ")) for each in one.snapshot["deadlocks"])
        agreement.equal("deadlocks", "threads", sorted(one.truth["circles"]), told)
        assert agreement.differences == []

    def test_a_circle_with_a_time_out_is_none(self, run_target: Run) -> None:
        """One of the two goes on after some time; what they wait for is told all the same."""
        (one,) = run_target("deadlocks.py")
        assert by_name(one)["for_ever"]["waiting_for"] == one.truth["patient"]
