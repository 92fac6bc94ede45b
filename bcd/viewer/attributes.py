"""What the attributes of a group's snapshots have in common, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcd.snapshot.attributes import RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bcd.viewer.query import Query

__all__ = ["Attribute", "Share", "Traits", "traits"]

_SHARES = 5
_MANY = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One value of an attribute.

    Attributes:
        value: Itself.
        count: In how many snapshots.
        percent: Of all, 0 to 100.
        href: The snapshots that have it; None where no URL can say it.
    """

    value: str
    count: int
    percent: float
    href: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute.

    Attributes:
        key: Its name.
        shares: Its values, the most frequent first.
        more: How many values there are beside them, at least.
        without: How many snapshots lack it; None if that cannot be told.
    """

    key: str
    shares: tuple[Share, ...]
    more: int
    without: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What the attributes of many snapshots tell.

    Attributes:
        total: How many snapshots.
        same: Attributes that have one value in all of them.
        spread: Those that have several; first those of which one value prevails.
        single: Names of those whose value is another one in each.
    """

    total: int
    same: tuple[Attribute, ...]
    spread: tuple[Attribute, ...]
    single: tuple[str, ...]


def traits(common: Mapping[str, Mapping[str, int]], total: int, query: Query, path: str) -> Traits:
    """Sort attributes by what they tell.

    Args:
        common: Key → value → in how many snapshots.
        total: How many snapshots there are.
        query: The page's, which each value leads to a narrower one of.
        path: Of the page.
    """
    shown = {key: values for key, values in common.items() if not _is_said_elsewhere(key)}
    made = [_attribute(key, values, total, query, path) for key, values in shown.items()]
    single = [each for each in made if _is_single(shown[each.key], total)]
    rest = [each for each in made if each not in single]
    same = [each for each in rest if each.shares[0].count == total]
    spread = [each for each in rest if each not in same]
    return Traits(
        total=total,
        same=_by_name(same),
        spread=tuple(sorted(spread, key=lambda each: (-each.shares[0].count, each.key))),
        single=tuple(each.key for each in _by_name(single)),
    )


def _attribute(
    key: str, values: Mapping[str, int], total: int, query: Query, path: str
) -> Attribute:
    first = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))[:_SHARES]
    shares = tuple(
        Share(
            value=value,
            count=count,
            percent=round(100 * count / total, 1),
            href=query.with_attribute(path, key, value),
        )
        for value, count in first
    )
    without = total - sum(values.values()) if len(values) < _MANY else None
    return Attribute(key=key, shares=shares, more=len(values) - len(first), without=without)


def _is_said_elsewhere(key: str) -> bool:
    return key in ("error", RELEASE) or key.startswith("bcd.suppressed")


def _is_single(values: Mapping[str, int], total: int) -> bool:
    """Whether each value is there once; of two snapshots that says nothing."""
    return total > 2 and len(values) > 2 and max(values.values()) == 1  # noqa: PLR2004


def _by_name(several: Iterable[Attribute]) -> tuple[Attribute, ...]:
    return tuple(sorted(several, key=lambda each: each.key))
