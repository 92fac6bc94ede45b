"""Events and envelopes of Sentry, read by Sentry's own client library."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcd.errors import ConfigError, SendError
from bcd.send.encoding import hex_id, json_bytes
from bcd.send.sentry.event import event_of
from bcd.send.sentry.fitting import MOST_BYTES, MOST_COMPRESSED, fitted, packed
from bcd.send.sentry.service import Sentry
from bcd.snapshot.model import ExceptionChain, ExceptionRecord, Frame, Variable
from tests.large import large
from tests.libraries import without

# It looks whether eventlet is there, which would complain, and again of each fork that follows.
with without("eventlet"):
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.utils import BadDsn, Dsn

if TYPE_CHECKING:
    from bcd.snapshot.model import Snapshot

DSN = "https://abcdef0123456789@o17.ingest.sentry.example/4501"


def opened(snapshot: Snapshot, attachment: bytes | None = None) -> Envelope:
    """The envelope of a snapshot as the client library reads it."""
    sentry = Sentry()
    headers, body = sentry.body(sentry.prepare(snapshot), attachment)
    assert headers["Content-Encoding"] == "gzip"
    return Envelope.deserialize(gzip.decompress(body))


def with_root(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The snapshot with another root of its exceptions."""
    assert snapshot.exception is not None
    root, *others = snapshot.exception.list
    records = (replace(root, **changes), *others)
    return replace(snapshot, exception=replace(snapshot.exception, list=records))


class TestEvent:
    def test_identity(self, sample: Snapshot) -> None:
        """The id is the snapshot's own in hexadecimal, so that sending twice gives one event."""
        first, second = event_of(sample), event_of(sample)
        assert first == second
        assert first["event_id"] == "019aae7d0e88ba7fb27432330b813795"
        assert first["timestamp"] == "2026-11-23T01:33:00.123456Z"
        assert (first["platform"], first["level"]) == ("python", "error")
        assert first["fingerprint"] == ["9f86d081884c7d65"]

    def test_exceptions_stand_oldest_first(self, sample: Snapshot) -> None:
        """Each says below which other one it hangs, counted from the traced one."""
        values = event_of(sample)["exception"]["values"]
        assert [(each.get("module"), each["type"]) for each in values] == [
            (None, "KeyError"),
            ("shop.payment", "GatewayError"),
            ("shop.errors", "CheckoutFailed"),
        ]
        assert [each["mechanism"].get("source") for each in values] == [
            "__context__",
            "__cause__",
            None,
        ]
        assert [each["mechanism"].get("parent_id") for each in values] == [1, 0, None]
        assert values[-1]["value"] == "order 1042 could not be paid\ncart 881, 2 lines, EUR 45.70"

    def test_frames_stand_innermost_last(self, sample: Snapshot) -> None:
        """With source around the line, and the variables under their names."""
        frame = event_of(sample)["exception"]["values"][-1]["stacktrace"]["frames"][-1]
        assert (frame["function"], frame["filename"]) == ("Checkout.place", "shop/checkout.py")
        assert (frame["abs_path"], frame["lineno"], frame["colno"]) == (
            "/srv/shop/checkout.py", 45, 13,
        )  # fmt: skip
        assert frame["in_app"] is True
        assert frame["context_line"].strip() == "raise CheckoutFailed("
        assert frame["pre_context"][-1].strip() == "order.cancel()"
        assert frame["post_context"][-1].strip() == "return order"
        assert frame["vars"]["card"].startswith("{'holder': 'Ada Lovelace', 'number': '[redacted]'")

    def test_library_files_are_named_as_modules_are(self, sample: Snapshot) -> None:
        """What lies before site-packages says nothing."""
        frame = event_of(sample)["exception"]["values"][-1]["stacktrace"]["frames"][0]
        assert frame["filename"] == "uvicorn/protocols/http/h11_impl.py"
        assert frame["in_app"] is False

    def test_threads(self, sample: Snapshot) -> None:
        """The one that failed has its frames in the exception, which names it."""
        event = event_of(sample)
        failed, *others = event["threads"]["values"]
        assert (failed["id"], failed["name"], failed["main"]) == (4320, "MainThread", True)
        assert (failed["crashed"], failed["current"]) == (True, True)
        assert "stacktrace" not in failed
        assert {each["thread_id"] for each in event["exception"]["values"]} == {4320}
        assert others
        assert all(each["stacktrace"]["frames"] and not each["crashed"] for each in others)

    def test_attributes(self, sample: Snapshot) -> None:
        """They are tags where Sentry takes them as such, and in a context all of them."""
        attributes = {
            "service.version": "2.4.1",
            "deployment.environment.name": "production",
            "http.route": "/checkout",
            "http.request.method": "POST",
            "a name with spaces": "x",
            "long": "x" * 201,
            "lines": "a\nb",
        }
        event = event_of(replace(sample, attributes=attributes))
        assert (event["release"], event["environment"]) == ("2.4.1", "production")
        assert event["transaction"] == "POST /checkout"
        assert event["server_name"] == "shop-7d9f"
        assert event["request"] == {"method": "POST"}
        assert set(event["tags"]) == {*list(attributes)[:4], "classifier"}
        assert event["contexts"]["attributes"] == attributes

    def test_contexts(self, sample: Snapshot) -> None:
        """Runtime, system, process, and how the snapshot was made."""
        contexts = event_of(sample)["contexts"]
        assert contexts["runtime"] == {"name": "CPython", "version": "3.12.1"}
        assert contexts["os"]["name"] == "Linux"
        assert contexts["process"]["pid"] == 4320
        assert contexts["bcd"]["id"] == sample.id
        assert contexts["bcd"]["notes"] == list(sample.notes)

    def test_tasks_are_words(self, sample: Snapshot) -> None:
        """Sentry has no place for tasks."""
        words = event_of(sample)["extra"]["asyncio tasks"]
        assert len(words) == len(sample.tasks)
        assert words[1].startswith("Task-2 watch_stock is waiting, waits for a sleep of 30 s, at ")

    def test_without_an_error(self, sample: Snapshot) -> None:
        """A snapshot that somebody asked for is information, with the stacks of all threads."""
        reason = replace(sample.reason, kind="dump")
        event = event_of(replace(sample, exception=None, reason=reason))
        assert event["level"] == "info"
        assert event["logentry"] == {"formatted": "a snapshot from outside"}
        assert "exception" not in event
        assert event["threads"]["values"][0]["stacktrace"]["frames"]

    def test_circles_and_groups(self, sample: Snapshot) -> None:
        """Each exception is there once, however they refer to each other."""
        assert sample.exception is not None
        root, second, third = sample.exception.list
        records = (
            replace(root, cause=None, children=(1, 2)),
            replace(second, cause=0, children=(0, 2)),
            replace(third, cause=1, context=None),
        )
        chain = ExceptionChain(root=0, list=records)
        values = event_of(replace(sample, exception=chain))["exception"]["values"]
        assert [each["mechanism"].get("source") for each in values] == [
            "exceptions[1]",
            "exceptions[0]",
            None,
        ]
        assert values[-1]["mechanism"]["is_exception_group"] is True


class TestEnvelope:
    def test_the_client_library_reads_it(self, sample: Snapshot) -> None:
        """It finds the event, and nothing else unless that is wanted."""
        envelope = opened(sample)
        assert envelope.get_event() == event_of(sample)
        assert envelope.headers["event_id"] == hex_id(sample.id)
        assert [item.type for item in envelope.items] == ["event"]
        assert "dsn" not in envelope.headers

    def test_attachment(self, sample: Snapshot) -> None:
        """The whole snapshot goes as a file, whatever bytes it has."""
        document = b'{"id": "\n\n{}"}\r\n'
        event, attached = opened(sample, document).items
        assert event.type == "event"
        assert attached.type == "attachment"
        assert attached.headers["filename"] == f"{sample.id}.bcd.json"
        assert attached.get_bytes() == document

    @pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\u202e", "\u2028", '"\\', "\n{}\n"])
    def test_hostile_texts(self, sample: Snapshot, text: str) -> None:
        """Whatever a value holds, the envelope is one, and its JSON is strict."""
        hostile = with_root(sample, message=text, type=text)
        sentry = Sentry()
        _, body = sentry.body(sentry.prepare(hostile), None)
        payload = gzip.decompress(body).decode()  # strict
        event = opened(hostile).get_event()
        assert event is not None
        assert "\\ud800" not in payload.replace("\\\\ud800", "")
        value = event["exception"]["values"][-1]["value"]
        assert value.partition("\ncart")[0] == text.replace("\ud800", "\\ud800")


class TestLimits:
    def test_small_ones_stay_whole(self, sample: Snapshot) -> None:
        """What Sentry takes is sent as it is."""
        event = event_of(sample)
        assert fitted(event) == (event, ())

    @pytest.mark.parametrize("size", [3_000_000, 4 * 1024 * 1024])
    def test_large_ones_shrink(self, sample: Snapshot, size: int) -> None:
        """The variables of other threads go first; the error stays, and what went is said."""
        snapshot = large(sample, size)
        whole = event_of(snapshot)
        before = json.dumps(whole)
        event, left_out = fitted(whole)
        assert json.dumps(whole) == before
        assert left_out[0] == "variables of the other threads"
        assert event["contexts"]["bcd"]["left_out"] == list(left_out)
        assert event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["vars"]
        assert len(json_bytes(event)) <= MOST_BYTES
        assert len(packed(json_bytes(event))) <= MOST_COMPRESSED
        prepared = Sentry().prepare(snapshot)
        assert prepared.left_out == left_out

    @given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20_000))
    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_any_size(self, sample: Snapshot, exceptions: int, frames: int, length: int) -> None:
        """However much an error holds, its event is taken."""
        snapshot = replace(sample, exception=huge(exceptions, frames, length))
        data = gzip.decompress(Sentry().body(Sentry().prepare(snapshot), None)[1])
        event = Envelope.deserialize(data).get_event()
        assert event is not None
        assert len(json_bytes(event)) <= MOST_BYTES
        assert len(packed(json_bytes(event))) <= MOST_COMPRESSED
        assert event["exception"]["values"][-1]["type"] == "Huge0"


def huge(exceptions: int, frames: int, length: int) -> ExceptionChain:
    """A chain of errors whose values cannot be compressed."""
    source = random.Random(length)  # noqa: S311 - the same each time
    text = "".join(chr(source.randrange(0x4E00, 0x9FFF)) for _ in range(length))
    frame = Frame(
        function="f",
        file="/srv/app.py",
        line=1,
        end_line=1,
        column=0,
        end_column=1,
        in_app=True,
    )
    records = tuple(
        ExceptionRecord(
            type=f"Huge{number}",
            message=text[number:],
            cause=number + 1 if number + 1 < exceptions else None,
            context=None,
            suppress_context=False,
            frames=tuple(
                replace(frame, locals=(Variable(name=f"v{at}", type="str", value=text[at:]),))
                for at in range(frames)
            ),
        )
        for number in range(exceptions)
    )
    return ExceptionChain(root=0, list=records)


class TestAddress:
    @pytest.mark.parametrize(
        "dsn",
        [
            DSN,
            "http://key@localhost:9000/1",
            "https://key:secret@sentry.example/some/path/12",
            "https://key@[::1]:8443/7",
        ],
    )
    def test_as_the_client_library_takes_it(self, dsn: str) -> None:
        """The envelope goes where Sentry's own client would send it, with its key."""
        theirs = Dsn(dsn).to_auth("bcd")
        ours = Sentry().address(dsn, {})
        assert ours.headers["X-Sentry-Auth"].count(f"sentry_key={Dsn(dsn).public_key}") == 1
        if "[" not in dsn:  # theirs loses the brackets
            assert ours.url == theirs.get_api_url()
        assert Dsn(dsn).public_key not in ours.url + repr(ours) + ours.server

    def test_of_the_variable(self) -> None:
        """SENTRY_DSN is what Sentry's clients read; what is given goes before it."""
        environment = {"SENTRY_DSN": DSN}
        assert Sentry().address(None, environment).url.endswith("/api/4501/envelope/")
        other = Sentry().address("https://key@h.example/2", environment)
        assert other.url == "https://h.example/api/2/envelope/"

    @pytest.mark.parametrize(
        "dsn",
        [
            "secret-key",
            "ftp://secret-key@h/1",
            "https://h.example/1",
            "https://secret-key@h.example/",
            "https://secret-key@h.example/project",
            "https://secret-key@h.example:port/1",
            "https://secret-key@/1",
            "https://secret-key\n@h.example/1",
            "https://secret-key%0Aevil@h.example/1",
        ],
    )
    def test_wrong_ones(self, dsn: str) -> None:
        """They are refused in a line that does not repeat them, by the client library too."""
        with pytest.raises(ConfigError) as caught:
            Sentry().address(dsn, {})
        assert "DSN" in str(caught.value)
        assert "secret" not in str(caught.value)
        if "%0A" not in dsn and "\n" not in dsn:
            with pytest.raises((BadDsn, ValueError)):
                Dsn(dsn)

    def test_none(self) -> None:
        """Without a DSN the error says how to give one."""
        with pytest.raises(ConfigError, match="set SENTRY_DSN, or give --dsn"):
            Sentry().address(None, {})


class TestReceipt:
    def test_the_id(self, sample: Snapshot) -> None:
        """Sentry answers with the id that it was given."""
        prepared = Sentry().prepare(sample)
        assert Sentry().receipt(prepared, b'{"id":"' + prepared.id.encode() + b'"}') == prepared.id
        assert Sentry().receipt(prepared, b"{}") == prepared.id

    @pytest.mark.parametrize("answer", [b"<html>", b"", b"[]", b"\xff"])
    def test_another_server(self, sample: Snapshot, answer: bytes) -> None:
        """What does not answer as Sentry does has not taken it."""
        with pytest.raises(SendError, match="none of Sentry; check the DSN"):
            Sentry().receipt(Sentry().prepare(sample), answer)
