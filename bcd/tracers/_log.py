"""Where a tracer's messages go unless the program says otherwise: one line each on stderr."""

from __future__ import annotations

import sys
import time

from bcd.tracer import LogPriority

__all__ = ["StderrLog"]


class StderrLog:
    """Writes ``[bcd] YYYY/MM/DD HH:MM:SS message`` to ``sys.stderr`` for the enabled levels.

    Args:
        level: The mask of the levels that are emitted.
    """

    def __init__(self, level: LogPriority = LogPriority.ERROR) -> None:
        self._mask = level

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Write ``format % args`` if the level is enabled; never raises."""
        if self._mask & level == 0:
            return
        try:
            message = format % args if args else format
            stamp = time.strftime("%Y/%m/%d %H:%M:%S")
            sys.stderr.write(f"[bcd] {stamp} {message}\n")
        except Exception:  # noqa: BLE001, S110 - stderr is closed or gone: there is nobody to tell
            pass

    def set_log_level(self, level: LogPriority) -> None:
        """Set the mask of the levels that are emitted; all others are ignored."""
        self._mask = level
