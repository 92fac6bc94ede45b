"""From arguments and variables to :class:`Settings`: which there are, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bcd.errors import ConfigError
from bcd.settings import values
from bcd.settings.function import NamedFunction
from bcd.settings.model import Settings
from bcd.variables import PREFIX, UnusableError, duration, names, pairs, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bcd.variables import Variables

__all__ = ["checked", "misspelled", "read", "variables"]


class _Setting(NamedTuple):
    check: Callable[[object], object]
    meaning: Callable[[str], object] | None = str
    """What a text in its variable means, before the check; None where it has no variable."""


_SETTINGS = {
    "tracer": _Setting(values.tracer),
    "hooks": _Setting(values.hooks, names),
    "integrations": _Setting(values.integrations, names),
    "release": _Setting(values.text),
    "environment": _Setting(values.text),
    "service": _Setting(values.text),
    "attributes": _Setting(values.attributes, pairs),
    "ignore": _Setting(values.ignored, names),
    "before_trace": _Setting(values.before_trace, NamedFunction),
    "redact": _Setting(values.several_names, names),
    "reveal": _Setting(values.several_names, names),
    "limits": _Setting(values.limits, lambda text: values.whole_numbers(pairs(text))),
    "folder": _Setting(values.path, None),  # BCD_DIR is read by bcd.folder, for the commands too
    "timeout": _Setting(values.timeout, duration),
    "python": _Setting(values.path),
}
_ELSEWHERE = ("folder", "rate_limit", "resend_signal", "raise_on_kill_failure")
_OF_ANY_TOOL = ("redact", "reveal", "folder", "timeout", "python")
_OF_A_MADE_TRACER = (*_OF_ANY_TOOL, "limits")
_TAKEN_BY = {
    "python": _OF_A_MADE_TRACER,
    "backtrace": ("timeout",),
    "pyspy": _OF_ANY_TOOL,
    "pystack": _OF_ANY_TOOL,
    "gcore": _OF_ANY_TOOL,
}
_ALIKE = 0.75  # of 1, by difflib's measure: RATELIMIT for RATE_LIMIT, but not HOME for HOOKS


def read(arguments: Mapping[str, object], environment: Variables) -> Settings:
    """Make the settings.

    Args:
        arguments: Those that ``init`` was given; one that is None was not.
        environment: Holds for what was not given.

    Raises:
        ConfigError: Something cannot be used; it is named, with what is accepted.
    """
    known = ("config", *_SETTINGS)
    for name in arguments:
        if name not in known:
            raise ConfigError(f"there is no setting {name!r}; {_instead(name, known)}")
    given = {name: value for name, value in arguments.items() if value is not None}
    found: dict[str, Any] = {}
    for name, setting in _SETTINGS.items():
        if name in given:
            found[name] = checked(name, given[name], setting.check)
        elif setting.meaning is not None:
            found[name] = environment.get(name, _reader(setting), None)
    _refuse_what_is_not_taken(found["tracer"] if "tracer" in given else None, given)
    return Settings(**{name: value for name, value in found.items() if value is not None})


def checked(name: str, value: object, check: Callable[[object], Any]) -> Any:
    """Check one argument.

    Raises:
        ConfigError: It cannot be used.
    """
    try:
        return check(value)
    except UnusableError as problem:
        from reprlib import repr as bounded  # only for a message

        raise ConfigError(f"{name} is {bounded(value)}; {problem}") from None


def variables() -> list[str]:
    """The names of all variables of bcd."""
    here = [name for name, setting in _SETTINGS.items() if setting.meaning is not None]
    return [variable(name) for name in (*here, *_ELSEWHERE)]


def misspelled(environ: Mapping[str, str]) -> list[str]:
    """Say of each variable that is nearly one of bcd what it should be called.

    Others that merely start with ``BCD_`` are somebody else's business.
    """
    known = [right.removeprefix(PREFIX) for right in variables()]
    lines: list[str] = []
    for wrong in environ:
        name = wrong.removeprefix(PREFIX)
        if name == wrong or name in known:
            continue
        near = ["DIR"] if name == "FOLDER" else _nearest(name, known)
        lines.extend(f"{wrong} is no variable of bcd, but {PREFIX}{right} is" for right in near)
    return lines


def _reader(setting: _Setting) -> Callable[[str], object]:
    meaning = setting.meaning
    assert meaning is not None  # noqa: S101 - told to mypy
    return lambda text: setting.check(meaning(text))


def _refuse_what_is_not_taken(tracer: object, given: Mapping[str, object]) -> None:
    """Refuse arguments that the tracer, an argument too, would never get."""
    if tracer is None:
        return
    if isinstance(tracer, str):
        called = f"the tracer {tracer!r}"
        taken = _TAKEN_BY.get(tracer, _TAKEN_BY["backtrace"])
        remedy = "leave it out"
    else:
        called, taken = "a tracer that exists already", ()
        remedy = "pass it to the tracer's constructor"
    for name in _OF_A_MADE_TRACER:
        if name in given and name not in taken:
            raise ConfigError(
                f"{name} was given together with {called}, for which it means nothing; {remedy}"
            )


def _instead(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = _nearest(name, known)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    try:
        from difflib import get_close_matches  # only for a message; it takes milliseconds to import
    except ImportError:  # the interpreter ends
        return []
    return get_close_matches(name, known, n=1, cutoff=_ALIKE)
