"""The comparison with the truth finds whatever is wrong: each kind, wherever it is planted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.agreement import Agreement, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]
    Part = dict[str, Any]

PLAIN = ("int", "str", "NoneType")
"""Types of which every value is compared."""


def exceptions(snapshot: Part) -> list[Part]:
    """Those of the error; what is handled is compared likewise."""
    found: list[Part] = snapshot["exception"]["list"]
    return found


def frames(snapshot: Part) -> list[Part]:
    """All whose variables are known to the last one."""
    holders = [*exceptions(snapshot), *snapshot["tasks"]]
    return [frame for holder in holders for frame in holder["frames"]]


def variables(snapshot: Part) -> list[Part]:
    """Those whose values are known."""
    found = [variable for frame in frames(snapshot) for variable in frame["locals"]]
    return [variable for variable in found if variable["type"] in PLAIN]


def threads(snapshot: Part) -> list[Part]:
    """All."""
    found: list[Part] = snapshot["threads"]
    return found


def tasks(snapshot: Part) -> list[Part]:
    """All."""
    found: list[Part] = snapshot["tasks"]
    return found


def handlers(snapshot: Part) -> list[Part]:
    """Tasks that told that they handle an exception."""
    return [task for task in tasks(snapshot) if task["name"].startswith("handles")]


def awaited(snapshot: Part) -> list[Part]:
    """Tasks that others wait for; of one that no loop made it is not known before 3.14."""
    return [task for task in tasks(snapshot) if task["awaited_by"]]


PLANTS: dict[str, tuple[Callable[[Part], list[Part]], str, Any]] = {
    "types of exceptions": (exceptions, "type", "builtins.Wrong"),
    "messages": (exceptions, "message", "wrong"),
    "notes of exceptions": (exceptions, "notes", ["wrong"]),
    "relations": (exceptions, "suppress_context", None),
    "frames": (exceptions, "frames", []),
    "functions": (frames, "function", "wrong"),
    "files": (frames, "file", "wrong.py"),
    "lines": (frames, "line", -1),
    "columns": (frames, "end_column", -1),
    "names of variables": (variables, "name", "wrong"),
    "types of variables": (variables, "type", "wrong"),
    "values": (variables, "value", "wrong"),
    "threads": (threads, "tid", -1),
    "names of threads": (threads, "name", "wrong"),
    "daemon threads": (threads, "daemon", "wrong"),
    "who holds the GIL": (threads, "gil", "wrong"),
    "handled exceptions": (handlers, "handling", None),
    "tasks": (tasks, "id", "0x0"),
    "names of tasks": (tasks, "name", "wrong"),
    "states of tasks": (tasks, "state", "wrong"),
    "who waits for whom": (awaited, "awaited_by", ["0x0"]),
}


@pytest.fixture
def traced(run_target: Run, libraries: str) -> Traced:
    """A snapshot of tasks, threads and errors, which agrees with the truth."""
    (one,) = run_target("loops.py", "asyncio", libraries=libraries)
    return one


def compared(traced: Traced, snapshot: Part) -> tuple[Agreement, Tally]:
    """Another snapshot, compared with the same truth; not for the table of the session."""
    tally = Tally()
    agreement = Agreement("planted", tally)
    agreement.whole(traced.truth, snapshot)
    agreement.complete(snapshot)
    return agreement, tally


def planted(traced: Traced, kind: str) -> list[Part]:
    """Snapshots with one falsehood of a kind: in the first, the middle and the last place."""
    places, key, falsehood = PLANTS[kind]
    made = []
    for share in (0.0, 0.5, 1.0):
        snapshot = json.loads(json.dumps(traced.snapshot))
        found = [each for each in places(snapshot) if key in each and each[key] != falsehood]
        found[round(share * (len(found) - 1))][key] = falsehood
        made.append(snapshot)
    return made


@pytest.mark.parametrize("kind", PLANTS)
def test_a_falsehood_is_found(traced: Traced, kind: str) -> None:
    """It is counted under its kind, and told."""
    assert compared(traced, traced.snapshot)[0].differences == []
    for snapshot in planted(traced, kind):
        agreement, tally = compared(traced, snapshot)
        kinds = {told.partition(" of ")[0] for told in agreement.differences}
        assert any(told.startswith(f"{kind} of ") for told in agreement.differences), kinds
        (counted,) = [line for line in tally.table() if line.startswith(f"{kind:24}")]
        assert not counted.endswith(": 0")


def test_what_is_left_out_is_found(traced: Traced) -> None:
    """An exception, frame, thread or task less, a line of source changed, a word on a cut."""
    for change in (
        lambda made: made["exception"].update(list=[], root=None),
        lambda made: made["exception"]["list"][0]["frames"].pop(),
        lambda made: made["threads"].pop(),
        lambda made: made["tasks"].pop(),
        lambda made: made["tasks"][0]["frames"][0]["locals"].pop(),
        lambda made: made["sources"].clear(),
        lambda made: made["truncated"].append("tasks: the first 3 of 4"),
        lambda made: made["notes"].append("task at 0x0: unreadable"),
    ):
        snapshot = json.loads(json.dumps(traced.snapshot))
        change(snapshot)
        assert compared(traced, snapshot)[0].differences != []


def test_what_was_told_of_none_is_found() -> None:
    """What threads and tasks wait for is compared by their names: one that is missing differs."""
    agreement = Agreement("planted", Tally())
    agreement.told("what threads wait for", {"one": "a lock", "two": None}, {"one": "a lock"})
    assert agreement.differences == [
        "what threads wait for of two: is None, shown as 'nothing at all'"
    ]
    agreement.told("what threads wait for", {"one": "a lock"}, {"one": "another"})
    assert len(agreement.differences) == 2
