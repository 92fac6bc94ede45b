"""Each limit on its way from ``PythonTracer(limits=…)`` to the snapshot, under each Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bcd.snapshot.limits import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

SMALL = {
    "string": 10,
    "value": 40,
    "message": 20,
    "items": 4,
    "slots": 100,
    "depth": 2,
    "variables": 2,
    "frames": 4,
    "exceptions": 3,
    "values": 50,
    "threads": 2,
    "tasks": 5,
    "tasks_with_variables": 3,
    "file_bytes": 20_000,
    "deadline_ms": 1,
}
OF_THE_FOLDER = {"snapshots", "alike", "folder_bytes"}
"""What is kept of what was written before: tests/unit/ptrace/test_write.py has these."""


@pytest.fixture(scope="module")
def limited(run_target: Callable[..., list[Traced]]) -> dict[str, dict[str, Any]]:
    """Limit → the snapshot in which that one alone was small."""
    return {one.truth: one.snapshot for one in run_target("limits.py", json.dumps(SMALL))}


def variables(snapshot: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables of the frame that raised."""
    frames = snapshot["exception"]["list"][0]["frames"]
    return {variable["name"]: variable for variable in frames[-1]["locals"]}


def told(snapshot: dict[str, Any], words: str) -> bool:
    """Whether a sentence on what was cut holds some words."""
    return any(words in sentence for sentence in snapshot["truncated"])


def test_all_are_tested() -> None:
    """No limit is left out, and each snapshot would say which it was taken with."""
    assert SMALL.keys() | OF_THE_FOLDER == DEFAULTS.keys()


def test_they_are_in_the_snapshot(limited: dict[str, dict[str, Any]]) -> None:
    """A snapshot says which limits it was taken within."""
    for name, snapshot in limited.items():
        assert snapshot["tracer"]["limits"][name] == SMALL[name]


@pytest.mark.parametrize(
    ("name", "variable", "shown"),
    [
        ("string", "text", f"'{'t' * 10}…' (50 characters)"),
        ("value", "items", "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 20 more…"),
        ("items", "items", "[0, 1, 2, 3, … 26 more]"),
        ("slots", "sparse", "{… 1 more}"),
        ("depth", "nested", "[[[…]]]"),
    ],
)
def test_of_a_value(
    limited: dict[str, dict[str, Any]], name: str, variable: str, shown: str
) -> None:
    """What is cut of a value is said in its text, and the variable is marked."""
    entry = variables(limited[name])[variable]
    assert entry["value"] == shown
    assert entry["truncated"] is True


def test_of_a_name(limited: dict[str, dict[str, Any]]) -> None:
    """Names of threads and tasks are cut, too, which is no limit that can be set; that is told."""
    snapshot = limited["message"]
    assert "t" * 200 + "…" in [thread["name"] for thread in snapshot["threads"]]
    assert "k" * 200 + "…" in [task["name"] for task in snapshot["tasks"]]
    for what in ("thread", "task"):
        assert told(snapshot, f"the name of a {what} of 250 characters: the first 200 are kept")


def test_of_a_message(limited: dict[str, dict[str, Any]]) -> None:
    """So many characters of a message are kept; how many there were is told."""
    assert limited["message"]["exception"]["list"][0]["message"] == "m" * 20 + "…"
    assert told(limited["message"], "a message of 60 characters, 20 kept")


def test_of_variables(limited: dict[str, dict[str, Any]]) -> None:
    """So many variables of a frame are kept."""
    assert list(variables(limited["variables"])) == ["depth", "big"]
    assert told(limited["variables"], "fails: the first 2 variables")


def test_of_frames(limited: dict[str, dict[str, Any]]) -> None:
    """The first and the last frames of a stack are kept, and the gap is told."""
    frames = limited["frames"]["exception"]["list"][0]["frames"]
    assert [frame["function"] for frame in frames] == ["raised", "fails", "fails", "fails"]
    assert [frame.get("skipped_before") for frame in frames] == [None, None, 6, None]
    assert told(limited["frames"], "10 frames, the first and last 2 kept")


def test_of_exceptions(limited: dict[str, dict[str, Any]]) -> None:
    """So many exceptions of a chain are kept."""
    assert len(limited["exceptions"]["exception"]["list"]) == 3
    assert told(limited["exceptions"], "the first 3 of the chain")


def test_of_values(limited: dict[str, dict[str, Any]]) -> None:
    """The innermost frame has its variables, those read later have none; that is told."""
    frames = limited["values"]["exception"]["list"][0]["frames"]
    assert [bool(frame["locals"]) for frame in frames] == [False] * 9 + [True]
    assert told(limited["values"], "the number of values or the room for them was used up")
    assert len(limited["values"]["threads"]) == 6


def test_of_threads(limited: dict[str, dict[str, Any]]) -> None:
    """So many threads are kept, the one to blame first."""
    assert len(limited["threads"]["threads"]) == 2
    assert told(limited["threads"], "threads: the first 2")


def test_of_tasks(limited: dict[str, dict[str, Any]]) -> None:
    """So many tasks are kept; whether so many have variables is a limit of its own."""
    assert len(limited["tasks"]["tasks"]) == 5
    assert told(limited["tasks"], "more than 5 tasks, 5 kept")
    tasks = limited["tasks_with_variables"]["tasks"]
    assert len(tasks) == 10
    assert [any(frame["locals"] for frame in task["frames"]) for task in tasks[3:]] == [False] * 7
    assert any(frame["locals"] for task in tasks[:3] for frame in task["frames"])
    assert told(limited["tasks_with_variables"], "variables of tasks: the first 3 tasks")


def test_of_the_document(limited: dict[str, dict[str, Any]]) -> None:
    """A document that is too large loses what tells least."""
    snapshot = limited["file_bytes"]
    assert len(json.dumps(snapshot, separators=(",", ":"))) <= SMALL["file_bytes"]
    assert told(snapshot, "the document was too large")
    assert snapshot["exception"]["list"][0]["type"] == "LookupError"


def test_of_the_time(limited: dict[str, dict[str, Any]]) -> None:
    """When the time is over, what was read until then is kept, and what is missing is told."""
    snapshot = limited["deadline_ms"]
    assert told(snapshot, "the time")
    assert snapshot["exception"]["list"][0]["type"] == "LookupError"
