"""The environment variables of bcd, ``BCD_<NAME>``, and what a text in one of them means."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, TypeVar

from bcd.errors import ConfigError
from bcd.notice import notice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "PREFIX",
    "UnusableError",
    "Variables",
    "duration",
    "names",
    "pairs",
    "switch",
    "variable",
]

PREFIX = "BCD_"

T = TypeVar("T")

_SWITCHES = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


class UnusableError(ValueError):
    """A value that cannot be used; its text is the part of the message that says what can."""


class Variables:
    """The variables of bcd in an environment; one that is empty counts as not set.

    Args:
        environ: The environment; None takes that of the process.
        strict: Whether one that cannot be used is a ``ConfigError``. Otherwise it is told in a
            line on stderr, and what holds by default is taken.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, *, strict: bool) -> None:
        self._environ = os.environ if environ is None else environ
        self._strict = strict

    def get(self, name: str, read: Callable[[str], T], default: T) -> T:
        """Read one.

        Args:
            name: Of the setting, in lower case.
            read: Makes the value of the text.
            default: For a variable that is not set, or cannot be used.

        Raises:
            ConfigError: It cannot be used, and this reading is strict.
        """
        called = variable(name)
        text = self._environ.get(called, "").strip()
        if not text:
            return default
        try:
            return read(text)
        except UnusableError as problem:
            message = f"{called} is {text!r}; {problem}"
        if self._strict:
            raise ConfigError(message)
        notice(f"{message}; it is not used")
        return default


def variable(name: str) -> str:
    """What the variable of a setting is called; that of the folder has a shorter name."""
    return "BCD_DIR" if name == "folder" else PREFIX + name.upper()


def switch(text: str) -> bool:
    """``1``, ``true``, ``yes``, ``on``, or their opposites, in any case."""
    try:
        return _SWITCHES[text.lower()]
    except KeyError:
        raise UnusableError(f"accepted are {', '.join(_SWITCHES)}") from None


def duration(text: str) -> float:
    """Seconds as a number, negative and infinite ones too."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise UnusableError("accepted are seconds (a number)")
    return number


def names(text: str) -> list[str]:
    """Names separated by commas."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def pairs(text: str) -> dict[str, str]:
    """``name=value`` separated by commas; a value may hold ``=`` and be empty."""
    found = {}
    for part in names(text):
        name, equals, value = part.partition("=")
        if not (equals and name.strip()):
            raise UnusableError("accepted are pairs like name=value, separated by commas")
        found[name.strip()] = value.strip()
    return found
