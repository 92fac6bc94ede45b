"""The program bcd, run by tests of the store."""

from __future__ import annotations

from typing import NamedTuple

from tests import terminal

__all__ = ["Ended", "Ran"]


class Ended(NamedTuple):
    """How the program ended and what it printed."""

    status: int
    out: str
    err: str


class Ran(terminal.Ran):
    """Runs the program in this process, and sees that it never ends in a traceback."""

    def __call__(self, *arguments: object) -> Ended:
        """Run it with these arguments."""
        ended = Ended(*super().__call__(*map(str, arguments)))
        assert "Traceback" not in ended.err
        return ended
