"""Time spans and sizes on the command line."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.cli._amounts import bytes_in, seconds_in


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("90min", 5400),
        ("90 min", 5400),
        ("5m", 300),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        ("1d12h", 129_600),
        ("1D 12H", 129_600),
        ("0.5h", 1800),
    ],
)
def test_a_span(text: str, seconds: float) -> None:
    """A number and a unit, or several of them."""
    assert seconds_in(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "5", "d", "5x", "-5d", "0d", "1e3s", "5d 3", "9" * 20 + "d", "٣d", "nan s"]
)
def test_no_span(text: str) -> None:
    """Anything else is refused, with what is accepted."""
    with pytest.raises(click.BadParameter, match="accepted are spans like 30d"):
        seconds_in(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1000", 1000),
        ("1000B", 1000),
        ("500kB", 500_000),
        ("1k", 1024),
        ("256MiB", 256 << 20),
        ("256 mib", 256 << 20),
        ("1.5G", 3 << 29),
        ("2TB", 2 * 10**12),
    ],
)
def test_a_size(text: str, count: int) -> None:
    """A number of bytes, with or without a unit."""
    assert bytes_in(text) == count


@pytest.mark.parametrize(
    "text", ["", "x", "MiB", "5 x", "-1", "1M1", "1e9", "99999999T", "1,000", "0x10", "1MiBs"]
)
def test_no_size(text: str) -> None:
    """Anything else is refused, with what is accepted."""
    with pytest.raises(click.BadParameter, match="accepted are sizes like 256MiB"):
        bytes_in(text)


@given(text=st.text(max_size=30) | st.from_regex(r"[0-9.]{0,20} ?[a-zA-Z]{0,3}", fullmatch=True))
def test_any_text(text: str) -> None:
    """Whatever is written is an amount or a clear refusal, and never below 0."""
    for read in (seconds_in, bytes_in):
        try:
            assert read(text) >= 0
        except click.BadParameter as refusal:
            assert "accepted are" in refusal.message  # noqa: PT017 - most texts are refused


@given(weeks=st.integers(0, 99), days=st.integers(0, 999), seconds=st.integers(1, 10**6))
def test_parts_add_up(weeks: int, days: int, seconds: int) -> None:
    """The parts of a span add up, however large each is."""
    total = weeks * 604_800 + days * 86_400 + seconds
    assert seconds_in(f"{weeks}w{days}d {seconds}s") == total
