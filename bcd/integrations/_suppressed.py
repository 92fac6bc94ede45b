"""How many errors of each kind were counted instead of traced since the last snapshot of it."""

from __future__ import annotations

import _thread
import atexit
import os

from bcd.integrations._skipped import skipped
from bcd.integrations._turns import turns

__all__ = ["Suppressed", "count", "suppressed"]


class Suppressed:
    """Counts by kind; beyond a number of kinds the rest share one count.

    Args:
        kinds: How many kinds are counted apart.
    """

    def __init__(self, kinds: int = 256) -> None:
        self._kinds = kinds
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._owner = os.getpid()
        # Reentrant: a collected object may fail in this very thread while the lock is held.
        self._lock = _thread.RLock()
        self._counts: dict[str, int] = {}
        self._others = 0

    def _locked(self) -> _thread.RLock:
        """The lock of this process: a forked child starts anew, its parent tells its counts.

        Not by an at-fork handler, before which one of the program's own could find the lock as
        another thread of the parent left it.
        """
        if self._owner != os.getpid():
            self.clear()
        return self._lock

    def add(self, kind: str, count: int = 1) -> None:
        """Count errors of a kind, also those that a snapshot was to tell of and did not."""
        with self._locked():
            if kind in self._counts or len(self._counts) < self._kinds:
                self._counts[kind] = self._counts.get(kind, 0) + count
            else:
                self._others += count

    def take(self, kind: str) -> int:
        """The count of a kind, which starts at 0 again."""
        with self._locked():
            return self._counts.pop(kind, 0)

    def take_others(self) -> int:
        """The count of all kinds that found no place of their own, which starts at 0 again."""
        with self._locked():
            others, self._others = self._others, 0
            return others

    def add_others(self, count: int) -> None:
        """Count errors whose kind is not known any more."""
        with self._locked():
            self._others += count

    def left(self) -> tuple[dict[str, int], int]:
        """What was counted of each kind and of the others, and not taken."""
        with self._locked():
            return dict(self._counts), self._others


suppressed = Suppressed()

atexit.register(lambda: skipped.tell_at_end(*suppressed.left()))


def count(kind: str) -> None:
    """Count an error that is not traced: for the next snapshot, for its turn, and for a line."""
    suppressed.add(kind)
    turns.counted(kind)
    skipped.add(kind)
