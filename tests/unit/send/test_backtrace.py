"""Submissions of Backtrace, held against the fields that it documents."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from bcd.errors import ConfigError, SendError
from bcd.send.backtrace import Backtrace, submission_of
from tests.large import large

if TYPE_CHECKING:
    from bcd.snapshot.model import Snapshot

TEXT, NUMBER, YES = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
FRAME = {
    "type": "object",
    "required": ["funcName"],
    "properties": {
        "funcName": TEXT,
        "line": {"type": "integer", "minimum": 1},
        "column": {"type": "integer", "minimum": 1},
        "sourceCode": TEXT,
        "library": TEXT,
        "faulted": YES,
    },
    "additionalProperties": False,
}
THREAD = {
    "type": "object",
    "properties": {"name": TEXT, "fault": YES, "stack": {"type": "array", "items": FRAME}},
    "additionalProperties": False,
}
SOURCE = {
    "type": "object",
    "properties": {
        "text": TEXT,
        "startLine": {"type": "integer", "minimum": 1},
        "startColumn": {"const": 1},
        "path": TEXT,
        "tabWidth": NUMBER,
    },
    "required": ["path"],
    "dependentRequired": {"text": ["startLine"]},
    "additionalProperties": False,
}
SUBMISSION = {
    "type": "object",
    "properties": {
        "uuid": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "timestamp": NUMBER,
        "lang": TEXT,
        "langVersion": TEXT,
        "agent": TEXT,
        "agentVersion": TEXT,
        "threads": {"type": "object", "minProperties": 1, "additionalProperties": THREAD},
        "mainThread": TEXT,
        "entryThread": TEXT,
        "classifiers": {"type": "array", "items": TEXT},
        "attributes": {
            "type": "object",
            "additionalProperties": {"type": ["string", "integer", "boolean"]},
        },
        "annotations": {"type": "object"},
        "sourceCode": {"type": "object", "additionalProperties": SOURCE},
    },
    "required": [
        *("uuid", "timestamp", "lang", "langVersion", "agent", "agentVersion"),
        *("threads", "mainThread"),
    ],
    "additionalProperties": False,
}
"""Source: https://docs.saucelabs.com/dev/api/error-reporting/."""


def checked(snapshot: Snapshot) -> dict[str, Any]:
    """The submission of a snapshot, as it arrives, after all that can be checked of it."""
    backtrace = Backtrace()
    headers, body = backtrace.body(backtrace.prepare(snapshot), None)
    assert headers == {"Content-Type": "application/json"}
    found: dict[str, Any] = json.loads(body)
    Draft202012Validator(SUBMISSION).validate(found)
    assert found["mainThread"] in found["threads"]
    assert found.get("entryThread", found["mainThread"]) in found["threads"]
    for thread in found["threads"].values():
        for frame in thread["stack"]:
            source = found["sourceCode"][frame["sourceCode"]]
            if "text" in source:
                lines = source["text"].split("\n")
                assert source["startLine"] <= frame["line"] < source["startLine"] + len(lines)
    return found


def test_identity(sample: Snapshot) -> None:
    """The UUID is the snapshot's id, so that sending twice gives one object."""
    found = checked(sample)
    assert found == checked(sample)
    assert uuid.UUID(found["uuid"]).hex == "019aae7d0e88ba7fb27432330b813795"
    assert found["timestamp"] == 1_795_397_580
    assert (found["lang"], found["langVersion"], found["agent"]) == ("python", "3.12.1", "bcd")
    assert found["classifiers"] == ["shop.errors.CheckoutFailed"]


def test_the_failed_thread(sample: Snapshot) -> None:
    """It comes with the frames of the error, innermost first."""
    found = checked(sample)
    thread = found["threads"]["4320"]
    assert (found["mainThread"], thread["name"], thread["fault"]) == ("4320", "MainThread", True)
    first, second, *others = thread["stack"]
    assert (first["funcName"], first["line"], first["faulted"]) == ("Checkout.place", 45, True)
    assert second["funcName"] == "checkout"
    assert not any("faulted" in frame for frame in (second, *others))


def test_source(sample: Snapshot) -> None:
    """A frame's line is in the piece of source that it refers to."""
    found = checked(sample)
    frame = found["threads"]["4320"]["stack"][0]
    source = found["sourceCode"][frame["sourceCode"]]
    lines = source["text"].split("\n")
    assert lines[frame["line"] - source["startLine"]].strip() == "raise CheckoutFailed("
    assert source["path"] == frame["library"] == "/srv/shop/checkout.py"


def test_attributes(sample: Snapshot) -> None:
    """The program's own beside those that Backtrace knows by name."""
    found = checked(replace(sample, attributes={"order": "1042", "service.version": "2"}))
    attributes = found["attributes"]
    assert attributes["order"] == "1042"
    assert attributes["error.message"] == "order 1042 could not be paid"
    assert attributes["application.version"] == "2"
    assert (attributes["hostname"], attributes["process.age"]) == ("shop-7d9f", 7994)
    assert attributes["vm.rss.size"] == 126_877_696


def test_annotations(sample: Snapshot) -> None:
    """Variables, the whole chain, tasks and notes can be read."""
    annotations = checked(sample)["annotations"]
    variables = annotations["Variables"]["0 Checkout.place"]
    assert variables["self"].startswith("<shop.checkout.Checkout")
    assert "KeyError: 'NOK'" in annotations["Traceback"]
    assert len(annotations["Tasks"]) == len(sample.tasks)
    assert annotations["Notes"] == list(sample.notes)


def test_other_snapshots(sample: Snapshot) -> None:
    """Without an error, without threads, and as large as they come."""
    assert checked(replace(sample, exception=None))["mainThread"] == "4320"
    bare = checked(replace(sample, threads=()))
    assert bare["mainThread"] == "main"
    assert bare["threads"]["main"]["stack"][0]["funcName"] == "Checkout.place"
    assert checked(replace(sample, threads=(), exception=None))["threads"]["main"]["stack"] == []
    nobody = tuple(replace(thread, faulted=False) for thread in sample.threads)
    assert checked(replace(sample, threads=nobody))["mainThread"] == "main"
    assert len(checked(large(sample))["threads"]) == 100


def test_ids_that_are_none_of_ours(sample: Snapshot) -> None:
    """A foreign id still gives one UUID, another one for another id."""
    first, again, other = (
        submission_of(replace(sample, id=name))["uuid"] for name in ("a", "a", "b\ud800")
    )
    assert first == again != other


def test_address() -> None:
    """The URL is used as it is, and shown without its token."""
    url = "https://submit.backtrace.io/shop/0123456789abcdef0123456789abcdef/json"
    for address in (
        Backtrace().address(url, {}),
        Backtrace().address(None, {"BACKTRACE_URL": url}),
    ):
        assert address.url == url
        assert address.server == "https://submit.backtrace.io"
        assert "0123456789abcdef" not in repr(address)
        assert "0123456789abcdef" not in address.clean("no token 0123456789abcdef0123456789abcdef")


@pytest.mark.parametrize("url", ["submit.backtrace.io/shop/t0ken/json", "ftp://h/t0ken", "t0ken"])
def test_wrong_addresses(url: str) -> None:
    """They are refused in a line that does not repeat them."""
    with pytest.raises(ConfigError, match="the submission URL is no address") as caught:
        Backtrace().address(url, {})
    assert "t0ken" not in str(caught.value)
    with pytest.raises(ConfigError, match="set BACKTRACE_URL, or give --url"):
        Backtrace().address(None, {})


def test_receipt(sample: Snapshot) -> None:
    """Backtrace answers with the id of the object."""
    answer = b'{"response":"ok","_rxid":"01000000-7e23-7a1e-0000-000000000000"}'
    prepared = Backtrace().prepare(sample)
    assert Backtrace().receipt(prepared, answer) == "01000000-7e23-7a1e-0000-000000000000"
    assert Backtrace().receipt(prepared, b'{"response":"ok"}') == prepared.id


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"error":{"code":6,"message":"invalid token"}}', "it was rejected: invalid token"),
        (b'{"response":"error"}', "it was rejected: no reason"),
        (b"<html>", "none of Backtrace"),
        (b"{}", "none of Backtrace"),
    ],
)
def test_no_receipt(sample: Snapshot, answer: bytes, said: str) -> None:
    """A status of success alone is no acceptance."""
    with pytest.raises(SendError, match=said):
        Backtrace().receipt(Backtrace().prepare(sample), answer)
