"""What a folder keeps, told by the names of its files, without opening them."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bcd.errors import SnapshotCorrupt, SnapshotNotFound
from bcd.snapshot.codec import MAX_BYTES
from bcd.snapshot.format import (
    DUMP_HEAD,
    ID_LENGTH,
    TEMPORARY_SUFFIX,
    id_of_dump_file,
    id_of_file,
    is_temporary,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Folder", "Inventory", "Kept", "seconds_of"]

_STALE_SECONDS = 3600
_DEAD_SECONDS = 10  # as in bcd/ptrace/write.py, which gives the reasons
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_LENGTH = 10
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Kept:
    """One snapshot, or one dump of another tool.

    Attributes:
        names: Of its files, the head of a dump first.
        size: Bytes that they take.
    """

    names: tuple[str, ...]
    size: int

    @property
    def id(self) -> str:
        """What its files are named after."""
        return self.names[0][:ID_LENGTH]

    @property
    def is_dump(self) -> bool:
        """Whether another tool has made it."""
        return id_of_file(self.names[0]) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What lies in a folder.

    Attributes:
        kept: Snapshots and dumps, oldest first.
        leftovers: Names of files whose writers died before they were whole.
    """

    kept: tuple[Kept, ...]
    leftovers: tuple[str, ...]


class Folder:
    """A folder of snapshots, opened once: what is put in its place later is not touched.

    Other processes may write and prune in it at any time. Symbolic links in it are not
    followed, files of other programs are not seen.

    Args:
        path: Its path.

    Raises:
        SnapshotNotFound: It cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:  # a zero byte in the path
            reason = getattr(error, "strerror", None) or str(error)
            raise SnapshotNotFound(
                f"the folder {path} cannot be read: {reason}; "
                "give another one with --folder or BCD_DIR"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    def changed(self) -> int:
        """When a file was last added or removed, in nanoseconds of the file system's clock."""
        return os.fstat(self._descriptor).st_mtime_ns

    def snapshots(self) -> list[str]:
        """Names of the snapshot files, oldest first."""
        return sorted(self.names())

    def names(self) -> Iterator[str]:
        """Names of the snapshot files, in no order."""
        with os.scandir(self._descriptor) as entries:
            for entry in entries:
                if id_of_file(entry.name) and entry.is_file(follow_symlinks=False):
                    yield entry.name

    def inventory(self) -> Inventory:
        """Look at all that is bcd's in the folder."""
        sizes: dict[str, int] = {}
        leftovers: list[str] = []
        for name, size in self._files():
            if not is_temporary(name):
                sizes[name] = size
            elif self._is_of_the_dead(name):
                leftovers.append(name)
        kept = []
        for names in _together(sizes):
            if names[0].endswith(DUMP_HEAD) or id_of_file(names[0]):
                kept.append(Kept(names, sum(sizes[name] for name in names)))
            elif self._age(names[0]) > _STALE_SECONDS:  # of a dump, and its head never came
                leftovers.extend(names)
        return Inventory(kept=tuple(kept), leftovers=tuple(leftovers))

    def path_of(self, name: str) -> str:
        """The path of one of its files."""
        return os.path.join(self.path, name)  # noqa: PTH118 - surrogates and dots stay as they are

    def read(self, name: str) -> bytes:
        """Read one file.

        Raises:
            SnapshotNotFound: It is gone.
            SnapshotCorrupt: It cannot be read, or is no ordinary file.
        """
        try:
            with open(self._open(name), "rb") as file:  # noqa: PTH123 - a descriptor
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise SnapshotCorrupt(f"{self.path_of(name)}: is no ordinary file")
                return file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise SnapshotNotFound(f"{self.path_of(name)}: no such file") from None
        except OSError as error:
            raise SnapshotCorrupt(
                f"{self.path_of(name)}: cannot be read: {error.strerror}"
            ) from None

    def touched(self, name: str) -> int | None:
        """When a file or its mode last changed, in nanoseconds; None where it is gone."""
        with suppress(FileNotFoundError):
            return self._status(name).st_ctime_ns
        return None

    def remove(self, names: Sequence[str]) -> bool:
        """Remove files in this order.

        Returns:
            Whether any was still there.

        Raises:
            OSError: One cannot be removed.
        """
        removed = False
        for name in names:
            with suppress(FileNotFoundError):  # somebody else has removed it
                os.unlink(name, dir_fd=self._descriptor)
                removed = True
        return removed

    def _files(self) -> Iterator[tuple[str, int]]:
        with os.scandir(self._descriptor) as entries:
            for entry in entries:
                name = entry.name
                if not (id_of_file(name) or id_of_dump_file(name) or is_temporary(name)):
                    continue
                with suppress(FileNotFoundError):  # pruned in between
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield name, status.st_size

    def _is_of_the_dead(self, name: str) -> bool:
        """Whether nobody writes a temporary file any more; who does holds a lock on it."""
        age = self._age(name)
        if age <= _DEAD_SECONDS or not name.endswith(TEMPORARY_SUFFIX):
            return age > _STALE_SECONDS
        try:
            descriptor = self._open(name)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _age(self, name: str) -> float:
        with suppress(FileNotFoundError):
            return time.time() - self._status(name).st_mtime
        return 0

    def _status(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)

    def _open(self, name: str) -> int:
        return os.open(name, _TO_READ, dir_fd=self._descriptor)


def seconds_of(snapshot_id: str) -> float:
    """The time at which an id was made, in seconds since 1970."""
    number = 0
    for character in snapshot_id[:_TIME_LENGTH]:
        number = number << 5 | _ALPHABET.index(character)
    return number / 1000


def _together(names: dict[str, int]) -> Iterator[tuple[str, ...]]:
    """The files of one snapshot or one dump, by id; a dump's head comes first."""
    together: dict[tuple[str, bool], list[str]] = {}
    for name in sorted(names, key=_order):
        together.setdefault((name[:ID_LENGTH], id_of_file(name) is None), []).append(name)
    for files in together.values():
        yield tuple(files)


def _order(name: str) -> tuple[str, bool, str]:
    return name[:ID_LENGTH], not name.endswith(DUMP_HEAD), name
