"""Texts of ``BCD_…`` variables: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.config import GlobalConfig, config_from, current_config, update_config
from bcd.errors import ConfigError
from bcd.variables import UnusableError, Variables, duration, names, pairs, switch

NAME = st.text(st.characters(exclude_characters=",="), min_size=1).map(str.strip)


@pytest.mark.parametrize("text", ["1", "true", "YES", "On"])
def test_switch_on(text: str) -> None:
    """The usual words, in any case."""
    assert switch(text) is True


@pytest.mark.parametrize("text", ["0", "False", "no", "OFF"])
def test_switch_off(text: str) -> None:
    """The usual words, in any case."""
    assert switch(text) is False


@given(st.floats(allow_nan=False))
def test_durations_are_numbers(seconds: float) -> None:
    """Negative and infinite ones too."""
    assert duration(repr(seconds)) == seconds


@pytest.mark.parametrize("text", ["nan", "NaN", "3 s", "1,5", "three", "0x10"])
def test_other_texts_are_no_durations(text: str) -> None:
    """Units, words and what is not a number are refused."""
    with pytest.raises(UnusableError, match="seconds"):
        duration(text)


@given(st.lists(NAME.filter(bool)))
def test_names_come_back(several: list[str]) -> None:
    """Blanks around them and empty ones do not count."""
    assert names(" , ".join(several) + ", ,") == several


@given(st.dictionaries(NAME.filter(bool), NAME))
def test_pairs_come_back(several: dict[str, str]) -> None:
    """A value may be empty."""
    assert pairs(",".join(f"{name} = {value}" for name, value in several.items())) == several


def test_a_value_may_hold_an_equals_sign() -> None:
    """Only the first one divides."""
    assert pairs("query=a=b") == {"query": "a=b"}


@pytest.mark.parametrize("text", ["a", "=b", "a=1,b"])
def test_other_texts_are_no_pairs(text: str) -> None:
    """A name without a value, or a value without a name."""
    with pytest.raises(UnusableError, match="name=value"):
        pairs(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes a reader fail in another way."""
    for reader in (switch, duration, names, pairs):
        try:
            reader(text)
        except UnusableError:
            continue


def test_an_empty_variable_is_not_set() -> None:
    """Blanks neither."""
    assert Variables({"BCD_RATE_LIMIT": " "}, strict=True).get("rate_limit", duration, 7.0) == 7.0


def test_strict_reading_names_the_variable() -> None:
    """The error has the variable, its text and what is accepted."""
    variables = Variables({"BCD_RATE_LIMIT": "often"}, strict=True)
    said = "BCD_RATE_LIMIT is 'often'; accepted are seconds (a number)"
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        variables.get("rate_limit", duration, 7.0)


def test_soft_reading_tells_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It takes the default and raises nothing; what the text does to a terminal is escaped."""
    variables = Variables({"BCD_RATE_LIMIT": "\x1b[2J\n"}, strict=False)
    assert variables.get("rate_limit", duration, 7.0) == 7.0
    assert re.fullmatch(
        r"\[bcd\] [\d/]+ [\d:]+ BCD_RATE_LIMIT is '\\x1b\[2J'; accepted .*; it is not used\n",
        capsys.readouterr().err,
    )


def test_each_field_of_the_configuration_has_a_variable() -> None:
    """All three of them hold."""
    environ = {
        "BCD_RATE_LIMIT": "0.5",
        "BCD_RESEND_SIGNAL": "on",
        "BCD_RAISE_ON_KILL_FAILURE": "off",
    }
    assert config_from(Variables(environ, strict=True)) == GlobalConfig(
        rate_limit=0.5, resend_signal=True, raise_on_kill_failure=False
    )


@pytest.mark.parametrize(("text", "seconds"), [("-1", 0.0), ("inf", math.inf), ("-inf", 0.0)])
def test_rate_limit_as_ruled(text: str, seconds: float) -> None:
    """A negative one counts as 0, an infinite one is never over (rule 20)."""
    variables = Variables({"BCD_RATE_LIMIT": text}, strict=True)
    assert config_from(variables).rate_limit_seconds == seconds


def test_the_environment_holds_until_the_program_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An operator's rate limit holds in a program that sets none; ``update_config`` wins."""
    monkeypatch.setattr("bcd.config._current", {})
    monkeypatch.setenv("BCD_RATE_LIMIT", "11")
    assert current_config().rate_limit == 11
    update_config(GlobalConfig())
    assert current_config().rate_limit == 3.0
