"""Snapshots and dumps as files of one folder, which is how the tracer process leaves them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bcd.errors import SnapshotCorrupt, SnapshotError, SnapshotNotFound
from bcd.snapshot.codec import MAX_BYTES, from_dict, inflate, parse
from bcd.snapshot.dump import read_dump
from bcd.snapshot.format import (
    DUMP_HEAD,
    DUMP_OUTPUTS,
    SUFFIX,
    SUFFIX_GZIP,
    id_of_dump_file,
    id_of_file,
)
from bcd.snapshot.head import read_head
from bcd.store.base import DumpEntry, Entry, Filter, Found, FoundDump, Known, Listing
from bcd.store.matching import fits, may_fit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FolderStore", "Know", "Reading", "Watch", "names_a_file", "read_file", "read_output"]

Watch: TypeAlias = Callable[[Sequence[str]], Iterable[str]]
"""Goes through the paths that are to be read, and may tell somebody how far that is."""

Know: TypeAlias = Callable[[str], Known]
"""Says what is known of the snapshots that are older than one, whose id it is given."""

READ_FIRST = 500
"""So many files are read in the time that an index takes to be opened, 0.2 s: who asks it then,
and only where at least as many are left, waits at most twice as long as was necessary."""

_PART = 10
"""Less than a tenth of a folder is read sooner than an index is made of all."""

_NAMED_AT_MOST = 3
_SUFFIXES = (SUFFIX, SUFFIX_GZIP, DUMP_HEAD, *DUMP_OUTPUTS.values())


def _nothing(_before: str) -> Known:
    return Known()


class FolderStore:
    """A folder of snapshots and dumps.

    Other processes may write and prune in it at any time. Files of other programs and those
    still being written are not seen; symbolic links are not followed.

    Args:
        folder: Its path; bytes that are no UTF-8 as Python's surrogate escapes.

    Attributes:
        folder: Likewise.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def listing(
        self,
        wanted: Filter | None = None,
        *,
        limit: int | None = None,
        watch: Watch = iter,
        know: Know = _nothing,
    ) -> Listing:
        """List snapshots and dumps, newest first; damaged ones are named in the warnings.

        Args:
            wanted: Which ones; None for all.
            limit: At most so many; None for all.
            watch: Sees each path before it is read.
            know: Is asked where there are many; what it knows is not read.

        Raises:
            SnapshotNotFound: The folder cannot be read.
        """
        reading = Reading(self._paths(), wanted or Filter(), watch, know)
        entries: list[Entry] = []
        dumps: list[DumpEntry] = []
        for entry in islice(reading, limit):
            if isinstance(entry, DumpEntry):
                dumps.append(entry)
            else:
                entries.append(entry)
        return Listing(
            entries=tuple(entries),
            dumps=tuple(dumps),
            warnings=tuple(reading.warnings),
            hint=None if entries or dumps else self.hint(wanted),
            left=reading.left,
        )

    def read(self, wanted: Filter, *, watch: Watch = iter) -> Reading:
        """Prepare to read what is known of snapshots and dumps, one after the other.

        Raises:
            SnapshotNotFound: The folder cannot be read.
        """
        return Reading(self._paths(), wanted, watch)

    def find(self, reference: str) -> Found | FoundDump:
        """Read one snapshot or the head of one dump.

        Args:
            reference: ``"latest"``, an id, the begin or end of one that fits only one
                snapshot or dump of the folder, or the path of a file anywhere.

        Raises:
            SnapshotNotFound: None fits, or more than one; or the file cannot be opened.
            SnapshotCorrupt: It is damaged.
            SnapshotTooNew: It has a format newer than this bcd.
        """
        if reference == "latest":
            return self._latest()
        if names_a_file(reference):
            return read_file(reference)
        fitting = self._fitting(reference.upper())
        if len(fitting) == 1:
            return read_file(fitting.popitem()[1])
        if fitting:
            named = ", ".join(list(fitting)[:_NAMED_AT_MOST])
            raise SnapshotNotFound(
                f"{reference!r} fits {len(fitting)} snapshots, the newest of them {named}; "
                "give more of the id"
            )
        if reference and Path(reference).exists():
            return read_file(reference)
        raise SnapshotNotFound(
            f"no snapshot {reference!r} in {self.folder}; `bcd list` shows what is there"
            if self._paths()
            else f"no snapshot {reference!r}: {self.hint()}"
        )

    def _latest(self) -> Found | FoundDump:
        warnings: list[str] = []
        for path in self._paths().values():
            try:
                found = read_file(path)
            except SnapshotError as error:
                warnings.append(str(error))
                continue
            return replace(found, warnings=tuple(warnings))
        raise SnapshotNotFound("; ".join([*warnings, self.hint()]))

    def _fitting(self, part: str) -> dict[str, str]:
        paths = self._paths() if part else {}
        return {
            each: path
            for each, path in paths.items()
            if each.startswith(part) or each.endswith(part)
        }

    def _paths(self) -> dict[str, str]:
        """Id → path of every snapshot and of the head of every dump, newest first."""
        try:
            with os.scandir(self.folder) as entries:
                found = dict(sorted(_snapshot_files(entries), reverse=True))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SnapshotNotFound(
                f"the folder {self.folder} cannot be read: {error.strerror}; "
                "give another one with --folder or BCD_DIR"
            ) from None
        return found

    def hint(self, wanted: Filter | None = None) -> str:
        """Say why there is nothing to list, and what to do.

        Args:
            wanted: What was asked for; None for all.
        """
        if self._paths():
            problem = "can be read" if wanted is None else "is as asked for"
            return f"no snapshot in {self.folder} {problem}"
        if Path(self.folder).is_dir():
            return f"no snapshots in {self.folder} yet"
        return (
            f"no snapshots: the folder {self.folder} does not exist yet; if the program runs as "
            "another user or keeps them elsewhere, name its folder with --folder or BCD_DIR"
        )


class Reading:
    """What is known of the snapshots and dumps that are wanted, read when it is asked for.

    Args:
        paths: Id → path, in the order of reading.
        wanted: Which of them are returned.
        watch: Sees each path before it is read.
        know: Is asked where there are many; what it knows is not read.

    Attributes:
        left: How many were not looked at yet.
        warnings: What could not be read, one sentence each.
    """

    def __init__(
        self, paths: Mapping[str, str], wanted: Filter, watch: Watch, know: Know = _nothing
    ) -> None:
        self._paths = {each: path for each, path in paths.items() if may_fit(wanted, each)}
        self._wanted = wanted
        self._watch = watch
        self._know = know
        self.left = len(self._paths)
        self._many = max(READ_FIRST, len(paths) // _PART)
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Entry | DumpEntry]:
        """Look at them."""
        known = Known()
        paths = self._watch(tuple(self._paths.values()))
        for count, (each, path) in enumerate(zip(self._paths, paths, strict=False), start=1):
            self.left -= 1
            entry: Entry | DumpEntry | None = known.entries.get(each)
            if entry is None and each not in known.ids:
                entry = self._read(path)
            if entry is not None:
                yield entry
            if count == READ_FIRST and self.left >= self._many:
                known = self._know(each)

    def _read(self, path: str) -> Entry | DumpEntry | None:
        """Read one, if it is wanted and can be read."""
        try:
            entry = _dump_entry(path) if path.endswith(DUMP_HEAD) else _entry(path)
        except SnapshotNotFound:
            return None  # pruned in between
        except SnapshotError as error:
            self.warnings.append(str(error))
            return None
        return entry if fits(self._wanted, entry.head) else None


def names_a_file(reference: str) -> bool:
    """Tell whether what should name a snapshot is the path of a file."""
    return os.sep in reference or reference.endswith(_SUFFIXES)


def read_file(path: str) -> Found | FoundDump:
    """Read the snapshot in one file, a pipe as well, or the head of the dump that has the file.

    Raises:
        SnapshotNotFound: The file cannot be opened or read.
        SnapshotCorrupt: It holds no snapshot, or a damaged one.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    dump_id = id_of_dump_file(Path(path).name)
    if dump_id is not None:
        return _find_dump(str(Path(path).with_name(dump_id + DUMP_HEAD)))
    with _naming(path):
        document = inflate(_content(path))
        snapshot = from_dict(parse(document))
    return Found(snapshot=snapshot, document=document, location=path)


def read_output(found: FoundDump) -> bytes:
    """Read what the tool of a dump has found.

    Raises:
        SnapshotNotFound: The file is gone, or cannot be opened.
        SnapshotCorrupt: It is larger than anything that is kept.
    """
    with _naming(found.location):
        return inflate(_content(found.location))


def _find_dump(path: str) -> FoundDump:
    with _naming(path):
        document = _content(path)
        dump = read_dump(document)
    output = str(Path(path).with_name(dump.output.name))
    return FoundDump(dump=dump, document=document, location=output)


def _dump_entry(path: str) -> DumpEntry:
    found = _find_dump(path)
    with _naming(found.location):
        size = _size(found.location)
    return DumpEntry(head=found.dump, location=found.location, size=size)


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError as error:
        raise SnapshotNotFound(f"cannot be found: {error.strerror}") from None


def _entry(path: str) -> Entry:
    with _naming(path):
        data = _content(path)
        return Entry(head=read_head(data), location=path, size=len(data))


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Put the path before the message of a SnapshotError, where there is none yet."""
    try:
        yield
    except SnapshotError as error:
        raise type(error)(f"{path}: {error}") from None


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SnapshotNotFound("no such file") from None
    except IsADirectoryError:
        raise SnapshotNotFound("is a folder; name it with --folder") from None
    except OSError as error:
        raise SnapshotCorrupt(f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # a zero byte in the path
        raise SnapshotNotFound(str(error)) from None


def _snapshot_files(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        snapshot_id = id_of_file(entry.name)
        if snapshot_id is None and entry.name.endswith(DUMP_HEAD):
            snapshot_id = id_of_dump_file(entry.name)
        if snapshot_id is not None and _is_file(entry):
            yield snapshot_id, entry.path


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False
