"""One line on stderr now and then that says how many errors were counted instead of traced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bcd._pid import own_pid
from bcd.notice import notice

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Skipped", "skipped"]

_MOST_KINDS = 64
_MOST_NAMED = 3


class Skipped:
    """Counts errors and tells their number at most once per time window.

    Args:
        window: Seconds from the first error to the line, which is said with the next error.
        clock: A clock that does not jump.
    """

    def __init__(self, window: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._owner = own_pid()
        self._since: float | None = None
        self._kinds: dict[str, int] = {}
        self._total = 0

    def add(self, kind: str, number: int = 1) -> None:
        """Count errors of a kind."""
        now = self._clock()
        if self._owner != own_pid():  # its parent tells its own
            self.clear()
        if self._since is None:
            self._since = now
        elif now - self._since >= self._window:
            self.tell()
            self._since = now
        self._total += number
        if kind in self._kinds or len(self._kinds) < _MOST_KINDS:
            self._kinds[kind] = self._kinds.get(kind, 0) + number

    def tell(self) -> None:
        """Say how many there were, if there were any, and start anew."""
        since, kinds, total = self._since, self._kinds, self._total
        if self._owner == own_pid() and since is not None:
            seconds = self._clock() - since
            self.clear()
            notice(f"{told(kinds, total)} counted without a snapshot in {seconds:.0f} s")

    def tell_at_end(self, kinds: dict[str, int], others: int) -> None:
        """Say how many were counted and will be told by no snapshot any more.

        Args:
            kinds: How many of each kind.
            others: How many of further kinds.
        """
        total = sum(kinds.values()) + others
        if self._owner == own_pid() and self._since is not None and total:
            notice(f"{told(kinds, total)} counted, and no snapshot tells of them")


def told(kinds: dict[str, int], total: int) -> str:
    """How many errors, of which kinds."""
    most = sorted(kinds.items(), key=lambda entry: -entry[1])[:_MOST_NAMED]
    named = [f"{count} {kind}" for kind, count in most]
    if total > sum(count for _, count in most):
        named.append("…")
    number = "1 error" if total == 1 else f"{total} errors"
    return f"{number} ({', '.join(named)}) {'was' if total == 1 else 'were'}"


skipped = Skipped()
