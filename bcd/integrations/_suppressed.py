"""How many errors of each kind were counted instead of traced."""

from __future__ import annotations

import _thread
import os

__all__ = ["Suppressed", "suppressed"]


class Suppressed:
    """Counts by kind; beyond a number of kinds the rest share one count.

    Args:
        kinds: How many kinds are counted apart.
    """

    def __init__(self, kinds: int = 256) -> None:
        self._kinds = kinds
        self.clear()

    def clear(self) -> None:
        """Forget everything; a forked child starts so, its parent reports what it counted."""
        # Reentrant: a collected object may fail in this very thread while the lock is held.
        self._lock = _thread.RLock()
        self._counts: dict[str, int] = {}
        self._others = 0

    def add(self, kind: str, count: int = 1) -> None:
        """Count errors of a kind."""
        with self._lock:
            if kind in self._counts or len(self._counts) < self._kinds:
                self._counts[kind] = self._counts.get(kind, 0) + count
            else:
                self._others += count

    def take(self, kind: str) -> int:
        """The count of a kind, which starts at 0 again."""
        with self._lock:
            return self._counts.pop(kind, 0)

    def take_others(self) -> int:
        """The count of all kinds that found no place of their own, which starts at 0 again."""
        with self._lock:
            others, self._others = self._others, 0
            return others

    def add_others(self, count: int) -> None:
        """Count errors whose kind is not known any more."""
        with self._lock:
            self._others += count


suppressed = Suppressed()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=suppressed.clear)
