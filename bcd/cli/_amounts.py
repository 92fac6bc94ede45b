"""Options that take a time span or a number of bytes, as people write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SECONDS", "bytes_in", "seconds_in"]

SECONDS = {
    **dict.fromkeys(("s", "sec"), 1),
    **dict.fromkeys(("m", "min"), 60),
    "h": 3600,
    "d": 86_400,
    "w": 7 * 86_400,
}
"""Unit → how many."""

_BYTES = {
    "": 1,
    "b": 1,
    **{
        unit: factor**power
        for power, letter in enumerate("kmgt", start=1)
        for unit, factor in ((letter, 1024), (f"{letter}ib", 1024), (f"{letter}b", 1000))
    },
}
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) *([a-z]*)", re.ASCII)
_MOST_SECONDS = 10_000 * 366 * 86_400
_MOST_BYTES = 1 << 62


def seconds_in(text: str) -> float:
    """Read a time span: ``30d``, ``12h``, ``90 min``, ``1d12h``.

    Returns:
        Seconds, more than 0.

    Raises:
        click.BadParameter: It is none; the message says what is accepted.
    """
    accepted = "accepted are spans like 30d, 12h, 90min, 45s, 2w and 1d12h"
    total = sum(_amounts(text, SECONDS, accepted))
    if not 0 < total <= _MOST_SECONDS:
        raise _unusable(text, f"{accepted}, of more than 0 s and less than 10,000 years")
    return float(total)


def bytes_in(text: str) -> int:
    """Read a number of bytes: ``256MiB``, ``1.5G``, ``500 kB``, ``1000``.

    A ``K``, ``M``, ``G`` or ``T`` alone, or with ``iB``, is a power of 1024; ``kB`` is 1000.

    Raises:
        click.BadParameter: It is none; the message says what is accepted.
    """
    accepted = "accepted are sizes like 256MiB, 1.5G, 500kB and 1000 (bytes)"
    total, *more = _amounts(text, _BYTES, accepted)
    if more or total > _MOST_BYTES:
        raise _unusable(text, f"{accepted}, up to {_MOST_BYTES >> 60} EiB")
    return int(total)


def _amounts(text: str, units: Mapping[str, int], accepted: str) -> list[Decimal]:
    """Each number times its unit, in their order; there is at least one."""
    left = text.strip().lower()
    found: list[Decimal] = []
    while left or not found:
        part = _PART.match(left)
        if part is None or part[2] not in units:
            raise _unusable(text, accepted)
        found.append(Decimal(part[1]) * units[part[2]])
        left = left[part.end() :].lstrip()
    return found


def _unusable(text: str, accepted: str) -> click.BadParameter:
    return click.BadParameter(f"{text!r} cannot be used; {accepted}")
