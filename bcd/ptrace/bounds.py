"""What keeps a reading within its bounds, and what it says of what it left out."""

from __future__ import annotations

import time

from bcd.errors import DeadlineReached, RequestError
from bcd.snapshot.limits import DEFAULTS, problem_with

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_LEAST_SECONDS = 0.25
"""What stacks without values may take, however little time there is for values."""


class Limits:
    """The limits of one reading, by name.

    Args:
        given: Those that differ from the defaults.

    Raises:
        RequestError: An unknown name, or a value that is no positive whole number.
    """

    def __init__(self, given: Mapping[str, int] | None = None) -> None:
        problem = problem_with(given or {})
        if problem is not None:
            raise RequestError(problem)
        self.values = {**DEFAULTS, **(given or {})}

    def __getitem__(self, name: str) -> int:
        return self.values[name]


class Budget:
    """Time, number and size of the values of one reading.

    Args:
        limits: The limits of the reading.
        clock: Gives monotonic seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        began, seconds = clock(), limits["deadline_ms"] / 1000
        self.ends, self._latest = began + seconds, began + 2 * seconds + _LEAST_SECONDS
        self.left = limits["values"]
        self._room = limits["file_bytes"]
        self.over = False

    def spend(self, count: int = 1) -> None:
        """Count values.

        Raises:
            DeadlineReached: The time is over, or all values are spent.
        """
        self.left -= count
        if self.over or self.left < 0 or self._clock() > self.ends:
            self.over = True
            raise DeadlineReached("the time or the number of values for one snapshot is used up")

    @property
    def is_late(self) -> bool:
        """Whether so much time has passed that not even stacks without values are to be read."""
        return self._clock() > self._latest

    def take_room(self, characters: int) -> None:
        """Count characters of values: what cannot fit into the document needs no memory here.

        Raises:
            DeadlineReached: They alone take more than the whole document may.
        """
        self._room -= characters
        if self._room < 0:
            self.over = True
            raise DeadlineReached("the room for values in one snapshot is used up")


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
