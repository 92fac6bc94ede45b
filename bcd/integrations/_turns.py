"""Whose turn it is when the slot is free: kinds of errors of which nothing was seen come first.

In a storm of one kind the slot would hardly ever go to another one, which comes now and then and
finds it taken. So a kind that was traced in the last minute gives way once the slot is free, if
errors of others were only counted meanwhile. It does so for as long as the rate limit, and once:
whoever did not come by then has to be counted anew. Nothing is lost by that, only put off: who
gives way is counted like everybody that finds the slot taken.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bcd._pid import own_pid
from bcd.config import current_config
from bcd.engine import open_for

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RECENT", "Turns", "turns"]

RECENT = 60.0
"""Seconds for which a kind that was traced gives way to others, and the longest that it does."""

_MOST = 256


def _rate_limit() -> float:
    return current_config().rate_limit_seconds


class Turns:
    """Knows which kinds were traced and which wait for that.

    Without a lock: each step is one call of C, and a race puts a turn off at worst.

    Args:
        open_for: Tells for how many seconds the slot has been free.
        rate_limit: Tells the rate limit, in seconds.
        clock: A clock that does not jump.
    """

    def __init__(
        self,
        open_for: Callable[[], float],
        rate_limit: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_for = open_for
        self._rate_limit = rate_limit
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._owner = own_pid()
        self._traced: dict[str, float] = {}
        self._waiting: dict[str, None] = {}

    def gives_way(self, kind: str) -> bool:
        """Whether a kind has to leave the slot, which is free, to others."""
        if not self._waiting or not self._is_recent(kind):  # who waits is not recent
            return False
        return self._open_for() < min(self._rate_limit(), RECENT)

    def counted(self, kind: str) -> None:
        """Note that an error of a kind was only counted."""
        if kind not in self._waiting and len(self._waiting) < _MOST and not self._is_recent(kind):
            self._waiting[kind] = None

    def dropped(self, kind: str) -> None:
        """Note that a kind had the slot and nobody wanted a snapshot."""
        self._waiting.pop(kind, None)

    def traced(self, kind: str) -> None:
        """Note that a kind had the slot; one that gives way did so for long enough."""
        if self._is_recent(kind):
            self._waiting.clear()
        self._waiting.pop(kind, None)
        self._traced.pop(kind, None)
        self._traced[kind] = self._clock()  # the last one
        if len(self._traced) > _MOST:
            self._traced.pop(next(iter(self._traced)), None)

    def _is_recent(self, kind: str) -> bool:
        if self._owner != own_pid():  # a forked child has seen nothing yet
            self.clear()
        at = self._traced.get(kind)
        return at is not None and self._clock() - at < RECENT


turns = Turns(open_for, _rate_limit)
