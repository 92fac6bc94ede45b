"""What bcd says about its own failures inside a hook: a line on stderr, and not often."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bcd.engine import error_text, type_name
from bcd.notice import notice

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Complaints", "complain"]

_LONGEST = 500  # characters of the reason


class Complaints:
    """At most one line per time window.

    Args:
        window: Seconds of silence after a line.
        clock: A clock that does not jump.
    """

    def __init__(self, window: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._silent_until = float("-inf")

    def __call__(self, what: str, problem: BaseException) -> None:
        """Say what could not be done and why; never raises an ``Exception``."""
        now = self._clock()
        if now < self._silent_until:
            return
        self._silent_until = now + self._window
        with suppress(Exception):  # a type that cannot even be named
            notice(f"{what}: {_describe(problem)}")


def _describe(problem: BaseException) -> str:
    text = " ".join(error_text(problem)[:_LONGEST].split())
    return f"{type_name(problem)}: {text}" if text else type_name(problem)


complain = Complaints()
