"""Groups and snapshots as the lines of a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bcd.snapshot.attributes import suppressed_before
from bcd.viewer.sparkline import sparkline
from bcd.viewer.times import age, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from markupsafe import Markup

    from bcd.snapshot.head import Head
    from bcd.store.base import Entry, Group, GroupPage
    from bcd.viewer.query import Query

__all__ = ["Fact", "GroupRow", "SnapshotRow", "Time", "group_row", "snapshot_row"]

_NEW = timedelta(days=1)
_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Time:
    """A time, to be read and to be looked up.

    Attributes:
        ago: As seen from now.
        exact: To the second.
        machine: For programs.
    """

    ago: str
    exact: str
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """A group in a list.

    Attributes:
        group: Itself.
        module: Of its type, with the dot; the rest of it is in ``name``.
        name: See there.
        message: The first line of it, not too long.
        errors: Snapshots, and errors that were only counted.
        new: It was first seen in the time that is looked at, or within the last day.
        spark: When.
        first: When first seen.
        last: When last seen.
        href: Its page.
    """

    group: Group
    module: str
    name: str
    message: str
    errors: int
    new: bool
    spark: Markup
    first: Time
    last: Time
    href: str


@dataclass(frozen=True, slots=True)
class Fact:
    """Something known of a snapshot: its name and its value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """A snapshot in a list.

    Attributes:
        id: Its own.
        time: When it was made.
        module: Of the error's type, with the dot; the rest of it is in ``name``.
        name: See there.
        message: The first line of it, not too long.
        suppressed: How many errors before it were only counted.
        facts: What tells it from others.
    """

    id: str
    time: Time
    module: str
    name: str
    message: str
    suppressed: int
    facts: tuple[Fact, ...]


def group_row(group: Group, page: GroupPage, query: Query) -> GroupRow:
    """Make the line of a group."""
    module, name = split_type(group.type)
    since = query.wanted.since or query.now - _NEW
    return GroupRow(
        group=group,
        module=module,
        name=name,
        message=first_line(group.message),
        errors=group.count + group.suppressed,
        new=group.first_seen >= since,
        spark=sparkline(group.activity, page.start, page.end),
        first=time_of(group.first_seen, query.now),
        last=time_of(group.last_seen, query.now),
        href=query.filters(f"/groups/{group.fingerprint}"),
    )


def snapshot_row(entry: Entry, keys: Iterable[str], now: datetime) -> SnapshotRow:
    """Make the line of a snapshot.

    Args:
        entry: The snapshot.
        keys: Attributes in which the snapshots of the list differ.
        now: What ages are counted from.
    """
    head = entry.head
    module, name = split_type(head.error.type if head.error else "")
    return SnapshotRow(
        id=head.id,
        time=time_of(head.created, now),
        module=module,
        name=name or f"{head.reason.kind}, no error",
        message=first_line(head.error.message if head.error else ""),
        suppressed=suppressed_before(head.attributes),
        facts=tuple(_facts(head, keys)),
    )


def time_of(time: datetime, now: datetime) -> Time:
    """Make a time readable."""
    return Time(age(time, now), moment(time), time.isoformat())


def split_type(qualified: str) -> tuple[str, str]:
    """Split the name of a type into its module, with the dot, and its own name."""
    module, dot, name = qualified.rpartition(".")
    return module + dot, name


def first_line(message: str) -> str:
    """Cut a message down to what a list has room for."""
    line = message.partition("\n")[0]
    return line if len(line) <= _MESSAGE else line[: _MESSAGE - 1] + "…"


def _facts(head: Head, keys: Iterable[str]) -> Iterator[Fact]:
    for key in keys:
        if key in head.attributes:
            yield Fact(key, first_line(head.attributes[key]))
    if head.process.host:
        yield Fact("host", head.process.host)
    yield Fact("pid", str(head.process.pid))
