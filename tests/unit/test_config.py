"""The one configuration of the process (rules 20 to 23 of the engine's design)."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bcd.config import GlobalConfig, current_config, seconds, update_config
from bcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restored_config() -> Iterator[None]:
    before = current_config()
    yield
    update_config(before)


def test_defaults_are_those_of_go() -> None:
    """Kill failures are raised, signals not resent, and the rate limit is 3 s (rule 20)."""
    config = GlobalConfig()

    assert config.raise_on_kill_failure is True
    assert config.resend_signal is False
    assert config.rate_limit_seconds == 3.0


def test_update_replaces_every_field() -> None:
    """A second update does not keep what the first one set (rule 23)."""
    update_config(GlobalConfig(raise_on_kill_failure=False, resend_signal=True, rate_limit=9))
    update_config(GlobalConfig(rate_limit=1))

    assert current_config() == GlobalConfig(rate_limit=1)


def test_later_edits_have_no_effect() -> None:
    """Even a frozen value that is edited by force leaves the configuration as it was (rule 23)."""
    config = GlobalConfig(rate_limit=1)
    update_config(config)
    object.__setattr__(config, "rate_limit", 100)

    assert current_config().rate_limit == 1


@pytest.mark.parametrize("wrong", [None, {}, 3.0, GlobalConfig, "config"])
def test_another_type_is_refused_and_changes_nothing(wrong: object) -> None:
    """None or a wrong type is a ConfigError, and the old settings hold (rule 23)."""
    update_config(GlobalConfig(rate_limit=7))

    with pytest.raises(ConfigError, match="accepted is a GlobalConfig"):
        update_config(wrong)  # type: ignore[arg-type]  # that is the point

    assert current_config() == GlobalConfig(rate_limit=7)


def test_a_config_spoilt_by_force_changes_nothing() -> None:
    """A value that is wrong inside is found by update_config too (rule 23)."""
    update_config(GlobalConfig(rate_limit=7))
    config = GlobalConfig()
    object.__setattr__(config, "rate_limit", "soon")

    with pytest.raises(ConfigError, match="rate_limit"):
        update_config(config)

    assert current_config() == GlobalConfig(rate_limit=7)


@pytest.mark.parametrize("setting", ["raise_on_kill_failure", "resend_signal"])
@pytest.mark.parametrize("wrong", [None, 1, "yes"])
def test_switches_take_only_true_and_false(setting: str, wrong: object) -> None:
    """The message names the setting, the value and what is accepted."""
    with pytest.raises(ConfigError, match=f"{setting} is {wrong!r}; accepted are True and False"):
        GlobalConfig(**{setting: wrong})  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("wrong", [None, "3", True, math.nan, object(), 1j])
def test_rate_limit_takes_only_durations(wrong: object) -> None:
    """The message names the setting and what is accepted."""
    with pytest.raises(ConfigError, match=r"rate_limit is .*seconds \(a number\) and a timedelta"):
        GlobalConfig(rate_limit=wrong)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, 0.0),
        (0.5, 0.5),
        (-1, 0.0),
        (-math.inf, 0.0),
        (math.inf, math.inf),
        (10**320, math.inf),
        (-(10**320), 0.0),
        (timedelta(milliseconds=250), 0.25),
        (timedelta(seconds=-1), 0.0),
    ],
)
def test_rate_limit_in_seconds(given: float | timedelta, expected: float) -> None:
    """Numbers and timedeltas are accepted, and negative ones count as 0 (rule 20)."""
    assert GlobalConfig(rate_limit=given).rate_limit_seconds == expected


def test_a_config_is_frozen_and_keyword_only() -> None:
    """It can neither be edited nor built by position."""
    with pytest.raises(FrozenInstanceError):
        GlobalConfig().rate_limit = 1  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        GlobalConfig(True)  # type: ignore[call-arg]  # noqa: FBT003 - that is the point


def test_durations_keep_their_sign() -> None:
    """A negative duration is a value of its own: no time-out (rule 14)."""
    assert seconds("timeout", timedelta(seconds=-2)) == -2.0
    assert seconds("timeout", -(10**320)) == -math.inf
