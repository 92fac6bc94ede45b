"""The questions of the pages to the store, each answered as a whole in one thread."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bcd.errors import SnapshotNotFound
from bcd.snapshot.attributes import RELEASE, SERVICE
from bcd.snapshot.format import is_id
from bcd.store.base import Filter, Found
from bcd.viewer.query import is_fingerprint
from bcd.viewer.releases import releases

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bcd.store.base import Group, GroupPage, Index, SnapshotPage
    from bcd.viewer.query import Query
    from bcd.viewer.releases import Release

__all__ = [
    "PAGE_SIZE",
    "Choices",
    "GroupAnswer",
    "GroupsAnswer",
    "MissingError",
    "ask_group",
    "ask_groups",
    "ask_health",
    "ask_snapshot",
]

PAGE_SIZE = 50

_CHOICES = {"service": SERVICE, "release": RELEASE, "route": "http.route"}
_CHOICES_LAST_S = 60.0
_NONE = Filter(fingerprint="-")  # no fingerprint begins so; the warnings are always all of them
_HOUR = timedelta(hours=1)
_WEEK = timedelta(days=7)


class MissingError(Exception):
    """There is no such group or snapshot."""


@dataclass(frozen=True, slots=True)
class GroupsAnswer:
    """What the page of groups shows.

    Attributes:
        page: The groups.
        choices: Name of a filter → values that it can have, the most frequent first.
        warnings: What cannot be read, one sentence each.
    """

    page: GroupPage
    choices: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """What a group's page shows.

    Attributes:
        group: Of the snapshots that fit the filter; of all of them, if ``fits`` is false.
        page: That has the spans of its activity.
        fits: Whether any snapshot of the group fits.
        snapshots: Some of those that do.
        common: What their attributes have in common.
        releases: How often it came in each release.
    """

    group: Group
    page: GroupPage
    fits: bool
    snapshots: SnapshotPage
    common: Mapping[str, Mapping[str, int]]
    releases: list[Release]


class Choices:
    """The values that filters can have, which are counted anew after a minute: that takes long.

    Args:
        index: To ask.
        clock: Seconds from anywhere.
    """

    def __init__(self, index: Index, clock: Callable[[], float] = time.monotonic) -> None:
        self._index, self._clock = index, clock
        self._known: Mapping[str, tuple[str, ...]] = {}
        self._until = clock()

    def get(self) -> Mapping[str, tuple[str, ...]]:
        """Name of a filter → values that it can have, the most frequent first."""
        if self._clock() >= self._until:
            self._known = {name: tuple(self._index.values(key)) for name, key in _CHOICES.items()}
            self._until = self._clock() + _CHOICES_LAST_S
        return self._known


def ask_groups(index: Index, choices: Choices, query: Query) -> GroupsAnswer:
    """Ask for a page of groups."""
    page = index.groups(
        query.wanted,
        state=query.state,
        limit=PAGE_SIZE,
        offset=(query.page - 1) * PAGE_SIZE,
        spans=_spans(query),
    )
    warnings = index.snapshots(_NONE, limit=1).warnings
    return GroupsAnswer(page, choices.get(), warnings)


def ask_group(index: Index, fingerprint: str, query: Query) -> GroupAnswer:
    """Ask for what is known of a group.

    Raises:
        MissingError: There is no such group.
    """
    if not is_fingerprint(fingerprint):
        raise MissingError("the name of a group is 16 digits of 0 to 9 and a to f")
    wanted = replace(query.wanted, fingerprint=fingerprint)
    page = index.groups(wanted, limit=1, spans=_spans(query))
    fits = bool(page.groups)
    if not fits:
        page = index.groups(Filter(fingerprint=fingerprint), limit=1)
    if not page.groups:
        raise MissingError(f"there is no group {fingerprint}, or no snapshot of it any more")
    group = page.groups[0]
    snapshots = index.snapshots(wanted, limit=PAGE_SIZE, before=query.before)
    common = index.common(fingerprint, wanted) if fits else {}
    found = releases(index, group, page, query) if fits else []
    return GroupAnswer(group, page, fits, snapshots, common, found)


def ask_snapshot(index: Index, snapshot_id: str) -> Found:
    """Ask for one snapshot.

    Raises:
        MissingError: There is none of that id.
        SnapshotCorrupt: It is damaged.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    if not is_id(snapshot_id):  # a store finds more than ids: the begin of one, a path
        raise MissingError("the id of a snapshot is 26 digits and capital letters")
    try:
        found = index.find(snapshot_id)
    except SnapshotNotFound:  # its message is for those who have the store before them
        raise MissingError(f"there is no snapshot {snapshot_id}, or not any more") from None
    if not isinstance(found, Found):
        raise MissingError(
            f"{snapshot_id} is a dump of {found.dump.tool.name}, which `bcd show` shows"
        )
    return found


def ask_health(index: Index) -> None:
    """See whether the store answers.

    Raises:
        BcdError: It does not.
    """
    try:
        index.check()
    except SnapshotNotFound:  # nor does a folder that comes to be with the first error
        index.groups(Filter(), limit=1)


def _spans(query: Query) -> int:
    """So many that each is a round length of time."""
    since, until = query.wanted.since, query.wanted.until or query.now
    if since is not None and until - since == _HOUR:
        return 30
    return 28 if since is not None and until - since == _WEEK else 24
