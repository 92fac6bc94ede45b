"""What keeps a reading within its bounds, and what it says of what it left out."""

from __future__ import annotations

import time

from bcd.errors import DeadlineReached, RequestError

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULTS = {
    "string": 200,
    "value": 1000,
    "message": 4096,
    "items": 10,
    "depth": 3,
    "variables": 60,
    "frames": 400,
    "exceptions": 50,
    "values": 50_000,
    "threads": 1000,
    "tasks": 2000,
    "tasks_with_variables": 200,
    "file_bytes": 4 * 1024 * 1024,
    "deadline_ms": 1000,
    "snapshots": 200,
    "folder_bytes": 256 * 1024 * 1024,
}
"""Characters of a string, of a whole value and of an exception's message; items of a container;
depth of nesting; variables of a frame; frames of a stack (first and last kept); exceptions;
values in all; threads; tasks, and how many of them with variables; bytes of the document before
compression; milliseconds for reading; snapshots and bytes that a folder keeps."""


class Limits:
    """The limits of one reading, by name.

    Args:
        given: Those that differ from the defaults.

    Raises:
        RequestError: An unknown name, or a value that is no positive whole number.
    """

    def __init__(self, given: Mapping[str, object] | None = None) -> None:
        values = dict(DEFAULTS)
        for name, value in (given or {}).items():
            if name not in values:
                known = ", ".join(sorted(values))
                raise RequestError(f"no limit is called {name!r}; there are {known}")
            if type(value) is not int or value < 1:
                raise RequestError(f"the limit {name} must be a positive int, not {value!r}")
            values[name] = value
        self.values = values

    def __getitem__(self, name: str) -> int:
        return self.values[name]


class Budget:
    """Time and number of values of one reading.

    Args:
        limits: The limits of the reading.
        clock: Gives monotonic seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.ends = clock() + limits["deadline_ms"] / 1000
        self.left = limits["values"]
        self.over = False

    def spend(self) -> None:
        """Count one value.

        Raises:
            DeadlineReached: The time is over, or all values are spent.
        """
        self.left -= 1
        if self.over or self.left < 0 or self._clock() > self.ends:
            self.over = True
            raise DeadlineReached("the time or the number of values for one snapshot is used up")


class Remarks:
    """What was cut and what could not be read, each said once, for the snapshot."""

    _MOST = 200

    def __init__(self) -> None:
        self._cut: dict[str, None] = {}
        self._notes: dict[str, None] = {}

    def cut(self, sentence: str) -> None:
        """Say what a limit left out."""
        if len(self._cut) < self._MOST:
            self._cut[sentence] = None

    def note(self, sentence: str) -> None:
        """Say what could not be read, where and why."""
        if len(self._notes) < self._MOST:
            self._notes[sentence] = None

    @property
    def truncated(self) -> list[str]:
        """What limits left out, in the order in which it was met."""
        return list(self._cut)

    @property
    def notes(self) -> list[str]:
        """What could not be read, in the order in which it was met."""
        return list(self._notes)
