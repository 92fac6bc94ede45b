"""Counts what came of readings of damaged processes, for the table at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_S = 3.0
"""Of processor time, after which a reading is interrupted; it checks its time before that, 1 s at
each value and 2.25 s at each thread and task."""

_HEAD = ("snapshots", "refused", "without: hit", "not hit", "faults", "late", "slowest", "peak")


def exception_of(one: dict[str, Any]) -> str | None:
    """The type of the exception that a snapshot shows."""
    exception = one["document"]["exception"]
    return exception["list"][0]["type"] if exception else None


class Damages:
    """What came of all readings of a session, by version and kind of damage."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def add(self, version: str, kind: str, found: list[dict[str, Any]]) -> None:
        """Count readings."""
        self._found[version, kind] = found

    def table(self) -> Iterator[str]:
        """The lines of the table: each kind under each version, and all."""
        if not self._found:
            return
        yield f"{'damage':22}" + "".join(f"{title:>14}" for title in _HEAD)
        for (version, kind), found in sorted(self._found.items()):
            yield f"{version:8}{kind:14}" + _cells(found)
        every = [one for found in self._found.values() for one in found]
        yield f"{'all':8}{len(every):<14,}" + _cells(every)


def _cells(found: list[dict[str, Any]]) -> str:
    taken = [one for one in found if "document" in one]
    without = [one["hit"] for one in taken if exception_of(one) != "LookupError"]
    cells = [len(taken), sum("refused" in one for one in found), sum(without)]
    cells += [len(without) - sum(without), sum("fault" in one for one in found)]
    late = sum(one["cpu"] > LONGEST_S for one in found)
    slowest = f"{max(one['cpu'] for one in found) * 1000:.0f} ms"
    peak = f"{max(one['peak'] for one in found):.0f} MiB"
    return "".join(f"{cell:>14}" for cell in (*cells, late, slowest, peak))
