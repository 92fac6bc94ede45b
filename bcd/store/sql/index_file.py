"""Where the index of a folder lies, and how it comes to be private, whole and of this version."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import weakref
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from bcd.errors import StoreError
from bcd.snapshot.format import INDEX
from bcd.store.sql.engines import sqlite_engine, writing
from bcd.store.sql.failures import DamagedError, naming
from bcd.store.sql.schema import metadata
from bcd.store.sql.versions import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

__all__ = ["IndexFile"]

_PRIVATE = 0o600
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class IndexFile:
    """The file of SQLite that indexes a folder.

    It lies in the folder where that is this user's alone to write, else in the user's folder for
    caches: an index that another user has made is not trusted, and none is left where the owner
    of the folder could not use it. Where neither can be written, and for a folder that does not
    exist, it is a temporary one.

    Args:
        folder: Of the snapshots.
        lasting: Make no temporary one.

    Raises:
        StoreError: It was made by a newer bcd, or cannot be made.
    """

    def __init__(self, folder: str, *, lasting: bool = False) -> None:
        path = _made(folder)
        if path is None and lasting:
            raise StoreError(
                f"there is no place for an index of {folder}; let its user write there"
            )
        self.path = path or self._temporary()
        self.engine: Engine = sqlite_engine(self.path)
        with self._locked():
            self._prepare()

    def mend(self) -> None:
        """Put the file aside if it is damaged, and begin a new one.

        What can be read in the folder is read again; the states of groups are gone.

        Raises:
            StoreError: It cannot be put aside.
        """
        with self._locked():
            if not self._is_whole():
                self._put_aside()
            self._prepare()

    def _temporary(self) -> str:
        folder = mkdtemp(prefix="bcd-index-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return f"{folder}/{INDEX}"

    def _prepare(self) -> None:
        try:
            self._upgrade()
        except DamagedError:
            self._put_aside()
            self._upgrade()

    def _upgrade(self) -> None:
        with naming(self.path):
            upgrade(writing(self.engine), self.path)

    def _put_aside(self) -> None:
        """Keep what is damaged beside, in case that somebody can make something of it."""
        path = Path(self.path)
        path.replace(f"{path}.damaged")
        Path(f"{path}-journal").unlink(missing_ok=True)  # it is not the new one's
        _make_private(path)

    def _is_whole(self) -> bool:
        try:
            with naming(self.path), self.engine.connect() as connection:
                found = connection.execute(text("PRAGMA quick_check")).scalar()
                missing = set(metadata.tables) - set(inspect(connection).get_table_names())
        except DamagedError:
            return False
        return found == "ok" and not missing

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let nobody else put the file aside meanwhile."""
        descriptor = os.open(Path(self.path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _made(folder: str) -> str | None:
    """Make an empty file that only this user may read, where there is none yet."""
    for path in _places(Path(folder)):
        with suppress(OSError):
            _make_private(path)
            return str(path)
    return None


def _places(folder: Path) -> Iterator[Path]:
    if not folder.exists():
        return
    if _is_ours_alone(folder):
        yield folder / INDEX
    from platformdirs import user_cache_path  # for the folders of others

    name = blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    yield user_cache_path("bcd", appauthor=False) / f"{name}.sqlite3"


def _is_ours_alone(folder: Path) -> bool:
    status = folder.stat()
    ours = status.st_uid == os.geteuid() and not status.st_mode & _WRITABLE_BY_OTHERS
    return ours and os.access(folder, os.W_OK)


def _make_private(path: Path) -> None:
    """Make a file if there is none; it is not opened otherwise, which would undo locks on it.

    Source: "How To Corrupt An SQLite Database File", 2.2, https://sqlite.org/howtocorrupt.html
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, _PRIVATE))
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise
        if stat.S_IMODE(status.st_mode) != _PRIVATE:
            path.chmod(_PRIVATE)
