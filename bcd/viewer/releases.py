"""What changed with the release: how often an error came in each of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bcd.snapshot.attributes import RELEASE
from bcd.store.base import Filter
from bcd.viewer.rows import time_of
from bcd.viewer.sparkline import sparkline

if TYPE_CHECKING:
    from markupsafe import Markup

    from bcd.store.base import Group, GroupPage, Index, InRelease
    from bcd.viewer.query import Query
    from bcd.viewer.rows import Time

__all__ = ["Release", "releases"]

_SHOWN = 5
_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release in which an error came.

    Attributes:
        name: Its own.
        errors: How many, those that were only counted among them.
        percent: Of the release that has the most, 0 to 100.
        spark: When, in the time of the page.
        last: When last seen in it.
        first: Whether the error was seen in it first of all.
        href: The snapshots of that release; None where no URL can say it.
    """

    name: str
    errors: int
    percent: float
    spark: Markup
    last: Time
    first: bool
    href: str | None


def releases(index: Index, group: Group, page: GroupPage, query: Query) -> list[Release]:
    """Say how often an error came in each release.

    Args:
        index: To ask.
        group: The error.
        page: That the group is of; all releases are drawn over its time.
        query: The page's.

    Returns:
        Those seen last come first.
    """
    found = index.releases(
        group.fingerprint,
        query.wanted,
        start=page.start,
        end=page.end,
        spans=len(group.activity),
        limit=_SHOWN,
    )
    most = max((_errors(each) for each in found), default=1)
    first = _first(index, group) if found else None
    path = f"/groups/{group.fingerprint}"
    return [
        Release(
            name=each.name,
            errors=_errors(each),
            percent=round(100 * _errors(each) / most, 1),
            spark=sparkline(each.activity, page.start, page.end),
            last=time_of(each.last_seen, query.now),
            first=each.name == first,
            href=query.with_attribute(path, RELEASE, each.name),
        )
        for each in sorted(found, key=lambda each: each.last_seen, reverse=True)
    ]


def _errors(each: InRelease) -> int:
    return each.count + each.suppressed


def _first(index: Index, group: Group) -> str | None:
    """The release of the oldest snapshot that there is."""
    wanted = Filter(fingerprint=group.fingerprint, until=group.first_seen + _INSTANT)
    oldest = index.snapshots(wanted, limit=1).entries
    return oldest[0].head.attributes.get(RELEASE) if oldest else None
