"""How many errors of each kind were counted instead of traced since the last snapshot of it."""

from __future__ import annotations

import _thread
import atexit
import math
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from bcd._pid import own_pid
from bcd.integrations._skipped import skipped
from bcd.integrations._turns import turns

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Suppressed", "count", "suppressed"]


_PAUSE = 1.0  # seconds
_MOST_NEW = 1000


class Suppressed:
    """Counts by kind; beyond a number of kinds the rest share one count.

    What comes new is only put down; it is sorted in now and then, and before anybody asks.

    Args:
        kinds: How many kinds are counted apart.
        tell: Gets a kind and how many new ones there were, a second late at most.
        clock: A clock that does not jump.
    """

    def __init__(
        self,
        kinds: int = 256,
        tell: Callable[[str, int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kinds = kinds
        self._tell = tell
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._owner = own_pid()
        # Reentrant: a collected object may fail in this very thread while the lock is held.
        self._lock = _thread.RLock()
        self._counts: dict[str, int] = {}
        self._others = 0
        self._new: deque[str] = deque()  # to put in and to take out are one call of C each
        self._due = -math.inf

    def note(self, kind: str) -> None:
        """Count a new one."""
        if self._owner != own_pid():
            self.clear()
        self._new.append(kind)
        if self._clock() >= self._due or len(self._new) > _MOST_NEW:
            self.settle()

    def settle(self) -> None:
        """Sort in what came new."""
        if self._owner != own_pid():
            self.clear()
        found: dict[str, int] = {}
        with suppress(IndexError):  # nothing is left
            while True:
                kind = self._new.popleft()
                found[kind] = found.get(kind, 0) + 1
        self._due = self._clock() + _PAUSE
        for kind, number in found.items():
            self.add(kind, number)
            if self._tell is not None:
                self._tell(kind, number)

    def _locked(self) -> _thread.RLock:
        """The lock of this process: a forked child starts anew, its parent tells its counts.

        Not by an at-fork handler, before which one of the program's own could find the lock as
        another thread of the parent left it.
        """
        if self._owner != own_pid():
            self.clear()
        return self._lock

    def add(self, kind: str, count: int) -> None:
        """Count errors of a kind that are not new: a snapshot was to tell of them and did not."""
        with self._locked():
            if kind in self._counts or len(self._counts) < self._kinds:
                self._counts[kind] = self._counts.get(kind, 0) + count
            else:
                self._others += count

    def take(self, kind: str) -> int:
        """The count of a kind, which starts at 0 again."""
        self.settle()
        with self._locked():
            return self._counts.pop(kind, 0)

    def take_others(self) -> int:
        """The count of all kinds that found no place of their own, which starts at 0 again."""
        self.settle()
        with self._locked():
            others, self._others = self._others, 0
            return others

    def add_others(self, count: int) -> None:
        """Count errors whose kind is not known any more."""
        with self._locked():
            self._others += count

    def left(self) -> tuple[dict[str, int], int]:
        """What was counted of each kind and of the others, and not taken."""
        self.settle()
        with self._locked():
            return dict(self._counts), self._others


def _tell(kind: str, number: int) -> None:
    """For the kind's turn, and for a line on stderr."""
    turns.counted(kind)
    skipped.add(kind, number)


suppressed = Suppressed(tell=_tell)

atexit.register(lambda: skipped.tell_at_end(*suppressed.left()))

count = suppressed.note
"""Count an error that is not traced: for the next snapshot, for its turn, and for a line."""
