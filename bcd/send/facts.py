"""What several services want to know of a snapshot, each under a name of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bcd.snapshot.model import Frame, Snapshot, SourceLines, Task, Thread

__all__ = [
    "attribute",
    "environment_of",
    "faulted_thread",
    "headline",
    "release_of",
    "route_of",
    "service_of",
    "short_file",
    "source_around",
    "task_words",
]

_LIBRARIES = re.compile(r".*/(?:(?:site|dist)-packages|lib(?:64)?/python\d[^/]*)/", re.DOTALL)
_KINDS = {
    "request": "a snapshot that the program asked for",
    "signal": "a snapshot on a signal",
    "dump": "a snapshot from outside",
}


def attribute(snapshot: Snapshot, *names: str) -> str | None:
    """Return the first of these attributes that says something."""
    values = (snapshot.attributes.get(name) for name in names)
    return next((value for value in values if value), None)


def service_of(snapshot: Snapshot) -> str | None:
    """Return the name of the service, None where the program does not tell."""
    return attribute(snapshot, "service.name", "service", "application")


def release_of(snapshot: Snapshot) -> str | None:
    """Return the version of the service, None where the program does not tell."""
    return attribute(snapshot, "service.version", "release", "version")


def environment_of(snapshot: Snapshot) -> str | None:
    """Return where the service is deployed, None where the program does not tell."""
    return attribute(
        snapshot, "deployment.environment.name", "deployment.environment", "environment"
    )


def route_of(snapshot: Snapshot) -> str | None:
    """Return what the program was doing: a route with its method, or a task."""
    route = attribute(snapshot, "http.route", "url.path")
    if route is None:
        return attribute(snapshot, "celery.task_name")
    method = attribute(snapshot, "http.request.method")
    return f"{method} {route}" if method else route


def headline(snapshot: Snapshot) -> str:
    """Say in one line why there is a snapshot."""
    if snapshot.exception is None:
        kind = snapshot.reason.kind
        return _KINDS.get(kind, kind)
    root = snapshot.exception.list[snapshot.exception.root]
    first = root.message.partition("\n")[0]
    return f"{root.type}: {first}" if first else root.type


def faulted_thread(threads: Sequence[Thread]) -> Thread | None:
    """Return the thread in which the trace was called, None where that is not known."""
    return next((thread for thread in threads if thread.faulted), None)


def short_file(frame: Frame, folder: str | None) -> str:
    """Name the file of a frame from where modules are looked for, or from the working folder."""
    name = _LIBRARIES.sub("", frame.file, count=1)
    if name == frame.file and folder:
        return name.removeprefix(f"{folder.rstrip('/')}/")
    return name


def source_around(
    frame: Frame, sources: Mapping[str, SourceLines], lines: int
) -> tuple[list[str], str, list[str]] | None:
    """Return the lines before, the line, and those after it; None where it is not known."""
    source = sources.get(frame.file)
    if source is None or frame.line is None or frame.line not in source.lines:
        return None
    before: list[str] = []
    after: list[str] = []
    for distance in range(1, lines + 1):
        if frame.line - distance in source.lines and len(before) == distance - 1:
            before.insert(0, source.lines[frame.line - distance])
        if frame.line + distance in source.lines and len(after) == distance - 1:
            after.append(source.lines[frame.line + distance])
    return before, source.lines[frame.line], after


def task_words(task: Task) -> str:
    """Say what a task does and where."""
    words = f"{task.name} is {task.state}"
    if task.waiting_for:
        words += f", waits for {task.waiting_for}"
    telling = [frame for frame in task.frames if frame.in_app] or list(task.frames)
    if telling:
        words += f', at "{telling[-1].file}", line {telling[-1].line or "?"}'
        words += f", in {telling[-1].function}"
    return words
