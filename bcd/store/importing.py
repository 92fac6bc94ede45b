"""Bringing snapshots from elsewhere into a store: each is read first, and counted once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bcd.errors import SnapshotCorrupt, SnapshotError
from bcd.snapshot.codec import decode, inflate
from bcd.snapshot.format import id_of_file, is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bcd.store.archives import Member
    from bcd.store.delivery import Destination
    from bcd.store.writing import PrivateFolder

__all__ = ["FolderSink", "Imported", "Sink", "StoreSink", "import_all"]

_AT_ONCE = 100
_BYTES_AT_ONCE = 16 << 20
_NAMED_AT_MOST = 100


@dataclass(slots=True)
class Imported:
    """What became of the snapshots.

    Attributes:
        new: How many were added.
        already: How many were there before.
        refused: How many could not be.
        problems: Why not, one sentence each, of the first ones.
    """

    new: int = 0
    already: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)

    def refuse(self, sentence: str) -> None:
        """Count one more that could not be added."""
        self.refused += 1
        if len(self.problems) < _NAMED_AT_MOST:
            self.problems.append(sentence)


class Sink(Protocol):
    """Where the snapshots go."""

    def add(self, items: Sequence[tuple[str, bytes]], imported: Imported) -> None:
        """Add snapshots; those that are there already are left as they are.

        Args:
            items: Id and content of each, compressed or not; all of them can be read.
            imported: Counts them.

        Raises:
            StoreError: Not all could be added; those that were are counted.
        """


class FolderSink:
    """A folder as the place that snapshots go to."""

    def __init__(self, folder: PrivateFolder) -> None:
        self._folder = folder

    def add(self, items: Sequence[tuple[str, bytes]], imported: Imported) -> None:
        """Write those that are not there yet; see :meth:`Sink.add`."""
        for snapshot_id, content in items:
            if self._folder.has(snapshot_id):
                imported.already += 1
            else:
                self._folder.put(snapshot_id, inflate(content))
                imported.new += 1
        self._folder.flush()


class StoreSink:
    """A store as the place that snapshots go to."""

    def __init__(self, store: Destination) -> None:
        self._store = store

    def add(self, items: Sequence[tuple[str, bytes]], imported: Imported) -> None:
        """Add them in one transaction; see :meth:`Sink.add`."""
        added = self._store.add(items)
        imported.new += added.new
        imported.already += len(items) - added.new - len(added.refused)
        for snapshot_id, reason in added.refused.items():
            imported.refuse(f"{snapshot_id}: {reason}")


def import_all(
    members: Iterable[Member],
    sink: Sink,
    source: str,
    imported: Imported,
    advance: Callable[[int], None],
) -> None:
    """Add the snapshots of one source.

    Args:
        members: What the source holds.
        sink: Where to.
        source: Its path, for messages.
        imported: What became of those before, which is added to.
        advance: Is told of so many more that are done.

    Raises:
        StoreError: The store cannot be written; what came before it is there.
    """
    batch: list[tuple[str, bytes]] = []
    for snapshot in _readable(members, source, imported):
        batch.append(snapshot)
        if len(batch) >= _AT_ONCE or sum(len(content) for _, content in batch) > _BYTES_AT_ONCE:
            sink.add(batch, imported)
            advance(len(batch))
            batch = []
    if batch:
        sink.add(batch, imported)
        advance(len(batch))


def _readable(
    members: Iterable[Member], source: str, imported: Imported
) -> Iterator[tuple[str, bytes]]:
    """Id and content of those that are whole; whatever is wrong is noted, never raised."""
    try:
        for member in members:
            place = f"{source}: {member.name}" if member.name else source
            try:
                yield _checked(member), member.content
            except SnapshotError as error:
                imported.refuse(f"{place}: {error}")
    except SnapshotError as error:
        imported.refuse(f"{source}: {error}")
    except OSError as error:
        imported.refuse(f"{source}: cannot be read: {error.strerror or error}")


def _checked(member: Member) -> str:
    """Read a snapshot, whole.

    Raises:
        SnapshotError: It cannot be read, or is not the one that its name says.
    """
    if member.problem:
        raise SnapshotCorrupt(member.problem)
    snapshot_id = decode(member.content).id
    if not is_id(snapshot_id):
        raise SnapshotCorrupt(f"its id {snapshot_id[:40]!r} is none")
    named = id_of_file(member.name.rpartition("/")[2])
    if named not in (None, snapshot_id):
        raise SnapshotCorrupt(f"it calls itself {snapshot_id}")
    return snapshot_id
