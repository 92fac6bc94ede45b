"""What bcd says about its own failures inside a hook: a line on stderr, and not often."""

from __future__ import annotations

from contextlib import suppress

from bcd.engine import error_text, type_name
from bcd.notice import Window, notice

__all__ = ["Complaints", "complain"]

_LONGEST = 500  # characters of the reason


class Complaints(Window):
    """At most one line per time window."""

    def __call__(self, what: str, problem: BaseException) -> None:
        """Say what could not be done and why; never raises an ``Exception``."""
        if self.opens():
            with suppress(Exception):  # a type that cannot even be named
                notice(f"{what}: {_describe(problem)}")


def _describe(problem: BaseException) -> str:
    text = " ".join(error_text(problem)[:_LONGEST].split())
    return f"{type_name(problem)}: {text}" if text else type_name(problem)


complain = Complaints()
