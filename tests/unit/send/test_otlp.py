"""Log records of OpenTelemetry, read by the official messages."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from bcd.errors import ConfigError, SendError
from bcd.report.traceback import traceback_text
from bcd.send.otlp import Otlp, request_of

if TYPE_CHECKING:
    from bcd.snapshot.model import Snapshot


def parsed(snapshot: Snapshot) -> Any:
    """The request of a snapshot as a message; what is not in the protocol is an error."""
    otlp = Otlp()
    headers, body = otlp.body(otlp.prepare(snapshot), None)
    assert headers == {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return Parse(gzip.decompress(body), ExportLogsServiceRequest())


def values(attributes: Any) -> dict[str, Any]:
    """Attributes of a message as a mapping."""
    found = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        found[each.key] = (
            [item.string_value for item in value.values] if kind == "array_value" else value
        )
    assert len(found) == len(attributes)
    return found


def record_of(snapshot: Snapshot) -> Any:
    """The one log record."""
    (resource,) = parsed(snapshot).resource_logs
    (scope,) = resource.scope_logs
    (record,) = scope.log_records
    return record


class TestRecord:
    def test_what_and_when(self, sample: Snapshot) -> None:
        """Time, severity and the headline."""
        record = record_of(sample)
        assert record.time_unix_nano == 1_795_397_580_123_456_000
        assert record.severity_number == SeverityNumber.SEVERITY_NUMBER_ERROR
        assert record.severity_text == "ERROR"
        assert (
            record.body.string_value == "shop.errors.CheckoutFailed: order 1042 could not be paid"
        )

    def test_the_exception(self, sample: Snapshot) -> None:
        """It has the attributes of the semantic conventions."""
        found = values(record_of(sample).attributes)
        assert found["exception.type"] == "shop.errors.CheckoutFailed"
        assert found["exception.message"] == "order 1042 could not be paid"
        assert found["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
        assert found["log.record.uid"] == sample.id
        assert found["bcd.fingerprint"] == "9f86d081884c7d65"
        assert (found["thread.id"], found["thread.name"]) == (4320, "MainThread")

    def test_attributes_of_the_program(self, sample: Snapshot) -> None:
        """They go with it; the record's own are said once."""
        attributes = {"order": "1042", "exception.type": "x", "empty": ""}
        found = values(record_of(replace(sample, attributes=attributes)).attributes)
        assert found["order"] == "1042"
        assert found["exception.type"] == "shop.errors.CheckoutFailed"

    def test_trace(self, sample: Snapshot) -> None:
        """A trace that the program names is that of the record."""
        ids = {"trace_id": "5b8efff798038103d269b633813fc60c", "span_id": "eee19b7ec3c1b174"}
        found = request_of(replace(sample, attributes=ids))
        (record,) = found["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        assert (record["traceId"], record["spanId"]) == (ids["trace_id"], ids["span_id"])

    @pytest.mark.parametrize("trace_id", ["", "0" * 32, "5B8EFFF798038103D269B633813FC60C", "x"])
    def test_what_is_no_trace(self, sample: Snapshot, trace_id: str) -> None:
        """Other texts are attributes alone."""
        assert record_of(replace(sample, attributes={"trace_id": trace_id})).trace_id == b""

    def test_without_an_error(self, sample: Snapshot) -> None:
        """A snapshot that somebody asked for is information."""
        record = record_of(replace(sample, exception=None))
        assert record.severity_number == SeverityNumber.SEVERITY_NUMBER_INFO
        assert not [key for key in values(record.attributes) if key.startswith("exception.")]

    def test_a_long_stacktrace(self, sample: Snapshot) -> None:
        """Its middle is left out, and that is said."""
        assert sample.exception is not None
        root, *others = sample.exception.list
        records = (replace(root, notes=("x" * 100_000,)), *others)
        long = replace(sample, exception=replace(sample.exception, list=records))
        text = values(record_of(long).attributes)["exception.stacktrace"]
        assert len(text) < 66_000
        assert "characters left out" in text

    def test_hostile_texts(self, sample: Snapshot) -> None:
        """A lone surrogate, which no message can hold, is written as an escape."""
        record = record_of(replace(sample, attributes={"\ud800": "a\ud800\x00\u202e"}))
        assert values(record.attributes)["\\ud800"] == "a\\ud800\x00\u202e"


class TestResource:
    def test_the_service(self, sample: Snapshot) -> None:
        """The program's own words, and the process as the conventions name it."""
        attributes = {
            "service.name": "shop",
            "service.version": "2.4.1",
            "deployment.environment": "production",
        }
        (logs,) = parsed(replace(sample, attributes=attributes)).resource_logs
        found = values(logs.resource.attributes)
        assert (found["service.name"], found["service.version"]) == ("shop", "2.4.1")
        assert found["deployment.environment.name"] == "production"
        assert (found["host.name"], found["process.pid"]) == ("shop-7d9f", 4320)
        assert found["process.command_args"][1:3] == ["-m", "uvicorn"]
        assert found["process.runtime.version"] == "3.12.1"

    def test_a_service_without_a_name(self, sample: Snapshot) -> None:
        """It is called as the specification says."""
        (logs,) = parsed(sample).resource_logs
        assert values(logs.resource.attributes)["service.name"] == "unknown_service:python"


def test_the_stacktrace_is_pythons_own(sample: Snapshot) -> None:
    """Causes first, each place with its line of source, and nothing of variables."""
    assert sample.exception is not None
    text = traceback_text(sample.exception, sample.sources)
    assert text.startswith(
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/payment.py", line 73, in Gateway.charge\n'
        '    amount = total / self.rates[order.customer.währung]["rate"]\n'
        "                     ~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "KeyError: 'NOK'\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "Traceback (most recent call last):\n"
    )
    assert text.endswith(
        "CheckoutFailed: order 1042 could not be paid\ncart 881, 2 lines, EUR 45.70\n"
    )
    assert "Ada" not in text


def test_repeated_frames_are_counted(sample: Snapshot) -> None:
    """A recursion is as short as Python prints it."""
    assert sample.exception is not None
    (frame,) = sample.exception.list[-1].frames[-1:]
    record = replace(sample.exception.list[-1], frames=(frame,) * 10)
    chain = replace(sample.exception, root=0, list=(record,))
    text = traceback_text(chain, sample.sources)
    assert text.count(frame.function) == 3
    assert "  [Previous line repeated 7 more times]\n" in text


class TestAddress:
    @pytest.mark.parametrize(
        ("where", "environment", "url"),
        [
            (None, {}, "http://localhost:4318/v1/logs"),
            ("https://c.example", {}, "https://c.example/v1/logs"),
            ("https://c.example/otlp/", {}, "https://c.example/otlp/v1/logs"),
            ("https://c.example/otlp/v1/logs", {}, "https://c.example/otlp/v1/logs"),
            (None, {"ENDPOINT": "http://c:4318"}, "http://c:4318/v1/logs"),
            ("http://d:1", {"ENDPOINT": "http://c:4318"}, "http://d:1/v1/logs"),
            (None, {"ENDPOINT": "http://c", "LOGS_ENDPOINT": "http://l/x"}, "http://l/x"),
            ("http://d:1", {"LOGS_ENDPOINT": "http://l/x"}, "http://d:1/v1/logs"),
        ],
    )
    def test_addresses(self, where: str | None, environment: dict[str, str], url: str) -> None:
        """What is given, else that for logs, else the common one, else this machine."""
        variables = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environment.items()}
        assert Otlp().address(where, variables).url == url

    def test_headers(self) -> None:
        """Those of the variables, quoted as the specification has it."""
        variables = {
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abc%3D, x-scope = shop ,",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "X-Scope=logs",
        }
        address = Otlp().address(None, variables)
        assert address.headers == {"authorization": "Bearer abc=", "x-scope": "logs"}
        assert "abc" not in repr(address)

    @pytest.mark.parametrize("headers", ["secret-token", "=secret-token", "a=secret-token%0A1"])
    def test_wrong_headers(self, headers: str) -> None:
        """They are refused in a line that names the variable and not what is in it."""
        with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_HEADERS") as caught:
            Otlp().address(None, {"OTEL_EXPORTER_OTLP_HEADERS": headers})
        assert "secret" not in str(caught.value)


class TestReceipt:
    @pytest.mark.parametrize("answer", [b"", b"{}", b'{"partialSuccess":{}}', b"\n\x00"])
    def test_accepted(self, sample: Snapshot, answer: bytes) -> None:
        """A status of success is enough; the id is the record's own."""
        assert Otlp().receipt(Otlp().prepare(sample), answer) == sample.id

    @pytest.mark.parametrize("count", [b"1", b'"1"'])
    def test_rejected(self, sample: Snapshot, count: bytes) -> None:
        """A record that was dropped in spite of it is not sent."""
        body = b'{"partialSuccess":{"rejectedLogRecords":' + count + b',"errorMessage":"too old"}}'
        with pytest.raises(SendError, match="rejected: too old") as caught:
            Otlp().receipt(Otlp().prepare(sample), body)
        assert caught.value.of_one
