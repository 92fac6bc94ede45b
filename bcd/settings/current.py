"""The settings that hold now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bcd.notice import notice
from bcd.settings.reading import misspelled, read
from bcd.variables import Variables

if TYPE_CHECKING:
    from bcd.settings.model import Settings

__all__ = ["current_settings", "replace_settings"]

# One key, read and replaced by one call of C, so there is no lock that a fork could leave locked.
_current: dict[str, Settings] = {}


def current_settings() -> Settings:
    """Return the settings that hold now; until ``init`` was called, those of the environment.

    What cannot be used in the environment is told once on stderr.
    """
    try:
        return _current["settings"]
    except KeyError:
        return _current.setdefault("settings", _of_environment())


def replace_settings(settings: Settings) -> None:
    """Let other settings hold."""
    _current["settings"] = settings


def _of_environment() -> Settings:
    for line in misspelled(os.environ):
        notice(line)
    return read({}, Variables(strict=False))
