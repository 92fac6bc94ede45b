"""Writing snapshots into a folder as the tracer process does: private, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import stat
import zlib
from secrets import randbelow
from typing import TYPE_CHECKING

from bcd.errors import StoreError
from bcd.snapshot.format import (
    GZIP_ABOVE,
    SUFFIX,
    SUFFIX_GZIP,
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    file_name,
)

if TYPE_CHECKING:
    from typing import Self

__all__ = ["PrivateFolder", "compressed"]

_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o700
_OTHERS_WRITE = 0o022
_GZIP_WINDOW = 31


class PrivateFolder:
    """A folder that snapshots are written to; made where there is none.

    Args:
        path: Its path.

    Raises:
        StoreError: It is a link, somebody else's, writable by others, or cannot be made.
    """

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or "/"
        try:
            os.makedirs(self.path, _PRIVATE, exist_ok=True)  # noqa: PTH103 - surrogates, dots
            self._descriptor = os.open(self.path, _AS_FOLDER)
        except (OSError, ValueError) as error:  # a zero byte in the path
            raise self._unusable(_reason(self.path, error)) from None
        try:
            self._check(os.fstat(self._descriptor))
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    def has(self, snapshot_id: str) -> bool:
        """Whether there is a snapshot of this id."""
        return any(
            os.access(snapshot_id + suffix, os.F_OK, dir_fd=self._descriptor, follow_symlinks=False)
            for suffix in (SUFFIX, SUFFIX_GZIP)
        )

    def put(self, snapshot_id: str, document: bytes) -> None:
        """Write one snapshot.

        Args:
            snapshot_id: A real one, which names the file.
            document: Uncompressed.

        Raises:
            StoreError: It could not be written; nothing is left of it.
        """
        name = file_name(snapshot_id, len(document))
        data = compressed(document) if len(document) > GZIP_ABOVE else document
        # A tracer takes such a file for one of its own, and removes it should we die.
        unique = f"{os.getpid()}{randbelow(10**6):06}"
        temporary = f"{TEMPORARY_PREFIX}{snapshot_id}.{unique}{TEMPORARY_SUFFIX}"
        try:
            self._write(temporary, data)
            os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException as error:
            self._remove(temporary)
            if isinstance(error, OSError):
                raise StoreError(
                    f"{snapshot_id} could not be written to {self.path}: {error.strerror}; "
                    "free or enlarge that disk, or name another folder"
                ) from None
            raise

    def flush(self) -> None:
        """Have the names of what was written on the disk."""
        os.fsync(self._descriptor)

    def _write(self, name: str, data: bytes) -> None:
        descriptor = os.open(name, _NEW, 0o600, dir_fd=self._descriptor)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is being written
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(descriptor)

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except OSError:  # it was never made
            return

    def _check(self, status: os.stat_result) -> None:
        if status.st_uid != os.geteuid():
            raise self._unusable(
                f"it belongs to user {status.st_uid}, and this is user {os.geteuid()}"
            )
        if status.st_mode & _OTHERS_WRITE:
            mode = stat.S_IMODE(status.st_mode)
            raise self._unusable(f"other users may write there (mode {mode:04o})")

    def _unusable(self, reason: str) -> StoreError:
        return StoreError(
            f"no snapshots can be kept in {self.path}: {reason}; "
            "name a folder of this user's own with --folder or BCD_DIR"
        )


def compressed(document: bytes) -> bytes:
    """Compress as the tracer process does."""
    packer = zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
    return packer.compress(document) + packer.flush()


def _reason(path: str, error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return str(error)
    if os.path.islink(path):  # noqa: PTH114 - surrogates, dots
        return "it is a symbolic link"
    return error.strerror or type(error).__name__
