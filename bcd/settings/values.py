"""Which values a setting accepts: each function checks one and makes a copy that stays.

What they refuse they say as :class:`bcd.variables.UnusableError`, whose text says what is accepted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from bcd.config import GlobalConfig, seconds
from bcd.errors import ConfigError
from bcd.settings.model import HOOKS, INTEGRATIONS, TRACERS
from bcd.snapshot.limits import problem_with
from bcd.variables import UnusableError

if TYPE_CHECKING:
    from bcd.settings.model import BeforeTrace
    from bcd.tracer import Tracer

__all__ = [
    "a_config",
    "attributes",
    "before_trace",
    "hooks",
    "ignored",
    "integrations",
    "limits",
    "path",
    "several_names",
    "text",
    "timeout",
    "tracer",
    "whole_numbers",
]

_DIGITS = re.compile("[0-9]{1,18}")
_TRACER_METHODS = (
    "add_options",
    "add_kv",
    "add_thread_filter",
    "add_faulted_thread",
    "add_classifier",
    "options",
    "clear_options",
    "default_trace_options",
    "finalize",
    "logf",
    "set_log_level",
)


def tracer(value: object) -> Tracer | str:
    """A tracer, the name of one, or the path of a program like Backtrace's."""
    if isinstance(value, str):
        if value in TRACERS or os.path.isabs(value):  # noqa: PTH117 - pathlib takes 10 ms to load
            return value
        raise UnusableError(
            f"accepted are {', '.join(TRACERS)}, the absolute path of a program that takes the "
            "options of Backtrace's ptrace, and a Tracer"
        )
    for method in _TRACER_METHODS:
        if isinstance(value, type) or not callable(getattr(value, method, None)):
            raise UnusableError(
                f"accepted are an object that has all methods of bcd.Tracer, {', '.join(TRACERS)}"
            )
    return cast("Tracer", value)


def a_config(value: object) -> GlobalConfig:
    """The whole configuration."""
    if not isinstance(value, GlobalConfig):
        raise UnusableError("accepted is a GlobalConfig")
    return value


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise UnusableError("accepted is a text that is not empty")
    return value


def path(value: object) -> str:
    """A path as text or ``os.PathLike``."""
    if not isinstance(value, (str, os.PathLike)):
        raise UnusableError("accepted is a path")
    return text(os.fsdecode(value))


def several_names(value: object) -> tuple[str, ...]:
    """Names; one alone has to be in a list too."""
    entries = _entries(value, "accepted is a list of names")
    if not all(isinstance(entry, str) and entry for entry in entries):
        raise UnusableError("accepted is a list of names, each a text that is not empty")
    return cast("tuple[str, ...]", entries)


def hooks(value: object) -> tuple[str, ...]:
    """Names of hooks; ``none`` alone is the empty list, for a variable cannot be empty."""
    accepted = f"accepted is a list of {', '.join(HOOKS)}"
    entries = _entries(value, accepted)
    if entries == ("none",):
        return ()
    for entry in entries:
        if entry not in HOOKS:
            raise UnusableError(f"{accepted}, or an empty one")
    return tuple(hook for hook in HOOKS if hook in entries)


def integrations(value: object) -> tuple[str, ...]:
    """Names of integrations; with a minus those to leave out, and ``none`` alone is the empty list.

    FastAPI is Starlette.
    """
    accepted = f"accepted is a list of {', '.join(INTEGRATIONS)}, or of these with a minus"
    entries = _entries(value, accepted)
    if entries == ("none",):
        return ()
    named = [str(entry).removeprefix("-").replace("fastapi", "starlette") for entry in entries]
    if not all(isinstance(entry, str) for entry in entries) or not {*INTEGRATIONS}.issuperset(
        named
    ):
        raise UnusableError(f"{accepted}, or an empty one")
    minus = [str(entry).startswith("-") for entry in entries]
    if any(minus) and not all(minus):
        raise UnusableError(f"{accepted}, not of both")
    return tuple(name for name in INTEGRATIONS if (name in named) != any(minus))


def ignored(value: object) -> tuple[type[BaseException] | str, ...]:
    """Exception classes, and names of some; one alone is accepted."""
    accepted = "accepted are exception classes, and names like 'shop.OutOfStock'"
    entries = (value,) if isinstance(value, (str, type)) else _entries(value, accepted)
    for entry in entries:
        if isinstance(entry, type) and issubclass(entry, BaseException):
            continue
        if not isinstance(entry, str):
            raise UnusableError(f"{accepted}, which {_shown(entry)} is not")
    return cast("tuple[type[BaseException] | str, ...]", entries)


def before_trace(value: object) -> BeforeTrace:
    """A function."""
    if not callable(value):
        raise UnusableError("accepted is a function of an error and its attributes")
    return cast("BeforeTrace", value)


def attributes(value: object) -> dict[str, str]:
    """Attributes; numbers become text."""
    accepted = "accepted is a mapping of names to texts and numbers"
    found = {}
    for name, said in _items(value, accepted):
        if not isinstance(name, str) or not name or ":" in name:
            raise UnusableError(f"{accepted}, the names not empty and without a colon")
        if not isinstance(said, (str, int, float)):
            raise UnusableError(f"{accepted}, which {_shown(said)} is not")
        found[name] = str(said)
    return found


def limits(value: object) -> dict[str, int]:
    """Limits by their names."""
    found = dict(_items(value, "accepted is a mapping of limits to whole numbers"))
    problem = problem_with(cast("dict[str, object]", found))
    if problem is not None:
        raise UnusableError(problem)
    return cast("dict[str, int]", found)


def whole_numbers(pairs: Mapping[str, str]) -> dict[str, int | str]:
    """The values of a variable as numbers, where they are some; for :func:`limits`."""
    return {
        name: int(value) if _DIGITS.fullmatch(value) else value for name, value in pairs.items()
    }


def timeout(value: object) -> float:
    """Seconds or a ``timedelta``; below 0 means none (rule 14)."""
    try:
        return seconds("timeout", value)
    except ConfigError:
        raise UnusableError("accepted are seconds (a number) and a timedelta") from None


def _entries(value: object, accepted: str) -> tuple[object, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise UnusableError(accepted)
    return tuple(value)


def _items(value: object, accepted: str) -> list[tuple[object, object]]:
    if not isinstance(value, Mapping):
        raise UnusableError(accepted)
    return list(value.items())


def _shown(value: object) -> str:
    from reprlib import repr as bounded  # only for a message

    return bounded(value)
