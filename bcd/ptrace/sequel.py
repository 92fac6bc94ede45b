"""The second line of standard input: what the program says once it can go on."""

from __future__ import annotations

import posix

from bcd.ptrace.errors import ReadError
from bcd.ptrace.request import decode

_ANSWER_MS = 1000


class Sequel:
    """The second line; a program that has ended, or was stopped, may never write it.

    Args:
        begun: What of it came with the first line.

    Attributes:
        copy: Process id of the frozen copy, None where there is none.
        blocked_ms: How long the program says that it was held.
        in_time: Whether it was held until the tracer let go.
    """

    def __init__(self, begun: bytes = b"") -> None:
        self.copy: int | None = None
        self.blocked_ms: float | None = None
        self.in_time = True
        self._begun = begun
        self._is_read = False

    def read(self) -> None:
        """Wait for it, but not for long; does nothing the second time."""
        if self._is_read:
            return
        self._is_read = True
        try:
            told = decode(_rest(self._begun))
            self.in_time = bool(told.get("in_time", True))
            self.blocked_ms = float(told["blocked_ms"])
            copy = told.get("copy")
            self.copy = copy if isinstance(copy, int) else None
        except (ReadError, AttributeError, KeyError, TypeError, ValueError):
            return


def _rest(data: bytes) -> bytes:
    posix.set_blocking(0, False)
    while b"\n" not in data:
        try:
            part = posix.read(0, 4096)
        except BlockingIOError:
            if _has_come():
                continue
            break
        if not part:
            break
        data += part
    return data


def _has_come() -> bool:
    """Whether there is more to read of standard input before long."""
    import select  # 0.1 ms, and seldom is this early

    poll = select.poll()
    poll.register(0, select.POLLIN)
    return bool(poll.poll(_ANSWER_MS))
