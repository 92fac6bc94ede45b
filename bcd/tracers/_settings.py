"""Checks of what the constructors of tracers are given."""

from __future__ import annotations

import math
from datetime import timedelta

from bcd.errors import ConfigError

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["checked_names", "checked_seconds"]


def checked_names(setting: str, names: Sequence[str]) -> list[str]:
    """Check a list of names.

    Args:
        setting: What it is called, for the error.
        names: The list.

    Raises:
        ConfigError: It is something else.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{setting} is {names!r}: pass a list of names, each a str")
    return list(names)


def checked_seconds(timeout: float | timedelta) -> float:
    """Check a time-out and turn it into seconds.

    Raises:
        ConfigError: It is no duration.
    """
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if not _is_number(seconds) or math.isnan(seconds):
        raise ConfigError(f"timeout is {timeout!r}: pass seconds or a timedelta, below 0 for none")
    return float(seconds)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
