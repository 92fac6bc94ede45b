"""What keeps a reading within its bounds, and what it says of what it left out."""

from __future__ import annotations

import time

from bcd.ptrace.errors import DeadlineReached, RequestError
from bcd.snapshot.limits import DEFAULTS, problem_with

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_LEAST_SECONDS = 0.25
"""What stacks without values may take, however little time there is for values."""

MOST_WAITING = 3
"""So many times its time a reading that nobody waits for takes by the clock, however busy the
machine is: the tracer has low priority."""


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


class Deadline:
    """A moment that passes; it is put off while a busy machine keeps this process waiting.

    Args:
        seconds: From now on.
        clock: Gives monotonic seconds.
        own: Gives the seconds that this process ran, None where somebody waits for it.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float], own: Callable[[], float] | None = None
    ) -> None:
        self.ends = clock() + seconds
        self._own = own
        self._own_ends = own() + seconds if own is not None else 0.0
        self._latest = clock() + seconds * MOST_WAITING

    def has_passed(self, now: float) -> bool:
        """Whether it has passed at a moment of the clock."""
        if now <= self.ends or self._own is None:
            return now > self.ends
        left = self._own_ends - self._own()
        if left > 0 and now < self._latest:
            self.ends = min(now + left, self._latest)  # it cannot run for longer than time passes
        return now > self.ends


class Budget:
    """Time, number and size of the values of one reading.

    Args:
        limits: The limits of the reading.
        clock: Gives monotonic seconds.
        own: As for :class:`Deadline`.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        seconds = limits["deadline_ms"] / 1000
        self._values = Deadline(seconds, clock, own)
        self._stacks = Deadline(2 * seconds + _LEAST_SECONDS, clock, own)
        self.left = limits["values"]
        self._room = limits["file_bytes"]
        self._aside = 0, 0
        self.over = False

    def spend(self, count: int = 1) -> None:
        """Count values.

        Raises:
            DeadlineReached: The time is over, or all values are spent.
        """
        self.left -= count
        now = self._clock()
        if self.left < 0:
            self.left = 0
        elif not self.over and (now <= self._values.ends or not self._values.has_passed(now)):
            return
        else:
            self.over = True
        raise DeadlineReached("the time or the number of values for one snapshot is used up")

    @property
    def is_late(self) -> bool:
        """Whether so much time has passed that not even stacks without values are to be read."""
        return self._stacks.has_passed(self._clock())

    def take_room(self, characters: int) -> None:
        """Count characters of values: what cannot fit into the document needs no memory here.

        Raises:
            DeadlineReached: The document has no room for them.
        """
        self._room -= characters
        if self._room < 0:
            self._room += characters
            self.left = 0
            raise DeadlineReached("the room for values in one snapshot is used up")

    def count_room(self, characters: int) -> None:
        """Count characters of what is no value, which is read even if there is no room."""
        self._room -= characters

    def set_aside(self, parts: int) -> None:
        """Set one of so many equal parts of what is left aside, for what is read later."""
        self._aside = self.left // parts, max(0, self._room // parts)
        self.left -= self._aside[0]
        self._room -= self._aside[1]

    def bring_back(self) -> None:
        """Let what was set aside be used from now on."""
        self.left += self._aside[0]
        self._room += self._aside[1]
        self._aside = 0, 0


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
