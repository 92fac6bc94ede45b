"""What is recorded of an error in the program itself: no values, and by no code of the program."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest

from bcd.tracers._record import record

asked: list[str] = []
"""What of the program's code was run."""


class Hostile(Exception):  # noqa: N818 - no name of an error
    """Notes whatever it is asked by its own code."""

    def __str__(self) -> str:
        asked.append("__str__")
        return "secret"

    def __repr__(self) -> str:
        asked.append("__repr__")
        return "secret"

    def __getattribute__(self, name: str) -> object:
        asked.append(name)
        return super().__getattribute__(name)

    def __eq__(self, other: object) -> bool:
        asked.append("__eq__")
        return self is other

    __hash__ = None  # type: ignore[assignment]  # likewise


class Text(str):
    """A text with code of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        asked.append("__str__")
        return "secret"


def fails(error: BaseException, depth: int, secret: str = "sw0rdfish") -> None:  # noqa: S107
    """Raise from a stack of some depth."""
    if depth and secret:
        fails(error, depth - 1)
    raise error


def raised(error: BaseException, depth: int = 2) -> BaseException:
    """The error, with a traceback."""
    try:
        fails(error, depth)
    except BaseException as caught:  # noqa: BLE001 - whatever the test wants
        return caught
    raise AssertionError


def entries(error: BaseException) -> list[dict[str, Any]]:
    """The exceptions of its record."""
    found: list[dict[str, Any]] = record(error)["exception"]["list"]
    return found


def test_a_record_is_what_the_traceback_says() -> None:
    """Types, functions, files and lines agree with Python's own, and no value is there."""
    error = raised(LookupError("no such card"))
    kept = record(error)
    frames = kept["exception"]["list"][0]["frames"]

    expected = traceback.extract_tb(error.__traceback__)
    assert [(f["file"], f["line"], f["function"]) for f in frames] == [
        (each.filename, each.lineno, each.name) for each in expected
    ]
    assert [(f["end_line"], f["column"], f["end_column"]) for f in frames] == [
        (each.end_lineno, each.colno, each.end_colno) for each in expected
    ]
    assert "sw0rdfish" not in json.dumps(kept)
    assert kept["modules"][__file__] == __name__
    assert (kept["notes"], kept["truncated"]) == ([], [])


def test_the_stack_of_the_caller_ends_where_bcd_begins() -> None:
    """The calling thread's frames are there, innermost last, without bcd's own."""
    frames = record(None)["frames"]
    assert frames[-1]["function"] == "test_the_stack_of_the_caller_ends_where_bcd_begins"
    assert record(None)["exception"] is None


def test_chains_and_groups() -> None:
    """Causes, contexts and the errors of a group are there once, also in circles."""
    first, second = KeyError("a"), ValueError(1, "b", None)
    first.__cause__, second.__context__ = second, first
    group = ExceptionGroup("both", [first, second, first])
    root, one, other = entries(group)

    assert (root["type"], root["message"]) == ("ExceptionGroup", "both (3 sub-exceptions)")
    assert root["children"] == [1, 2, 1]
    assert (one["message"], one["cause"], one["suppress_context"]) == ("'a'", 2, True)
    assert (other["message"], other["context"]) == ("(1, 'b', None)", 1)


@pytest.mark.parametrize(
    "error",
    [
        Hostile("secret"),
        ValueError(Hostile("secret")),
        ValueError(Text("secret")),
        ExceptionGroup(Text("secret"), [ValueError()]),
        OSError(2, "secret"),
        ValueError("x" * 100_000),
        ValueError(1 << 100_000),
    ],
)
def test_what_only_its_own_code_could_say_is_left_out(error: BaseException) -> None:
    """No code of the program runs and nothing takes long; a note stands for the message."""
    error = raised(error)
    asked.clear()
    kept = record(error)
    assert asked == []
    (entry, *_) = kept["exception"]["list"]
    assert entry["message"] == ""
    (note,) = kept["notes"]
    assert note.startswith(f"message of {entry['type']}: ")
    assert len(entry["frames"]) == 4


def test_it_is_bounded() -> None:
    """Of deep stacks the innermost frames are kept, of long chains the first errors."""
    chain = ValueError("the last")
    last: BaseException = chain
    for _ in range(60):
        last.__cause__ = raised(ValueError("deep"), 300)
        last = last.__cause__
    kept = record(chain)

    found = kept["exception"]["list"]
    assert len(found) == 50
    assert sum(len(entry["frames"]) for entry in found) == 300
    assert len(found[1]["frames"]) == 100
    assert found[1]["frames"][-1]["function"] == "fails"
    assert len(kept["truncated"]) == 2
    assert len(json.dumps(kept)) < 200_000
