"""What the tracer process is asked for: by a line of JSON, or by hand."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.ptrace.errors import RequestError
from bcd.ptrace.request import Request, decode, from_arguments, from_line

DOCUMENT = {
    "version": 1,
    "arguments": [
        "--fault-thread",
        "55",
        "--kv",
        "error:boom: twice",
        "--classifier",
        "ValueError",
    ],
    "output": "/folder/\udce9",
    "mode": "frozen",
    "notes": ["a note"],
    "pid": 4320,
    "memory": 3,
    "release": None,
    "started": 1.25,
    "reason": "error",
    "hints": {"int": 1, "error": 2, "hexversion": 3, "executable": [4, 5]},
    "limits": {"depth": 5},
    "redact": ["salary"],
    "reveal": ["session_count"],
    "wall": 1.0,
}


def line(**changes: Any) -> bytes:
    """The request with some parts changed."""
    return json.dumps({**DOCUMENT, **changes}).encode("ascii")


class TestLine:
    def test_all_parts(self) -> None:
        """Everything that the program says arrives."""
        request = from_line(line())
        assert request.pid == 4320
        assert request.faulted_threads == {55}
        assert request.attributes == {"error": "boom: twice"}
        assert request.classifiers == ["ValueError"]
        assert request.output == "/folder/\udce9"
        assert (request.mode, request.copy, request.memory) == ("frozen", None, 3)
        assert (request.release, request.started, request.reason) == (None, 1.25, "error")
        assert request.hints == DOCUMENT["hints"]
        assert request.limits["depth"] == 5
        assert (request.redact, request.reveal) == (["salary"], ["session_count"])
        assert request.notes == ["a note"]

    def test_optional_parts(self) -> None:
        """What may be absent has a meaning when it is."""
        slim = {
            key: value
            for key, value in DOCUMENT.items()
            if key not in ("notes", "release", "reason", "limits", "redact", "reveal", "wall")
        }
        request = from_line(json.dumps(slim).encode())
        assert (request.release, request.notes, request.reason) == (None, [], "error")

    @pytest.mark.parametrize("started", ["1e300", "Infinity", "NaN", "-1", "-1e300", "-Infinity"])
    def test_a_start_that_cannot_be(self, started: str) -> None:
        """No snapshot tells of a duration that is below zero or endless."""
        text = line().replace(b'"started": 1.25', f'"started": {started}'.encode())
        before = from_line(text).started
        assert before is not None
        assert 0 <= before <= time.monotonic()

    @pytest.mark.parametrize("cut", range(0, 300, 7))
    def test_cut_short(self, cut: int) -> None:
        """A line that was cut anywhere is refused, never half taken."""
        whole = line()
        with pytest.raises(RequestError):
            from_line(whole[: min(cut, len(whole) - 1)])

    @pytest.mark.parametrize(
        "damaged",
        [b"", b"\n", b"null", b"[]", b"1", b'"text"', b"{}", b"{", b"\xff\xfe", b"{1:2}", b"nul\0"],
    )
    def test_no_request(self, damaged: bytes) -> None:
        """What is no request at all is refused in words."""
        with pytest.raises(RequestError, match="standard input"):
            from_line(damaged)

    @pytest.mark.parametrize("version", [0, 2, "1", None])
    def test_other_versions(self, version: object) -> None:
        """A request of another version of bcd is refused."""
        with pytest.raises(RequestError, match="version"):
            from_line(line(version=version))

    @pytest.mark.parametrize(
        "name", ["arguments", "pid", "output", "mode", "memory", "started", "hints"]
    )
    def test_parts_that_must_be_there(self, name: str) -> None:
        """A part that is missing is named."""
        document = {key: value for key, value in DOCUMENT.items() if key != name}
        with pytest.raises(RequestError, match=name):
            from_line(json.dumps(document).encode())

    @pytest.mark.parametrize(
        "changes",
        [
            {"pid": "many"},
            {"mode": "froz\udcc5n"},
            {"reason": "erxor"},
            {"memory": None},
            {"started": "now"},
            {"hints": 3},
            {"arguments": 5},
            {"limits": {"depth": "deep"}},
            {"limits": {"no such": 1}},
            {"limits": 7},
            {"notes": 4},
            {"redact": 4},
            {"arguments": ["--bogus"]},
            {"arguments": ["--kv"]},
        ],
    )
    def test_parts_of_the_wrong_kind(self, changes: dict[str, Any]) -> None:
        """A part that makes no sense is refused as such, with no other error."""
        with pytest.raises(RequestError):
            from_line(line(**changes))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_json_is_decoded_as_json_does(self, value: object) -> None:
        """The decoder without the ``json`` package agrees with it."""
        assert decode(json.dumps(value).encode()) == value

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever arrives, the answer is a request or a refusal."""
        with pytest.raises(RequestError):
            from_line(data)

    def test_the_task_to_blame(self) -> None:
        """By its address, in hexadecimal."""
        arguments = ["--caller-task", "0x7f00aa", "--caller-task", "7f00bb"]
        assert from_line(line(arguments=arguments)).caller_tasks == {0x7F00AA, 0x7F00BB}

    def test_a_task_that_is_none(self) -> None:
        """Is told."""
        with pytest.raises(RequestError, match="'Task-1' is no address of a task; usage"):
            from_line(line(arguments=["--caller-task", "Task-1"]))


class TestArguments:
    def test_options_for_the_reading(self) -> None:
        """Limits, names and whether to hold the process can be given by hand too."""
        request = from_arguments(
            [
                *("--faulted", "12", "--output", "out", "--no-pause", "--limit", "depth:9"),
                *("--limit", "items:2", "--redact", "salary", "--reveal", "session_count"),
            ]
        )
        assert (request.limits["depth"], request.limits["items"]) == (9, 2)
        assert (request.redact, request.reveal) == (["salary"], ["session_count"])
        assert request.mode == "unpaused"

    def test_all_options(self) -> None:
        """Each option is taken; those that may come again add up, in order."""
        request = from_arguments(
            [
                *("--faulted", "12", "--thread", "13", "--thread", "14", "--fault-thread", "13"),
                *("--kv", "a:b:c", "--kv", "empty:", "--kv", "bare", "--kv", "a:last"),
                *("--classifier", "Z", "--classifier", "", "--classifier", "Z", "--output", "out"),
            ]
        )
        assert request.pid == 12
        assert request.only_threads == {13, 14}
        assert request.faulted_threads == {13}
        assert request.attributes == {"a": "last", "empty": "", "bare": ""}
        assert request.classifiers == ["Z", "", "Z"]
        assert (request.mode, request.memory, request.started) == ("attached", None, None)
        assert request.reason == "dump"

    def test_values_may_look_like_options(self) -> None:
        """What follows an option is its value, whatever it looks like."""
        request = from_arguments(["--faulted", "1", "--output", "--kv", "--kv", "--x:--y"])
        assert request.output == "--kv"
        assert request.attributes == {"--x": "--y"}

    def test_options_of_other_tracers_are_ignored(self) -> None:
        """The options that Go's tracer adds by default are not an error."""
        request = from_arguments(["--load=", "--module=x", "--faulted", "1", "--output", "o"])
        assert request.pid == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--faulted", "1"],
            ["--output", "o"],
            ["--faulted", "0", "--output", "o"],
            ["--faulted", "-1", "--output", "o"],
            ["--faulted", "1x", "--output", "o"],
            ["--faulted", "٣", "--output", "o"],
            ["--faulted", "", "--output", "o"],
            ["--faulted", "1", "--output"],
            ["--faulted", "1", "--output", "o", "--thread", "x"],
            ["--faulted", "1", "--output", "o", "--fault-thread", "1.5"],
            ["--faulted", "1", "--output", "o", "--bogus", "x"],
            ["--faulted", "1", "--output", "o", "loose"],
            ["--faulted=1", "--output", "o"],
            ["--faulted", "1", "--output", "o", "--classifier"],
        ],
    )
    def test_what_makes_no_sense(self, arguments: list[str]) -> None:
        """Missing, unknown and senseless options are refused, and the usage is shown."""
        with pytest.raises(RequestError, match="usage: "):
            from_arguments(arguments)


def test_an_attribute_called_error_is_not_the_errors_text() -> None:
    """The engine names the error first; what a user calls so later is an attribute like others."""
    request = Request()
    request.add_arguments(["--kv", "error:boom", "--kv", "error:of the customer"])

    assert request.error_text == "boom"
    assert request.attributes == {"error": "of the customer"}
