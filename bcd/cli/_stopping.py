"""Ending on SIGTERM and Ctrl-C when it suits, for commands that run on."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType
    from typing import Self

__all__ = ["Stopping"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_GRACE_SECONDS = 5.0


class Stopping:
    """Time that passes until somebody wants the program to end.

    What runs then has some seconds to come to its end; after these, or when it is told a second
    time, it is interrupted by ``KeyboardInterrupt``.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    def __enter__(self) -> Self:
        # An Event would not do: its lock may be held by the code that the signal interrupts.
        self._told, self._tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {each: signal.signal(each, self._stop) for each in _SIGNALS}
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, signal.default_int_handler)
        return self

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in self._before.items():
            signal.signal(each, handler)
        os.close(self._told)
        os.close(self._tell)

    def now(self) -> float:
        """Seconds from anywhere."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Let time pass; True, and at once, when the program shall end."""
        return bool(select.select([self._told], [], [], seconds)[0])

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        os.write(self._tell, b"x")
        signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS)
