"""One line on stderr: how bcd tells a person something when nobody has asked.

It never goes through ``logging``, whose handlers may lead back into a hook.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Window", "notice"]


def notice(message: str) -> None:
    """Write ``[bcd] YYYY/MM/DD HH:MM:SS message``; never raises an ``Exception``."""
    try:
        stamp = time.strftime("%Y/%m/%d %H:%M:%S")
        sys.stderr.write(f"[bcd] {stamp} {message}\n")
    except Exception:  # noqa: BLE001, S110 - stderr is closed, full or gone: nobody can be told
        pass


class Window:
    """Lets something be said at most once per time window.

    Args:
        seconds: Of silence after it was said.
        clock: A clock that does not jump.
    """

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._silent_until = float("-inf")

    def opens(self) -> bool:
        """Whether it may be said now; silence begins then."""
        now = self._clock()
        if now < self._silent_until:
            return False
        self._silent_until = now + self._seconds
        return True
