"""What one check found, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Check", "Status", "failed", "ok", "run_checks", "warned"]

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: What was looked at.
        status: ``"fail"`` means that there will be no snapshots.
        words: What was found.
        remedy: What to do; "" where all is well.
    """

    name: str
    status: Status
    words: str
    remedy: str = ""


def ok(name: str, words: str) -> Check:
    """All is well."""
    return Check(name=name, status="ok", words=words)


def warned(name: str, words: str, remedy: str) -> Check:
    """Something is missing that snapshots can do without."""
    return Check(name=name, status="warn", words=words, remedy=remedy)


def failed(name: str, words: str, remedy: str) -> Check:
    """There will be no snapshots."""
    return Check(name=name, status="fail", words=words, remedy=remedy)


def run_checks(checks: Iterable[tuple[str, Callable[[], Check]]]) -> list[Check]:
    """Run checks in their order; one that cannot be made is a warning and stops no other."""
    return [_run(name, check) for name, check in checks]


def _run(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (OSError, ValueError) as error:
        return warned(name, f"could not be looked at: {error}", "see whether it is as you want it")
