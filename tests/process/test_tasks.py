"""The asyncio tasks of a frozen process: state, place, and who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]

WAITS = {
    "gathered-1": "gathers",
    "gathered-2": "gathers",
    "grouped-1": "groups",
    "grouped-2": "groups",
    "awaited": "waits_for_task",
    "of-wait-0": "waits_for_first",
    "of-wait-1": "waits_for_first",
    "shielded": "shields",
}
"""Task → the task that waits for it."""


@pytest.fixture(params=["plain", "eager"])
def making(request: pytest.FixtureRequest, interpreter: str) -> str:
    """How tasks are made: as usual and, from 3.12 on, eagerly."""
    if request.param == "eager" and interpreter.endswith("3.11"):
        pytest.skip("eager tasks came with Python 3.12")
    return str(request.param)


@pytest.fixture
def traced(run_target: Run, making: str) -> Traced:
    """The tasks of the target."""
    (one,) = run_target("tasks.py", making)
    return one


def by_name(traced: Traced) -> dict[str, dict[str, Any]]:
    """The tasks of the snapshot by their names, which are unique."""
    tasks = {task["name"]: task for task in traced.snapshot["tasks"]}
    assert len(tasks) == len(traced.snapshot["tasks"])
    return tasks


class TestTasks:
    def test_all_are_there(self, traced: Traced) -> None:
        """Every task that is not done is listed, by its name, address and state."""
        shown = {name: [t["id"], t["state"]] for name, t in by_name(traced).items()}
        assert shown == {name: [t["id"], t["state"]] for name, t in traced.truth.items()}
        assert len(shown) >= 30
        assert traced.snapshot["notes"] == []

    def test_stacks_equal_the_truth(self, traced: Traced) -> None:
        """Each suspended task stands where walking its awaitables in the process leads."""
        for name, task in by_name(traced).items():
            expected = traced.truth[name]["frames"]
            if expected is not None:
                shown = [[frame["function"], frame["line"]] for frame in task["frames"]]
                assert shown == expected, name

    def test_the_running_task(self, traced: Traced) -> None:
        """The task that traces shows the coroutines that run, and no frames of the loop or bcd."""
        (task,) = [task for task in traced.snapshot["tasks"] if task["state"] == "running"]
        assert [frame["function"] for frame in task["frames"]] == ["deep_trace"] * 4

    def test_variables_of_suspended_tasks(self, traced: Traced) -> None:
        """The variables of each suspended coroutine are read."""
        task = by_name(traced)["gathered-2"]
        markers = [
            v["value"] for frame in task["frames"] for v in frame["locals"] if v["name"] == "marker"
        ]
        assert markers == ["'depth 2'", "'depth 1'", "'depth 0'"]

    def test_who_waits_for_whom(self, traced: Traced, interpreter: str, making: str) -> None:
        """A task that another one gathers, groups, waits for or shields names that one.

        One that runs eagerly is not awaited yet. Only 3.11's ``wait_for`` makes one of its own.
        """
        tasks = by_name(traced)
        names = {task["id"]: task["name"] for task in traced.snapshot["tasks"]}
        shown = {
            name: sorted(names[other] for other in task["awaited_by"])
            for name, task in tasks.items()
            if task["awaited_by"]
        }
        inner = [shown.pop(name) for name in list(shown) if name.startswith("Task-")]
        assert inner == ([["waits_with_timeout"]] if interpreter.endswith("3.11") else [])
        expected = {name: [other] for name, other in WAITS.items()}
        if making == "plain":
            expected["tracing"] = ["Task-1"]
        assert shown == expected

    def test_who_waits_for_whom_is_what_asyncio_notes(
        self, traced: Traced, interpreter: str
    ) -> None:
        """From 3.14 on asyncio itself knows the tasks that wait for each one."""
        if interpreter.rpartition(".")[2] < "14":
            pytest.skip("asyncio notes it from Python 3.14 on")
        names = {task["id"]: task["name"] for task in traced.snapshot["tasks"]}
        shown = {
            name: sorted(names[other] for other in task["awaited_by"])
            for name, task in by_name(traced).items()
        }
        assert shown == {name: task["awaited_by"] for name, task in traced.truth.items()}
        assert sum(map(bool, shown.values())) >= 8
