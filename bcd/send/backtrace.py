"""A snapshot as a submission of Backtrace in its JSON format.

What bcd's :class:`~bcd.tracers.backtrace.BTTracer` uploads is another thing: the files that
Backtrace's own tracer writes.

Source: https://docs.saucelabs.com/dev/api/error-reporting/ ("Submit Raw Error Data").
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bcd._version import __version__
from bcd.errors import ConfigError, SendError
from bcd.report.traceback import traceback_text
from bcd.send import facts
from bcd.send.encoding import address_parts, hex_id, json_bytes, json_object, server_of
from bcd.send.service import Address, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bcd.snapshot.model import Frame, Snapshot

__all__ = ["Backtrace", "submission_of"]

_EXAMPLE = "https://submit.backtrace.io/UNIVERSE/TOKEN/json"
_TAB_WIDTH = 8
_PLAIN = frozenset({"api", "format", "json", "post", "token"})  # parts of addresses, no secrets


class Backtrace:
    """A server of Backtrace."""

    name = "backtrace"

    def address(self, where: str | None, environment: Mapping[str, str]) -> Address:
        """Take the submission URL, token and all: of ``--url``, else of ``BACKTRACE_URL``."""
        url = where or environment.get("BACKTRACE_URL")
        if not url:
            raise ConfigError("Backtrace needs a submission URL: set BACKTRACE_URL, or give --url")
        parts = address_parts(url, "submission URL", _EXAMPLE)
        words = {*re.split(r"[/?&=]", f"{parts.path}?{parts.query}")} - _PLAIN
        return Address(
            server=server_of(parts),
            url=url,
            secrets=(*words, *map(unquote, words), parts.password or ""),
        )

    def prepare(self, snapshot: Snapshot) -> Prepared:
        """Make the submission, whose UUID is the snapshot's id."""
        document = submission_of(snapshot)
        return Prepared(id=document["uuid"], document=document)

    def body(self, prepared: Prepared, attachment: bytes | None) -> tuple[dict[str, str], bytes]:  # noqa: ARG002
        """Write the submission as it is; Backtrace documents no compression."""
        return {"Content-Type": "application/json"}, json_bytes(prepared.document)

    def receipt(self, prepared: Prepared, answer: bytes) -> str:
        """Return the id of the received object."""
        found = json_object(answer)
        if found is None or ("response" not in found and "error" not in found):
            raise SendError("the answer is none of Backtrace; check the submission URL")
        if found.get("response") != "ok":
            error = found.get("error")
            said = error.get("message") if isinstance(error, dict) else error
            raise SendError(f"it was rejected: {said or 'no reason'}", of_one=True)
        return str(found.get("_rxid") or prepared.id)


def submission_of(snapshot: Snapshot) -> dict[str, Any]:
    """Make the submission of a snapshot.

    Args:
        snapshot: What to send.

    Returns:
        A document in JSON's types. Stacks stand innermost first, as Backtrace has them; the
        thread that failed has the frames of the exception.
    """
    sources = _Sources(snapshot)
    threads = dict(_threads(snapshot, sources))
    main = next((key for key, thread in threads.items() if thread["fault"]), next(iter(threads)))
    submission: dict[str, Any] = {
        "uuid": str(uuid.UUID(hex_id(snapshot.id))),
        "timestamp": int(snapshot.created.timestamp()),
        "lang": "python",
        "langVersion": snapshot.process.python or snapshot.tracer.python,
        "agent": "bcd",
        "agentVersion": __version__,
        "threads": threads,
        "mainThread": main,
        "classifiers": list(snapshot.classifiers),
        "attributes": dict(_attributes(snapshot)),
        "annotations": dict(_annotations(snapshot)),
        "sourceCode": sources.found,
    }
    entry = str(snapshot.process.pid)
    return submission | ({"entryThread": entry} if entry in threads else {})


class _Sources:
    """Numbers the pieces of source that frames refer to."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._sources = snapshot.sources
        self._first_lines: dict[tuple[str, int], int] = {}
        self.found: dict[str, dict[str, Any]] = {}

    def refer(self, frame: Frame) -> str:
        """Return the id of the piece that has the line of a frame."""
        source = self._sources.get(frame.file)
        if source is None or frame.line is None or frame.line not in source.lines:
            self.found.setdefault(frame.file, {"path": frame.file})
            return frame.file
        first = self._first_line(frame.file, source.lines, frame.line)
        name = f"{frame.file}:{first}"
        if name not in self.found:
            self.found[name] = {
                "path": frame.file,
                "text": "\n".join(_from(first, source.lines)),
                "startLine": first,
                "startColumn": 1,
                "tabWidth": _TAB_WIDTH,
            }
        return name

    def _first_line(self, file: str, lines: Mapping[int, str], number: int) -> int:
        key = (file, number)
        if key not in self._first_lines:
            first = number
            while first - 1 in lines:
                first -= 1
            self._first_lines[key] = first
        return self._first_lines[key]


def _from(first: int, lines: Mapping[int, str]) -> Iterator[str]:
    while first in lines:
        yield lines[first]
        first += 1


def _threads(snapshot: Snapshot, sources: _Sources) -> Iterator[tuple[str, dict[str, Any]]]:
    failed = _failed_frames(snapshot)
    for thread in snapshot.threads:
        frames = failed or thread.frames if thread.faulted else thread.frames
        made = _thread(thread.name or f"thread {thread.tid}", frames, sources, fault=thread.faulted)
        yield str(thread.tid), made
    if not any(thread.faulted for thread in snapshot.threads) and (failed or not snapshot.threads):
        yield "main", _thread("main", failed, sources, fault=True)


def _failed_frames(snapshot: Snapshot) -> Sequence[Frame]:
    if snapshot.exception is None:
        return ()
    return snapshot.exception.list[snapshot.exception.root].frames


def _thread(
    name: str, frames: Sequence[Frame], sources: _Sources, *, fault: bool
) -> dict[str, Any]:
    stack = [_frame(frame, sources) for frame in reversed(frames)]
    if fault and stack:
        stack[0]["faulted"] = True
    return {"name": name, "fault": fault, "stack": stack}


def _frame(frame: Frame, sources: _Sources) -> dict[str, Any]:
    made = {
        "funcName": frame.function,
        "library": frame.file,
        "sourceCode": sources.refer(frame),
        "line": frame.line,
        "column": None if frame.column is None else frame.column + 1,
    }
    return {name: value for name, value in made.items() if value is not None}


def _attributes(snapshot: Snapshot) -> Iterator[tuple[str, str | int]]:
    """What can be searched for: the program's own, and Backtrace's names for the process."""
    process = snapshot.process
    memory, switches = process.memory or {}, process.context_switches or {}
    found: dict[str, str | int | None] = {
        **snapshot.attributes,
        "application": facts.service_of(snapshot),
        "application.version": facts.release_of(snapshot),
        "environment": facts.environment_of(snapshot),
        "hostname": process.host,
        "process.age": None if process.uptime_s is None else int(process.uptime_s),
        "process.id": process.pid,
        "vm.rss.size": memory.get("rss"),
        "vm.vma.size": memory.get("vms"),
        "vm.swap.size": memory.get("swap"),
        "sched.cs.voluntary": switches.get("voluntary"),
        "sched.cs.involuntary": switches.get("involuntary"),
        "descriptor.count": sum(process.files.values()) if process.files else None,
        "bcd.id": snapshot.id,
        "bcd.fingerprint": snapshot.reason.fingerprint,
        "bcd.reason": snapshot.reason.kind,
    }
    if snapshot.exception is not None:
        root = snapshot.exception.list[snapshot.exception.root]
        found |= {"error.type": "Exception", "error.message": root.message}
    yield from ((name, value) for name, value in found.items() if value is not None)


def _annotations(snapshot: Snapshot) -> Iterator[tuple[str, Any]]:
    """What can be read only: the whole error, variables, tasks, the process."""
    process = snapshot.process
    if snapshot.exception is not None:
        yield "Traceback", traceback_text(snapshot.exception, snapshot.sources)
        yield "Variables", dict(_variables(_failed_frames(snapshot)))
    yield "Deadlocks", list(snapshot.deadlocks)
    yield "Tasks", [facts.task_words(task) for task in snapshot.tasks]
    yield "Environment Variables", dict(process.environment or {})
    yield "Command line", list(process.command_line or ())
    yield "Working directory", process.working_directory
    yield "Cut short", list(snapshot.truncated)
    yield "Notes", list(snapshot.notes)


def _variables(frames: Sequence[Frame]) -> Iterator[tuple[str, dict[str, str]]]:
    """Of each frame, counted from the innermost as in the stack."""
    for number, frame in enumerate(reversed(frames)):
        if frame.locals:
            yield f"{number} {frame.function}", {each.name: each.value for each in frame.locals}
