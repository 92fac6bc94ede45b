"""What the process used, as bars against what it was allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcd.report._process import duration, file_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bcd.snapshot.model import Process

__all__ = ["Chart", "charts"]

_WIDTH = 100.0
_NARROWEST = 0.6
_COLOURS = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar: its words, and where it lies, in hundredths of the bar."""

    words: str
    begin: float
    width: float
    colour: int


@dataclass(frozen=True, slots=True)
class Chart:
    """One bar.

    Attributes:
        title: What is counted.
        words: How much of it there is, and what the limit is.
        parts: What it consists of.
        near: Whether it is at nine tenths of the limit or above.
    """

    title: str
    words: str
    parts: Sequence[Part]
    near: bool = False


def charts(process: Process) -> list[Chart]:
    """Draw what is known: memory, cpu, descriptors, threads."""
    found = [_memory(process), _cpu(process), _descriptors(process), _threads(process)]
    return [chart for chart in found if chart is not None]


def _memory(process: Process) -> Chart | None:
    memory = process.memory or {}
    resident = memory.get("rss")
    if not resident:
        return None
    own = memory.get("uss", resident)
    amounts = {"its own": own, "shared": max(resident - own, 0), "swapped": memory.get("swap", 0)}
    limits = process.limits or {}
    limit = limits.get("resident", limits.get("address_space"))
    used = memory.get("vms", resident) if "address_space" in limits else resident
    words = f"{file_size(resident)} resident"
    if limit is not None:
        words += f", {file_size(used)} of at most {file_size(limit)}"
    named = {f"{file_size(value)} {name}": float(value) for name, value in amounts.items() if value}
    return Chart("Memory", words, _parts(named, limit), near=_near(used, limit))


def _cpu(process: Process) -> Chart | None:
    seconds = {name.removesuffix("_s"): value for name, value in (process.cpu or {}).items()}
    if not seconds:
        return None
    total = sum(seconds.values())
    words = f"{total:.1f} s"
    if process.uptime_s:
        share = total / process.uptime_s
        words += f" in {duration(process.uptime_s)}, {share:.1%} of one core"
    named = {f"{value:.1f} s {name}": value for name, value in seconds.items() if value}
    return Chart("CPU", words, _parts(named, process.uptime_s))


def _descriptors(process: Process) -> Chart | None:
    kinds = process.files or {}
    if not kinds:
        return None
    limit = (process.limits or {}).get("open_files")
    total = sum(kinds.values())
    words = f"{total:,} open" + ("" if limit is None else f" of at most {limit:,}")
    return Chart("Descriptors", words, _parts(_named(kinds), limit), near=_near(total, limit))


def _threads(process: Process) -> Chart | None:
    states = process.thread_states or {}
    if not states:
        return None
    words = f"{process.threads or sum(states.values()):,} of the kernel"
    return Chart("Threads", words, _parts(_named(states), None))


def _named(counts: Mapping[str, int]) -> dict[str, float]:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return {f"{count:,} {name}": float(count) for name, count in ordered if count}


def _near(used: float, limit: float | None) -> bool:
    return limit is not None and used >= limit * 0.9


def _parts(amounts: Mapping[str, float], whole: float | None) -> list[Part]:
    total = max(sum(amounts.values()), whole or 0)
    parts: list[Part] = []
    begin = 0.0
    for index, (words, amount) in enumerate(amounts.items()):
        width = max(amount / total * _WIDTH, _NARROWEST) if total else 0
        parts.append(Part(words, round(begin, 2), round(width, 2), index % _COLOURS))
        begin += width
    return parts
