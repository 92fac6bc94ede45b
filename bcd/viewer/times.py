"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["age", "clock", "moment", "span"]

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span(length: timedelta) -> str:
    """Say how long something takes, in its largest unit."""
    seconds = int(length.total_seconds())
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size:,} {unit}"
    return "0 s"


def age(then: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    return "just now" if now - then < timedelta(seconds=1) else f"{span(now - then)} ago"


def moment(time: datetime) -> str:
    """Write a time to the second, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(time: datetime, length: timedelta) -> str:
    """Write a time as short as a span of that length allows."""
    time = time.astimezone(UTC)
    return f"{time:%H:%M}" if length < timedelta(days=1) else f"{time:%b} {time.day}, {time:%H:%M}"
