"""How often something happened over time, as a small drawing and in words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from bcd.viewer.times import clock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["in_words", "sparkline"]

_HIGH = 30
_STEP = 6
_BAR = 5
_LEAST = 2.0


def sparkline(activity: Sequence[int], start: datetime, end: datetime) -> Markup:
    """Draw a bar for each span of time, and say the same in words.

    Args:
        activity: How often in each span, oldest first.
        start: Begin of the first span.
        end: End of the last one.
    """
    tallest = max(activity, default=0)
    bars = "".join([_bar(at, many, tallest) for at, many in enumerate(activity) if many])
    words = in_words(activity, start, end)
    return Markup(
        '<svg class="spark" role="img" aria-label="{words}" viewBox="0 0 {wide} {high}"'
        ' preserveAspectRatio="none"><title>{words}</title>'
        '<path class="ground" d="M0 {ground}H{wide}"></path>{bars}</svg>'
    ).format(
        words=words,
        wide=max(len(activity), 1) * _STEP - 1,
        high=_HIGH,
        ground=_HIGH - 0.5,
        bars=Markup(bars),  # noqa: S704 - numbers alone
    )


def in_words(activity: Sequence[int], start: datetime, end: datetime) -> str:
    """Say how many there were, and when the most."""
    total, length = sum(activity), end - start
    between = f"between {clock(start, length)} and {clock(end, length)} UTC"
    if not total:
        return f"None {between}"
    step = length / len(activity) or timedelta(0)
    most = max(activity)
    at = start + step * activity.index(most)
    return f"{total:,} {between}, at most {most:,} from {clock(at, length)} on"


def _bar(at: int, many: int, tallest: int) -> str:
    high = max(round(many / tallest * (_HIGH - 1), 1), _LEAST)
    top = round(_HIGH - high, 1)
    return f'<rect x="{at * _STEP}" y="{top}" width="{_BAR}" height="{high}"></rect>'
