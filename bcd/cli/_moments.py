"""Moments as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bcd.cli._amounts import SECONDS

__all__ = ["moment"]

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([a-z]+) ?")


def moment(text: str, now: datetime) -> datetime:
    """Read a moment.

    Args:
        text: A date, a date with a time, which is UTC where it names no offset, or how long ago
            that is, as ``2h``, ``90 min``, ``1d 12h``.
        now: From when on ago is counted.

    Raises:
        ValueError: It is none of these.
    """
    text = text.strip()
    spans = list(_SPAN.finditer(text))
    try:
        if spans and "".join(span[0] for span in spans) == text:
            return now - timedelta(seconds=sum(map(_seconds, spans)))
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (KeyError, OverflowError, ValueError):
        raise ValueError(
            "is no time like 2026-11-20 or 2026-11-20T14:30 (UTC) and no age like 90min, 2h or 3d"
        ) from None


def _seconds(span: re.Match[str]) -> float:
    return float(span[1]) * SECONDS[span[2]]
