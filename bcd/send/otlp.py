"""A snapshot as a log record of OpenTelemetry, in OTLP's JSON over HTTP.

Source: https://opentelemetry.io/docs/specs/otlp/, and the semantic conventions for exceptions in
logs, https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/.
"""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bcd._version import __version__
from bcd.errors import ConfigError, SendError
from bcd.report.traceback import traceback_text
from bcd.send import facts
from bcd.send.encoding import address_parts, json_bytes, json_object, server_of
from bcd.send.service import Address, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bcd.snapshot.model import Snapshot

__all__ = ["Otlp", "request_of"]

_DEFAULT = "http://localhost:4318"
_PATH = "/v1/logs"
_SCHEMA = "https://opentelemetry.io/schemas/1.27.0"
_ERROR, _INFO = 17, 9  # SeverityNumber
_LONGEST_STACKTRACE = 64 * 1024  # characters
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRACE_ID = re.compile(r"(?!0+$)[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0+$)[0-9a-f]{16}")
_LEFT_OUT = "\n  … {} characters left out …\n"


class Otlp:
    """A collector of OpenTelemetry, or a service that takes what is meant for one."""

    name = "otlp"

    def address(self, where: str | None, environment: Mapping[str, str]) -> Address:
        """Find the address for logs: ``--endpoint``, else the variables, else this machine."""
        own = environment.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
        base = where or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _DEFAULT
        parts = address_parts(
            own if own and not where else base, "endpoint", "http://collector.example:4318"
        )
        path = parts.path if own and not where else _with_path(parts.path)
        query = f"?{parts.query}" if parts.query else ""
        return Address(
            server=server_of(parts),
            url=f"{parts.scheme}://{parts.netloc}{path}{query}",
            headers=(headers := _headers(environment)),
            secrets=(*headers.values(), parts.password or "", parts.query),
        )

    def prepare(self, snapshot: Snapshot) -> Prepared:
        """Make a request with one log record."""
        return Prepared(id=snapshot.id, document=request_of(snapshot))

    def body(self, prepared: Prepared, attachment: bytes | None) -> tuple[dict[str, str], bytes]:  # noqa: ARG002
        """Compress the request, which every receiver has to understand."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return headers, gzip.compress(json_bytes(prepared.document), mtime=0)

    def receipt(self, prepared: Prepared, answer: bytes) -> str:
        """Return the record's own id; collectors give none."""
        partial = (json_object(answer) or {}).get("partialSuccess")
        if isinstance(partial, dict) and str(partial.get("rejectedLogRecords") or 0) != "0":
            said = partial.get("errorMessage") or "no reason"
            raise SendError(f"the record was rejected: {said}", of_one=True)
        return prepared.id


def _with_path(path: str) -> str:
    return path if path.endswith(_PATH) else f"{path.rstrip('/')}{_PATH}"


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    """Read ``OTEL_EXPORTER_OTLP_HEADERS`` and those for logs: ``name=value,…``, quoted as URLs."""
    found: dict[str, str] = {}
    for variable in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS"):
        for pair in environment.get(variable, "").split(","):
            name, equals, value = (unquote(part).strip() for part in pair.partition("="))
            if not pair.strip():
                continue
            if not equals or not name or not f"{name}{value}".isascii() or not value.isprintable():
                raise ConfigError(f"{variable} cannot be used; accepted is name=value,name=value")
            found[name.lower()] = value
    return found


def request_of(snapshot: Snapshot) -> dict[str, Any]:
    """Make the request that exports a snapshot as one log record.

    Args:
        snapshot: What to send.

    Returns:
        An ``ExportLogsServiceRequest`` in the JSON that OTLP defines.
    """
    scope = {"name": "bcd", "version": __version__}
    logs = {"scope": scope, "logRecords": [_record(snapshot)], "schemaUrl": _SCHEMA}
    resource = {"attributes": _attributes(_resource(snapshot))}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [logs], "schemaUrl": _SCHEMA}]}


def _record(snapshot: Snapshot) -> dict[str, Any]:
    failed = snapshot.exception is not None
    nanoseconds = (snapshot.created - _EPOCH) // timedelta(microseconds=1) * 1000
    record: dict[str, Any] = {
        "timeUnixNano": str(nanoseconds),
        "observedTimeUnixNano": str(nanoseconds),
        "severityNumber": _ERROR if failed else _INFO,
        "severityText": "ERROR" if failed else "INFO",
        "body": {"stringValue": facts.headline(snapshot)},
        "attributes": _attributes(dict(_of_record(snapshot))),
    }
    trace_id = facts.attribute(snapshot, "trace_id") or ""
    span_id = facts.attribute(snapshot, "span_id") or ""
    if _TRACE_ID.fullmatch(trace_id):
        record["traceId"] = trace_id
        record |= {"spanId": span_id} if _SPAN_ID.fullmatch(span_id) else {}
    return record


def _of_record(snapshot: Snapshot) -> Iterator[tuple[str, object]]:
    yield from snapshot.attributes.items()
    yield "log.record.uid", snapshot.id
    yield "bcd.fingerprint", snapshot.reason.fingerprint
    yield "bcd.reason", snapshot.reason.kind
    yield "bcd.classifiers", list(snapshot.classifiers)
    thread = facts.faulted_thread(snapshot.threads)
    if thread is not None:
        yield "thread.id", thread.tid
        yield "thread.name", thread.name
    if snapshot.exception is not None:
        root = snapshot.exception.list[snapshot.exception.root]
        yield "exception.type", root.type
        yield "exception.message", root.message
        text = traceback_text(snapshot.exception, snapshot.sources)
        yield "exception.stacktrace", _bounded(text, _LONGEST_STACKTRACE)


def _resource(snapshot: Snapshot) -> dict[str, object]:
    process = snapshot.process
    return {
        "service.name": facts.service_of(snapshot) or "unknown_service:python",
        "service.version": facts.release_of(snapshot),
        "service.instance.id": facts.attribute(snapshot, "service.instance.id"),
        "deployment.environment.name": facts.environment_of(snapshot),
        "host.name": facts.attribute(snapshot, "host.name") or process.host,
        "container.id": process.container_id,
        "os.type": "linux",
        "os.description": process.platform,
        "process.pid": process.pid,
        "process.parent_pid": process.ppid,
        "process.executable.path": process.executable,
        "process.command_args": process.command_line and list(process.command_line),
        "process.runtime.name": "cpython",
        "process.runtime.version": process.python,
    }


def _bounded(text: str, most: int) -> str:
    """Leave out the middle of what is longer."""
    if len(text) <= most:
        return text
    half = most // 2
    return text[:half] + _LEFT_OUT.format(f"{len(text) - 2 * half:,}") + text[-half:]


def _attributes(pairs: Mapping[str, object]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in pairs.items() if value]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
