"""What every store of snapshots can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bcd.snapshot.dump import Dump
    from bcd.snapshot.head import Head
    from bcd.snapshot.model import Snapshot

__all__ = ["DumpEntry", "Entry", "Found", "FoundDump", "Listing", "Store"]


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
    """

    entries: tuple[Entry, ...]
    dumps: tuple[DumpEntry, ...] = ()
    warnings: tuple[str, ...] = ()
    hint: str | None = None


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
