"""The process, and what it cost to look at it, in a few lines."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bcd.report.line import cells, fold, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.text import Text

    from bcd.report._view import View
    from bcd.snapshot.model import Process, Snapshot

__all__ = ["duration", "file_size", "pair_lines", "process_pairs", "tracer_text"]

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_KIBIBYTE = 1 << 10
_MEBIBYTE = 1 << 20
_VALUE_LINES = 4
_MODES = {
    "frozen": "from a frozen copy",
    "gil-held": "from the process itself, which was held meanwhile",
    "attached": "attached to the process, which stood still meanwhile",
    "recorded": "from what the program itself recorded of the error, without any values",
    "unpaused": "from the running process, so that values may not belong together",
}


def pair_lines(pairs: Sequence[tuple[str, str]], view: View) -> Iterator[Text]:
    """Show names and values in two columns."""
    widest = max((cells(name) for name, _ in pairs), default=0)
    room = view.width and max(view.width - widest - 4, 24)
    for name, value in pairs:
        first, *rest = fold(value, room, _VALUE_LINES)
        yield line("  ", (name, "blue"), " " * (widest - cells(name) + 2), first)
        for folded in rest:
            yield line(" " * (widest + 4), folded)


def process_pairs(process: Process) -> list[tuple[str, str]]:
    """Put into words what is known about the process."""
    found = [
        ("command", shlex.join(process.command_line or ()) or process.executable or ""),
        ("runs", _runs(process)),
        ("on", _platform(process)),
        ("in", _place(process)),
        ("uses", _use(process)),
        ("has open", _open_files(process)),
    ]
    environment = " ".join(f"{name}={value}" for name, value in (process.environment or {}).items())
    return [(name, value) for name, value in [*found, ("environment", environment)] if value]


def tracer_text(snapshot: Snapshot) -> str:
    """Say who looked at the process, how, and how long it was held."""
    tracer = snapshot.tracer
    how = _MODES.get(tracer.mode, tracer.mode)
    times = [
        _milliseconds("held for", tracer.blocked_ms),
        _milliseconds("read in", tracer.read_ms),
        _milliseconds("written after", tracer.total_ms),
    ]
    return ", ".join([f"{tracer.name} {tracer.version} {how}", *filter(None, times)])


def duration(seconds: float) -> str:
    """Say a time span in its two largest units."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def file_size(count: int) -> str:
    """Say how much a file holds."""
    if count < _KIBIBYTE:
        return f"{count} bytes"
    if count < _MEBIBYTE:
        return f"{count / _KIBIBYTE:.0f} KiB"
    return f"{count / _MEBIBYTE:,.0f} MiB"


def _runs(process: Process) -> str:
    pid = f"pid {process.pid}"
    parent = "" if process.ppid is None else f", child of {process.ppid}"
    up = "" if process.uptime_s is None else f", up {duration(process.uptime_s)}"
    started = "" if process.started is None else f" since {process.started:%Y-%m-%d %H:%M:%S} UTC"
    return pid + parent + up + started


def _platform(process: Process) -> str:
    python = process.python and f"Python {process.python}"
    container = process.container_id and f"container {process.container_id[:12]}"
    return ", ".join(filter(None, [process.host, container, python, process.platform]))


def _place(process: Process) -> str:
    user = (process.uids or {}).get("effective")
    parts = [process.working_directory, None if user is None else f"user {user}"]
    return ", ".join(filter(None, parts))


def _use(process: Process) -> str:
    resident = (process.memory or {}).get("rss")
    cpu = process.cpu or {}
    parts = [
        None if resident is None else f"{resident / _MEBIBYTE:.0f} MiB",
        None if process.threads is None else f"{process.threads} threads",
        f"{sum(cpu.values()):.1f} s of cpu" if cpu else None,
        _load(process),
        _numbers(process.context_switches),
    ]
    return ", ".join(filter(None, parts))


def _open_files(process: Process) -> str:
    limit = (process.limits or {}).get("open_files")
    kinds = [f"{count} {name}" for name, count in (process.files or {}).items()]
    sockets = [f"{count} {name}" for name, count in (process.sockets or {}).items()]
    parts = [" + ".join(kinds), f"sockets {' + '.join(sockets)}" if sockets else ""]
    if kinds and limit is not None:
        parts.append(f"{limit} files at most")
    return ", ".join(filter(None, parts))


def _load(process: Process) -> str:
    return "load " + " ".join(f"{each:.2f}" for each in process.load) if process.load else ""


def _numbers(switches: Mapping[str, int] | None) -> str:
    if not switches:
        return ""
    return "context switches " + " + ".join(f"{n} {name}" for name, n in switches.items())


def _milliseconds(words: str, value: float | None) -> str:
    return "" if value is None else f"{words} {value:.1f} ms"
