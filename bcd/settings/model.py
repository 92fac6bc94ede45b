"""The settings as values: what ``init`` takes, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypedDict

if TYPE_CHECKING:
    import os
    from datetime import timedelta

    from bcd.config import GlobalConfig
    from bcd.tracer import Tracer

__all__ = [
    "DEFAULT_HOOKS",
    "HOOKS",
    "INTEGRATIONS",
    "TRACERS",
    "Arguments",
    "BeforeTrace",
    "Ignore",
    "Settings",
]

DEFAULT_HOOKS = ("excepthook", "threading", "multiprocessing", "asyncio")
HOOKS = (*DEFAULT_HOOKS, "unraisable", "logging", "signals")
"""The hooks of the process that ``init`` can install."""

INTEGRATIONS = ("celery", "django", "flask", "gunicorn", "starlette", "uvicorn")
"""The integrations that ``init`` can switch on."""

TRACERS = ("python", "backtrace", "pyspy", "pystack", "gcore")
"""The tracers that have a name."""

BeforeTrace: TypeAlias = Callable[[BaseException, dict[str, str]], Mapping[str, object] | None]
"""Gets the error and its attributes, returns them edited, or None to have no trace."""

Ignore: TypeAlias = "Iterable[type[BaseException] | str]"
"""Exception classes, or their names as ``"module.Qualname"``; subclasses are meant too."""


class Arguments(TypedDict, total=False):
    """What ``init`` takes; None leaves a setting to its variable. See :func:`bcd.init`."""

    tracer: Tracer | str | None
    config: GlobalConfig | None
    hooks: Iterable[str] | None
    integrations: Iterable[str] | None
    release: str | None
    environment: str | None
    service: str | None
    attributes: Mapping[str, str | float] | None
    ignore: Ignore | None
    before_trace: BeforeTrace | None
    redact: Iterable[str] | None
    reveal: Iterable[str] | None
    limits: Mapping[str, int] | None
    folder: str | os.PathLike[str] | None
    timeout: float | timedelta | None
    python: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for the whole process, besides :class:`bcd.GlobalConfig`.

    The fields are those of :class:`Arguments` after they were checked and copied; what is None
    or empty was not said.
    """

    tracer: Tracer | str | None = None
    hooks: tuple[str, ...] = DEFAULT_HOOKS
    integrations: tuple[str, ...] = INTEGRATIONS
    release: str | None = None
    environment: str | None = None
    service: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[type[BaseException] | str, ...] = ()
    before_trace: BeforeTrace | None = None
    redact: tuple[str, ...] = ()
    reveal: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    folder: str | None = None
    timeout: float | None = None
    python: str | None = None

    def trace_attributes(self) -> dict[str, str]:
        """The attributes of every trace, by their OpenTelemetry names.

        Source: https://opentelemetry.io/docs/specs/semconv/resource/
        """
        named = {
            "service.name": self.service,
            "service.version": self.release,
            "deployment.environment.name": self.environment,
        }
        said = {name: value for name, value in named.items() if value is not None}
        return {**said, **self.attributes}
