"""Exceptions read from a frozen process equal what the process itself knew of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]

SCENARIOS = [
    "plain",
    "explicit",
    "implicit",
    "from_none",
    "notes",
    "odd_notes",
    "slotted",
    "own_text",
    "cycle_of_two",
    "cycle_of_one",
    "groups",
    "base_group",
    "group_with_cause",
    "finally_raises",
    "reraised",
    "raised_twice",
    "chain_of_forty",
    "never_raised",
]

RELATIONS = ("cause", "context", "suppress_context", "children")
PLACE = ("function", "file", "line", "end_line", "column", "end_column")


def outline(chain: dict[str, Any]) -> list[dict[str, Any]]:
    """A chain with its exceptions numbered in the order of a walk, whatever their order was."""
    numbers: dict[int, int] = {}

    def walk(index: int | None) -> None:
        if index is None or index in numbers:
            return
        numbers[index] = len(numbers)
        entry = chain["list"][index]
        for related in (entry["cause"], entry["context"], *entry["children"]):
            walk(related)

    walk(chain["root"])
    assert len(numbers) == len(chain["list"]), "every exception has to be reachable"
    return [renumbered(chain["list"][index], numbers) for index in numbers]


def renumbered(entry: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    """One exception that names others by their new numbers, with its frames' places alone."""
    return {
        "type": entry["type"],
        "message": entry["message"],
        "notes": entry["notes"],
        "cause": None if entry["cause"] is None else numbers[entry["cause"]],
        "context": None if entry["context"] is None else numbers[entry["context"]],
        "suppress_context": entry["suppress_context"],
        "children": [numbers[child] for child in entry["children"]],
        "frames": [[frame[part] for part in PLACE] for frame in entry["frames"]],
    }


class TestChains:
    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_equals_the_truth(self, run_target: Run, scenario: str) -> None:
        """Types, messages, notes, relations and every frame's place are those of the process."""
        (traced,) = [one for one in run_target("chains.py") if one.truth[0] == scenario]
        assert outline(traced.snapshot["exception"]) == outline(traced.truth[1])

    def test_all_scenarios_are_traced(self, run_target: Run) -> None:
        """No scenario is left out, and none but the ones with their own text leaves a note."""
        traced = run_target("chains.py")
        assert [one.truth[0] for one in traced] == SCENARIOS
        for one in traced:
            assert one.snapshot["notes"] == []
            assert one.snapshot["truncated"] == []


class TestMessages:
    def test_equal_str(self, run_target: Run) -> None:
        """Messages of builtin exceptions are what ``str`` gives, though no code is run."""
        (traced,) = run_target("messages.py")
        root, *_ = traced.snapshot["exception"]["list"]
        assert len(root["children"]) == len(traced.truth)
        shown = [traced.snapshot["exception"]["list"][child] for child in root["children"]]
        differences = [
            (name, expected, entry["message"])
            for (name, expected), entry in zip(traced.truth, shown, strict=True)
            if entry["message"] != expected and entry["type"] != "__main__.Own"
        ]
        assert differences == []

    def test_own_text_is_not_run(self, run_target: Run) -> None:
        """A ``__str__`` made by Python code is never run; the arguments stand in, with a note."""
        (traced,) = run_target("messages.py")
        (own,) = [e for e in traced.snapshot["exception"]["list"] if e["type"] == "__main__.Own"]
        assert own["message"] == "argument"
        assert any("__main__.Own has a __str__" in note for note in traced.snapshot["notes"])

    def test_come_before_variables(self, run_target: Run) -> None:
        """Where variables use up what may be read, all messages and places are there even so."""
        (traced,) = run_target("spent.py")
        shown = traced.snapshot["exception"]["list"]
        assert [one["message"] for one in shown] == [one["message"] for one in traced.truth["list"]]
        assert [len(one["frames"]) for one in shown] == [2, 2, 2]
        assert any("was used up" in cut for cut in traced.snapshot["truncated"])
        assert shown[-1]["frames"][-1]["locals"] == []
