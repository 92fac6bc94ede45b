"""Snapshots as files of one folder, which is how the tracer process leaves them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bcd.errors import SnapshotCorrupt, SnapshotError, SnapshotNotFound
from bcd.snapshot.codec import MAX_BYTES, from_dict, inflate, parse
from bcd.snapshot.format import SUFFIX, SUFFIX_GZIP, id_of_file
from bcd.snapshot.head import read_head
from bcd.store.base import Entry, Found, Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["FolderStore", "read_file"]

_NAMED_AT_MOST = 3


class FolderStore:
    """A folder of snapshots.

    Other processes may write and prune in it at any time. Files of other programs and those
    still being written are not seen; symbolic links are not followed.

    Args:
        folder: Its path; bytes that are no UTF-8 as Python's surrogate escapes.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def listing(self) -> Listing:
        """List the snapshots, newest first; damaged ones are named in the warnings.

        Raises:
            SnapshotNotFound: The folder cannot be read.
        """
        entries: list[Entry] = []
        warnings: list[str] = []
        for path in self._paths().values():
            try:
                entries.append(_entry(path))
            except SnapshotNotFound:
                continue  # pruned in between
            except SnapshotError as error:
                warnings.append(str(error))
        hint = None if entries else self._hint()
        return Listing(entries=tuple(entries), warnings=tuple(warnings), hint=hint)

    def find(self, reference: str) -> Found:
        """Read one snapshot.

        Args:
            reference: ``"latest"``, an id, the begin or end of one that fits only one
                snapshot of the folder, or the path of a file anywhere.

        Raises:
            SnapshotNotFound: None fits, or more than one; or the file cannot be opened.
            SnapshotCorrupt: It is damaged.
            SnapshotTooNew: It has a format newer than this bcd.
        """
        if reference == "latest":
            return self._latest()
        if os.sep in reference or reference.endswith((SUFFIX, SUFFIX_GZIP)):
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
            f"no snapshot {reference!r} in {self._folder}; `bcd list` shows what is there"
            if self._paths()
            else f"no snapshot {reference!r}: {self._hint()}"
        )

    def _latest(self) -> Found:
        warnings: list[str] = []
        for path in self._paths().values():
            try:
                found = read_file(path)
            except SnapshotError as error:
                warnings.append(str(error))
                continue
            return Found(
                snapshot=found.snapshot,
                document=found.document,
                location=path,
                warnings=tuple(warnings),
            )
        raise SnapshotNotFound("; ".join([*warnings, self._hint()]))

    def _fitting(self, part: str) -> dict[str, str]:
        paths = self._paths() if part else {}
        return {
            each: path
            for each, path in paths.items()
            if each.startswith(part) or each.endswith(part)
        }

    def _paths(self) -> dict[str, str]:
        """Id → path of every snapshot file, newest first."""
        try:
            with os.scandir(self._folder) as entries:
                found = dict(sorted(_snapshot_files(entries), reverse=True))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SnapshotNotFound(
                f"the folder {self._folder} cannot be read: {error.strerror}; "
                "give another one with --folder or BCD_DIR"
            ) from None
        return found

    def _hint(self) -> str:
        if Path(self._folder).is_dir():
            return f"no snapshots in {self._folder} yet"
        return (
            f"no snapshots: the folder {self._folder} does not exist yet; if the program runs as "
            "another user or keeps them elsewhere, name its folder with --folder or BCD_DIR"
        )


def read_file(path: str) -> Found:
    """Read the snapshot in one file, a pipe as well.

    Raises:
        SnapshotNotFound: The file cannot be opened or read.
        SnapshotCorrupt: It holds no snapshot, or a damaged one.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    with _naming(path):
        document = inflate(_content(path))
        snapshot = from_dict(parse(document))
    return Found(snapshot=snapshot, document=document, location=path)


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
        if snapshot_id is not None and _is_file(entry):
            yield snapshot_id, entry.path


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False
