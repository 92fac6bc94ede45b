"""What changed with the release: how often an error came in each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bcd.snapshot.attributes import RELEASE
from bcd.store.base import Filter
from bcd.viewer.rows import time_of
from bcd.viewer.sparkline import sparkline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from bcd.store.base import Group, GroupPage, Index
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


def releases(
    index: Index, group: Group, page: GroupPage, counts: Mapping[str, int], query: Query
) -> list[Release]:
    """Say how often an error came in each release.

    Args:
        index: To ask.
        group: The error.
        page: That the group is of; all releases are drawn over its time.
        counts: Release → in how many snapshots.
        query: The page's.

    Returns:
        Those seen last come first.
    """
    names = sorted(counts, key=lambda name: (-counts[name], name))[:_SHOWN]
    found = {name: _group_in(index, group, page, name, query) for name in names}
    most = max((each.count + each.suppressed for each in found.values() if each), default=1)
    first = _first(index, group)
    path = f"/groups/{group.fingerprint}"
    made = [
        (
            each.last_seen,
            Release(
                name=name,
                errors=each.count + each.suppressed,
                percent=round(100 * (each.count + each.suppressed) / most, 1),
                spark=sparkline(each.activity, page.start, page.end),
                last=time_of(each.last_seen, query.now),
                first=name == first,
                href=query.with_attribute(path, RELEASE, name),
            ),
        )
        for name, each in found.items()
        if each is not None
    ]
    return [release for _, release in sorted(made, key=lambda pair: pair[0], reverse=True)]


def _group_in(index: Index, group: Group, page: GroupPage, name: str, query: Query) -> Group | None:
    wanted = replace(
        query.wanted,
        fingerprint=group.fingerprint,
        release=name,
        since=page.start,
        until=page.end,
    )
    found = index.groups(wanted, limit=1, spans=len(group.activity)).groups
    return found[0] if found else None  # it may just have been removed


def _first(index: Index, group: Group) -> str | None:
    """The release of the oldest snapshot that there is."""
    wanted = Filter(fingerprint=group.fingerprint, until=group.first_seen + _INSTANT)
    oldest = index.snapshots(wanted, limit=1).entries
    return oldest[0].head.attributes.get(RELEASE) if oldest else None
