"""What every store of snapshots can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from bcd.snapshot.dump import Dump
    from bcd.snapshot.head import Head
    from bcd.snapshot.model import Snapshot

__all__ = [
    "STATES",
    "DumpEntry",
    "Entry",
    "Filter",
    "Found",
    "FoundDump",
    "Group",
    "GroupPage",
    "GroupState",
    "InRelease",
    "Index",
    "Known",
    "Listing",
    "SnapshotPage",
    "Store",
]

GroupState: TypeAlias = Literal["open", "resolved", "ignored"]

STATES: tuple[GroupState, ...] = ("open", "resolved", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One snapshot in a list.

    Attributes:
        head: What is known without reading all of it.
        location: Where it lies, as one would hand it to ``bcd show``.
        size: Bytes that it takes.
    """

    head: Head
    location: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpEntry:
    """One dump in a list.

    Attributes:
        head: What is known of it.
        location: Where the tool's output lies.
        size: Bytes that it takes.
    """

    head: Dump
    location: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a store holds.

    Attributes:
        entries: The snapshots, newest first.
        dumps: The dumps, newest first.
        warnings: What looks like a snapshot and cannot be read, one sentence each.
        hint: What to do, where there is nothing to list.
        left: How many older ones were not looked at.
    """

    entries: tuple[Entry, ...]
    dumps: tuple[DumpEntry, ...] = ()
    warnings: tuple[str, ...] = ()
    hint: str | None = None
    left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One snapshot, read.

    Attributes:
        snapshot: The model.
        document: The JSON it was made from, uncompressed, with the keys that bcd ignores.
        location: Where it lies.
        warnings: Newer ones that were passed over because they cannot be read.
    """

    snapshot: Snapshot
    document: bytes
    location: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDump:
    """One dump.

    Attributes:
        dump: What is known of it.
        document: The JSON of its head, with the keys that bcd ignores.
        location: Where the tool's output lies.
        warnings: Newer snapshots or dumps that were passed over because they cannot be read.
    """

    dump: Dump
    document: bytes
    location: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an index knows of the snapshots of a folder, so that nobody has to read them.

    Attributes:
        ids: Of those that were looked at.
        entries: Id → entry of those among them that are wanted.
    """

    ids: AbstractSet[str] = frozenset()
    entries: Mapping[str, Entry] = field(default_factory=dict)


class Store(Protocol):
    """A place where snapshots are kept, and dumps beside them."""

    def listing(self) -> Listing:
        """List the snapshots and the dumps, newest first.

        Raises:
            SnapshotError: The store itself cannot be read.
        """

    def find(self, reference: str) -> Found | FoundDump:
        """Read one snapshot or the head of one dump.

        Args:
            reference: ``"latest"``, an id, or the begin or end of an id that fits only one.

        Raises:
            SnapshotNotFound: None fits, or more than one.
            SnapshotCorrupt: It is damaged.
            SnapshotTooNew: It has a format newer than this bcd.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which snapshots are meant: those that fit all that is given.

    Attributes:
        since: Made at this time or later.
        until: Made before this time.
        type: Qualified name of the error, or its last part.
        text: Is in the error's type or message, in any case of letters.
        route: The attribute ``http.route``, or the task's name where there is none.
        service: The attribute ``service.name``.
        release: The attribute ``service.version``.
        fingerprint: Of the group, or its begin.
        classifier: One of the snapshot's.
        attributes: Key → value that the snapshot has to have; ``None`` for any value.
    """

    since: datetime | None = None
    until: datetime | None = None
    type: str | None = None
    text: str | None = None
    route: str | None = None
    service: str | None = None
    release: str | None = None
    fingerprint: str | None = None
    classifier: str | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The errors of one kind.

    Attributes:
        fingerprint: Its name, 16 hex digits.
        type: Of the newest error; empty where a snapshot has none.
        message: Likewise.
        route: Likewise; None where it has none.
        count: Snapshots that fit the filter.
        suppressed: Errors beside them that were only counted.
        first_seen: UTC, of the oldest snapshot that was ever stored.
        last_seen: UTC, of the newest one that fits.
        latest: Id of that one.
        state: What people have made of it.
        regressed: It was resolved, and came back.
        activity: Snapshots and counted errors in equal spans of time, oldest first; the spans
            are those of the page.
    """

    fingerprint: str
    type: str
    message: str
    route: str | None
    count: int
    suppressed: int
    first_seen: datetime
    last_seen: datetime
    latest: str
    state: GroupState
    regressed: bool
    activity: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPage:
    """Some groups of all that fit.

    Attributes:
        groups: Those seen last come first.
        total: How many fit.
        start: Begin of the first span of ``activity``, UTC.
        end: End of the last one.
    """

    groups: tuple[Group, ...]
    total: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InRelease:
    """The errors of one kind in one release.

    Attributes:
        name: Of the release.
        count: Snapshots that fit the filter.
        suppressed: Errors beside them that were only counted.
        last_seen: UTC, of the newest snapshot that fits.
        activity: Snapshots and counted errors in equal spans of time, oldest first.
    """

    name: str
    count: int
    suppressed: int
    last_seen: datetime
    activity: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPage:
    """Some snapshots of all that fit.

    Attributes:
        entries: Newest first.
        total: How many fit.
        next: What to give as ``before`` for those that follow; None at the end.
        warnings: What looks like a snapshot and cannot be read, one sentence each, whatever the
            filter; the first 100.
    """

    entries: tuple[Entry, ...]
    total: int
    next: str | None
    warnings: tuple[str, ...] = ()


class Index(Store, Protocol):
    """A store that finds and groups its snapshots quickly, however many there are."""

    def snapshots(
        self, wanted: Filter, *, limit: int = 50, before: str | None = None
    ) -> SnapshotPage:
        """List snapshots, newest first.

        Args:
            wanted: Which ones.
            limit: At most so many, 1 to 1,000.
            before: Only those older than the snapshot of this id.
        """

    def groups(
        self,
        wanted: Filter,
        *,
        state: GroupState | None = None,
        limit: int = 50,
        offset: int = 0,
        spans: int = 24,
    ) -> GroupPage:
        """List groups, those seen last first.

        Args:
            wanted: Which snapshots count.
            state: Only groups in this state; None for all.
            limit: At most so many, 1 to 1,000.
            offset: Leave out so many at the begin.
            spans: Into how many spans the time is divided.
        """

    def common(self, fingerprint: str, wanted: Filter) -> Mapping[str, Mapping[str, int]]:
        """Say what the attributes of a group's snapshots have in common.

        Returns:
            Key → value → in how many snapshots, the most frequent first; at most 20 values of
            a key.
        """

    def releases(  # noqa: PLR0913 - what is counted, over which time
        self,
        fingerprint: str,
        wanted: Filter,
        *,
        start: datetime,
        end: datetime,
        spans: int = 24,
        limit: int = 50,
    ) -> Sequence[InRelease]:
        """Count the errors of a group in each release, those with most snapshots first.

        Args:
            fingerprint: Of the group.
            wanted: Which snapshots count.
            start: Begin of the time that is divided; what was made before does not count.
            end: Its end; what was made then or later does not count.
            spans: Into how many spans the time is divided.
            limit: At most so many, 1 to 1,000.
        """

    def values(self, key: str, *, limit: int = 100) -> Mapping[str, int]:
        """The values of an attribute → in how many snapshots, the most frequent first."""

    def set_state(self, fingerprint: str, state: GroupState) -> None:
        """Set the state of a group.

        Raises:
            SnapshotNotFound: There is no such group.
        """

    def check(self) -> None:
        """See whether the store answers.

        Raises:
            StoreError: It does not; the message says what to do.
        """
