"""A snapshot as an event of Sentry.

Source: https://develop.sentry.dev/sdk/data-model/event-payloads/ and the JSON schema of events,
https://github.com/getsentry/sentry-data-schemas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bcd._version import __version__
from bcd.send import facts
from bcd.send.encoding import hex_id
from bcd.snapshot.codec import time_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bcd.snapshot.model import ExceptionChain, ExceptionRecord, Frame, Snapshot, Thread

__all__ = ["event_of"]

_CONTEXT = 5  # lines of source before and after, as Sentry's own clients send them
_TAG = re.compile(r"[A-Za-z0-9_.:-]{1,32}")
_LONGEST_TAG = 200  # characters of a value; Sentry drops longer ones


def event_of(snapshot: Snapshot) -> dict[str, Any]:
    """Make the event of a snapshot, of whatever size.

    Args:
        snapshot: What to send.

    Returns:
        The event in JSON's types. Exceptions stand oldest first, frames innermost last; a thread
        that failed has its frames in the exception.
    """
    event: dict[str, Any] = {
        "event_id": hex_id(snapshot.id),
        "timestamp": time_text(snapshot.created),
        "platform": "python",
        "level": "info" if snapshot.exception is None else "error",
        "sdk": {"name": "bcd", "version": __version__},
        "server_name": facts.attribute(snapshot, "host.name") or snapshot.process.host,
        "release": facts.release_of(snapshot),
        "environment": facts.environment_of(snapshot),
        "transaction": facts.route_of(snapshot),
        "fingerprint": snapshot.reason.fingerprint and [snapshot.reason.fingerprint],
        "tags": dict(_tags(snapshot)),
        "request": _request(snapshot),
        "contexts": _contexts(snapshot),
        "extra": {name: words for name, words in _extra(snapshot) if words},
        "threads": {"values": [_thread(snapshot, each) for each in snapshot.threads]},
    }
    if snapshot.exception is None:
        event["logentry"] = {"formatted": facts.headline(snapshot)}
    else:
        event["exception"] = {"values": list(_exceptions(snapshot, snapshot.exception))}
    return {name: value for name, value in event.items() if value}


def _tags(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The attributes that Sentry takes as tags; all of them are in a context besides."""
    for name, value in snapshot.attributes.items():
        fits = _TAG.fullmatch(name) and 0 < len(value) <= _LONGEST_TAG and "\n" not in value
        if fits:
            yield name, value
    for classifier in snapshot.classifiers[:1]:
        if len(classifier) <= _LONGEST_TAG and "\n" not in classifier:
            yield "classifier", classifier


def _request(snapshot: Snapshot) -> dict[str, str]:
    pairs = {
        "method": facts.attribute(snapshot, "http.request.method"),
        "url": facts.attribute(snapshot, "url.full", "url.path"),
    }
    return {name: value for name, value in pairs.items() if value}


def _contexts(snapshot: Snapshot) -> dict[str, Any]:
    process = snapshot.process
    platform = process.platform or ""
    contexts: dict[str, dict[str, Any]] = {
        "runtime": {"name": "CPython", "version": process.python},
        "os": {"name": re.split(r"[- ]", platform)[0], "raw_description": platform},
        "process": {
            "pid": process.pid,
            "executable": process.executable,
            "command_line": process.command_line and " ".join(process.command_line),
            "working_directory": process.working_directory,
            "started": process.started and time_text(process.started),
            "uptime_s": process.uptime_s,
            "container_id": process.container_id,
            "threads": process.threads,
            "memory": process.memory and dict(process.memory),
            "cpu": process.cpu and dict(process.cpu),
            "files": process.files and dict(process.files),
            "load": process.load and list(process.load),
        },
        "attributes": dict(snapshot.attributes),
        "bcd": {
            "id": snapshot.id,
            "mode": snapshot.tracer.mode,
            "reason": snapshot.reason.kind,
            "blocked_ms": snapshot.tracer.blocked_ms,
            "cut_short": list(snapshot.truncated),
            "notes": list(snapshot.notes),
        },
    }
    known = {
        name: {key: value for key, value in pairs.items() if value}
        for name, pairs in contexts.items()
    }
    return {name: pairs for name, pairs in known.items() if pairs}


def _extra(snapshot: Snapshot) -> Iterator[tuple[str, list[str]]]:
    """What Sentry has no place for, in words."""
    waits = [
        f"{thread.name or thread.tid} waits for {thread.waiting_for}"
        for thread in snapshot.threads
        if thread.waiting_for
    ]
    yield "deadlocks", list(snapshot.deadlocks)
    yield "waiting threads", waits
    yield "asyncio tasks", [facts.task_words(task) for task in snapshot.tasks]


def _thread(snapshot: Snapshot, thread: Thread) -> dict[str, Any]:
    failed = thread.faulted and snapshot.exception is not None
    made: dict[str, Any] = {
        "id": thread.tid,
        "name": thread.name or f"thread {thread.tid}",
        "crashed": failed,
        "current": thread.faulted,
        "main": thread.tid == snapshot.process.pid,
    }
    if thread.frames and not failed:
        made["stacktrace"] = _stacktrace(snapshot, thread.frames)
    return made


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an exception hangs: below which other one, by which of its attributes."""

    index: int
    parent: int | None
    source: str


def _exceptions(snapshot: Snapshot, chain: ExceptionChain) -> Iterator[dict[str, Any]]:
    faulted = facts.faulted_thread(snapshot.threads)
    places = _places(chain)
    for number, place in reversed(list(enumerate(places))):
        record = chain.list[place.index]
        module, _, name = record.type.rpartition(".")
        made = {
            "type": name,
            "module": module or None,
            "value": "\n".join([record.message, *record.notes]),
            "thread_id": faulted and faulted.tid,
            "mechanism": _mechanism(snapshot, record, place, number),
            "stacktrace": record.frames and _stacktrace(snapshot, record.frames),
        }
        yield {key: value for key, value in made.items() if value or key == "value"}


def _mechanism(
    snapshot: Snapshot, record: ExceptionRecord, place: _Place, number: int
) -> dict[str, Any]:
    own = facts.attribute(snapshot, "bcd.integration") or "generic"
    mechanism: dict[str, Any] = {
        "type": own if place.parent is None else "chained",
        "exception_id": number,
        "is_exception_group": bool(record.children) or None,
        "parent_id": place.parent,
        "source": place.source or None,
    }
    return {name: value for name, value in mechanism.items() if value is not None}


def _places(chain: ExceptionChain) -> list[_Place]:
    """The exceptions that can be reached from the root, which is the first, each once."""
    found: list[_Place] = []
    seen: set[int] = set()
    left = [_Place(chain.root, None, "")]
    while left:
        place = left.pop()
        if place.index in seen:
            continue
        seen.add(place.index)
        found.append(place)
        left.extend(reversed(list(_below(chain.list[place.index], len(found) - 1))))
    return found


def _below(record: ExceptionRecord, number: int) -> Iterator[_Place]:
    if record.cause is not None:
        yield _Place(record.cause, number, "__cause__")
    elif record.context is not None and not record.suppress_context:
        yield _Place(record.context, number, "__context__")
    for position, index in enumerate(record.children):
        yield _Place(index, number, f"exceptions[{position}]")


def _stacktrace(snapshot: Snapshot, frames: Sequence[Frame]) -> dict[str, Any]:
    return {"frames": [_frame(snapshot, frame) for frame in frames]}


def _frame(snapshot: Snapshot, frame: Frame) -> dict[str, Any]:
    made: dict[str, Any] = {
        "function": frame.function,
        "filename": facts.short_file(frame, snapshot.process.working_directory),
        "abs_path": frame.file,
        "lineno": frame.line,
        "colno": frame.column if frame.column is None else frame.column + 1,
        "in_app": frame.in_app,
        "vars": {each.name: each.value for each in frame.locals} or None,
    }
    around = facts.source_around(frame, snapshot.sources, _CONTEXT)
    if around is not None:
        made["pre_context"], made["context_line"], made["post_context"] = around
    return {name: value for name, value in made.items() if value is not None}
