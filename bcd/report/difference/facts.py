"""What of a process matters where two of them are compared."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bcd.report._process import duration, file_size
from bcd.report.difference.aligning import changes
from bcd.report.difference.model import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.snapshot.model import Process

__all__ = ["process_changes"]

_NOTABLE = 0.1  # of the larger one


def process_changes(before: Process, after: Process) -> Iterator[Change]:
    """Find what differs of two processes; sizes and times only where they differ by a tenth."""
    yield from changes(_texts(before), _texts(after))
    for name, value, text in _MEASURES:
        one, two = value(before), value(after)
        if one != two and (one is None or two is None or _differ(one, two)):
            yield Change(
                name=name,
                before=None if one is None else text(one),
                after=None if two is None else text(two),
            )
    yield from changes(dict(before.environment or {}), dict(after.environment or {}))


def _texts(process: Process) -> dict[str, str]:
    user = (process.uids or {}).get("effective")
    found = {
        "host": process.host,
        "container": process.container_id,
        "python": process.python,
        "platform": process.platform,
        "bcd": process.bcd,
        "command": shlex.join(process.command_line or ()) or process.executable,
        "folder": process.working_directory,
        "user": None if user is None else str(user),
        "limits": ", ".join(f"{name} {value}" for name, value in (process.limits or {}).items()),
        "threads": None if process.threads is None else str(process.threads),
    }
    return {name: text for name, text in found.items() if text}


def _differ(one: float, two: float) -> bool:
    return abs(one - two) > _NOTABLE * max(abs(one), abs(two))


def _memory(process: Process) -> float | None:
    return (process.memory or {}).get("rss")


def _open_files(process: Process) -> float | None:
    return None if process.files is None else sum(process.files.values())


def _size(count: float) -> str:
    return file_size(int(count))


_MEASURES: tuple[tuple[str, Callable[[Process], float | None], Callable[[float], str]], ...] = (
    ("memory", _memory, _size),
    ("open files", _open_files, str),
    ("up", lambda process: process.uptime_s, duration),
)
