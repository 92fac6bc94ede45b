"""Telling that the store does not answer: once, however many ask meanwhile."""

from __future__ import annotations

import sys

from bcd.report.line import printable

__all__ = ["Outage"]


class Outage:
    """The time between an answer of the store that fails and the next one that does not."""

    def __init__(self) -> None:
        self._lasts = False

    def goes_on(self, reason: str) -> None:
        """Say on standard error why the store does not answer, if that is new."""
        if not self._lasts:
            sys.stderr.write(f"bcd: {printable(reason)}\n")
        self._lasts = True

    def ends(self) -> None:
        """The store has answered."""
        self._lasts = False
