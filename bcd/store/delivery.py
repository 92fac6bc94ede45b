"""What a forwarder needs to know of the store, of time, and of whoever runs it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Added", "Backoff", "Destination", "Forwarded", "Listener", "Pace"]


class Added(Protocol):
    """What became of snapshots that a store was given."""

    @property
    def new(self) -> int:
        """How many it did not have yet."""

    @property
    def refused(self) -> Mapping[str, str]:
        """Id → why it takes it never."""


class Destination(Protocol):
    """The store that snapshots go to."""

    def add(self, items: Iterable[tuple[str, bytes]]) -> Added:
        """Take snapshots, all or none; those that are there already stay as they are.

        Raises:
            StoreError: None was taken.
        """

    def close(self) -> None:
        """Let go of it."""


class Pace(Protocol):
    """Time, and the wish of whoever runs the forwarder that it ends."""

    def now(self) -> float:
        """Seconds from anywhere."""

    def wait(self, seconds: float) -> bool:
        """Let time pass; True, and at once, when the forwarder shall end."""


class Listener(Protocol):
    """Who wants to know what the forwarder does."""

    def said(self, sentence: str) -> None:
        """The store does not answer, or does so again."""

    def sent(self, new: int, size: int) -> None:
        """The store has taken a batch, so many bytes, so many of which it did not have yet."""

    def damaged(self, sentence: str) -> None:
        """A file cannot be sent."""

    def waiting(self, count: int) -> None:
        """So many snapshots are to be sent."""

    def settled(self, count: int) -> None:
        """So many of them need nothing more."""


@dataclass(slots=True)
class Forwarded:
    """What a forwarder has done.

    Attributes:
        new: Snapshots that the store did not have.
        already: Snapshots that it had.
        removed: Files that were removed.
        damaged: Path → why it was not sent; it lies where it was.
        waiting: Snapshots that were still to be sent at the end.
        failure: Why they were.
    """

    new: int = 0
    already: int = 0
    removed: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    waiting: int = 0
    failure: str | None = None


class Backoff:
    """How long to wait for a store that does not answer: longer each time, up to a bound.

    Args:
        shortest: Seconds after the first failure, at most.
        longest: Seconds at the utmost.
        chance: From 0 to 1, so that many forwarders do not come at once when it answers.
    """

    def __init__(
        self, shortest: float, longest: float, chance: Callable[[], float] = random.random
    ) -> None:
        self._shortest, self._longest, self._chance = shortest, longest, chance
        self.failures = 0

    def next(self) -> float:
        """The seconds to wait after one more failure: half of the time, and chance."""
        whole = min(self._longest, self._shortest * (1 << min(self.failures, 32)))
        self.failures += 1
        return whole * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        """It answers."""
        self.failures = 0
