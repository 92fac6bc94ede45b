"""The one configuration of the process: a frozen value that is replaced whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from bcd.errors import ConfigError
from bcd.variables import Variables, duration, switch

__all__ = ["GlobalConfig", "config_from", "current_config", "seconds", "update_config"]


def seconds(setting: str, value: object) -> float:
    """Read a duration.

    Args:
        setting: The name to use in the error's message.
        value: Seconds as a number, negative and infinite ones too, or a ``timedelta``.

    Returns:
        The duration in seconds.

    Raises:
        ConfigError: The value is neither, or not a number at all (NaN).
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        try:
            duration = float(number)
        except OverflowError:  # an int beyond the floats
            duration = math.inf if number > 0 else -math.inf
        if not math.isnan(duration):
            return duration
    raise ConfigError(f"{setting} is {value!r}; accepted are seconds (a number) and a timedelta")


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalConfig:
    """What holds for all tracers of the process.

    Attributes:
        raise_on_kill_failure: Raise :class:`bcd.errors.KillError` in the caller of ``trace``
            when a tracer that ran too long cannot be killed; otherwise the time-out's error is
            returned (rule 22).
        resend_signal: After a signal was traced, let it take its default action (rule 29).
        rate_limit: Seconds from the end of one tracer to the start of the next, or a
            ``timedelta``; a negative value counts as 0 (rule 20).
    """

    raise_on_kill_failure: bool = True
    resend_signal: bool = False
    rate_limit: float | timedelta = 3.0

    def __post_init__(self) -> None:
        """Check each value.

        Raises:
            ConfigError: A value of a wrong type; the message names it and what is accepted.
        """
        for setting in ("raise_on_kill_failure", "resend_signal"):
            value = getattr(self, setting)
            if not isinstance(value, bool):
                raise ConfigError(f"{setting} is {value!r}; accepted are True and False")
        seconds("rate_limit", self.rate_limit)

    @property
    def rate_limit_seconds(self) -> float:
        """The rate limit in seconds, 0 or more."""
        return max(0.0, seconds("rate_limit", self.rate_limit))


# One key, read and replaced by one call of C, so there is no lock that a fork could leave locked.
_current: dict[str, GlobalConfig] = {}


def config_from(variables: Variables) -> GlobalConfig:
    """Read ``BCD_RATE_LIMIT``, ``BCD_RESEND_SIGNAL`` and ``BCD_RAISE_ON_KILL_FAILURE``.

    Raises:
        ConfigError: One of them cannot be used, and the reading is strict.
    """
    default = GlobalConfig()
    return GlobalConfig(
        raise_on_kill_failure=variables.get(
            "raise_on_kill_failure", switch, default.raise_on_kill_failure
        ),
        resend_signal=variables.get("resend_signal", switch, default.resend_signal),
        rate_limit=variables.get("rate_limit", duration, default.rate_limit),
    )


def current_config() -> GlobalConfig:
    """Return the configuration that holds now.

    Until :func:`update_config` was called it is that of the environment.
    """
    try:
        return _current["config"]
    except KeyError:
        return _current.setdefault("config", config_from(Variables(strict=False)))


def update_config(config: GlobalConfig) -> None:
    """Replace every setting of the process by those of ``config`` (rule 23).

    A trace that already waits keeps the rate limit that it was called with.

    Args:
        config: The new settings; what is done to the object later has no effect.

    Raises:
        ConfigError: ``config`` is no :class:`GlobalConfig`; nothing was changed.
    """
    if not isinstance(config, GlobalConfig):
        raise ConfigError(f"update_config was given {config!r}; accepted is a GlobalConfig")
    _current["config"] = GlobalConfig(
        raise_on_kill_failure=config.raise_on_kill_failure,
        resend_signal=config.resend_signal,
        rate_limit=config.rate_limit,
    )
