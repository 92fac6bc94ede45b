"""Documents that are too large lose what tells least, and no more of it than has to go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bcd.ptrace.shrinking import SHRINKING, fitting
from bcd.ptrace.write import encode

ALL = float("inf")


def frame(name: str) -> dict[str, Any]:
    """A frame with a variable of 100 characters."""
    return {"function": name, "locals": [{"name": "text", "value": "x" * 100}]}


def document(**parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A document of threads and tasks."""
    return {"exception": None, "threads": [], "tasks": [], "sources": {}, "truncated": [], **parts}


def with_variables(stack: list[dict[str, Any]]) -> list[str]:
    """The functions whose frames have variables."""
    return [each["function"] for each in stack if each["locals"]]


class TestFitting:
    def test_what_fits_stays_as_it_is(self) -> None:
        """Nothing is taken from a document that is small enough, and nothing is said."""
        made = document(threads=[{"faulted": False, "frames": [frame("a"), frame("b")]}])
        whole = encode(made)
        assert fitting(made, len(whole)) == whole

    @pytest.mark.parametrize(
        ("taken", "left"),
        [(1, ["a", "b", "c"]), (150, ["b", "c"]), (300, ["c"])],
    )
    def test_the_outer_frames_lose_their_variables_first(self, taken: int, left: list[str]) -> None:
        """Of all stacks alike, and no more of them than has to go."""
        threads = [{"faulted": False, "frames": [frame(name) for name in "abc"]} for _ in range(9)]
        faulted = {"faulted": True, "frames": [frame(name) for name in "abcde"]}
        made = document(threads=[faulted, *threads])
        limit = len(encode(made)) - 9 * taken
        data = fitting(made, limit)
        assert limit - 500 < len(data) <= limit
        threads = json.loads(data)["threads"]
        assert with_variables(threads[0]["frames"]) == list("abcde")
        shown = [with_variables(thread["frames"]) for thread in threads[1:]]
        assert shown[-1] == left
        assert all(len(left) - 1 <= len(each) <= len(left) for each in shown)
        (said,) = made["truncated"]
        assert said.startswith(f"variables of {27 - sum(map(len, shown))} outer frames")

    def test_the_last_tasks_go(self) -> None:
        """Where variables were not enough, and only so many as it takes."""
        tasks = [{"name": str(number), "frames": [frame("a" * 100)]} for number in range(20)]
        made = document(tasks=[{**tasks[0], "faulted": True}, *tasks])
        data = fitting(made, 2000)
        assert 1500 < len(data) <= 2000
        kept = json.loads(data)["tasks"]
        assert [task["name"] for task in kept[1:]] == [str(n) for n in range(len(kept) - 1)]
        assert made["truncated"][-1] == f"{21 - len(kept)} tasks: the document was too large"


class TestSteps:
    def test_the_faulted_task_stays_longest(self) -> None:
        """With its variables as long as those of the faulted thread, and then without."""
        made = document(tasks=[{"frames": [frame("a")], "faulted": True}, {"frames": [frame("b")]}])
        assert "not faulted" in SHRINKING[0](made, ALL)
        assert [bool(task["frames"][0]["locals"]) for task in made["tasks"]] == [True, False]
        assert "1 tasks" in SHRINKING[1](made, ALL)
        assert [task["faulted"] for task in made["tasks"]] == [True]
        SHRINKING[2](made, ALL)
        assert [task["frames"][0]["locals"] for task in made["tasks"]] == [[]]

    @pytest.mark.parametrize("holders", ["tasks", "threads"])
    def test_what_is_handled(self, holders: str) -> None:
        """Its variables go with those of its thread or task, the rest when stacks are cut."""
        chain = {"root": 0, "list": [{"frames": [frame("a")]}]}
        holder: dict[str, Any] = {"frames": [], "faulted": False, "handling": chain}
        made = document(**{holders: [holder]})
        SHRINKING[0](made, ALL)
        assert with_variables(chain["list"][0]["frames"]) == []  # type: ignore[index]
        assert "handle" in SHRINKING[2](made, ALL)
        assert "handling" not in holder
