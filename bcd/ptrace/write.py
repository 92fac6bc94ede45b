"""Writing the snapshot: a private folder, a temporary name, and bounds on what is kept."""

from __future__ import annotations

import posix
import time
from _stat import S_IMODE, S_ISVTX  # `stat` takes more

from bcd.ptrace.bounds import Limits
from bcd.ptrace.errors import RequestError
from bcd.snapshot.format import (
    GZIP_ABOVE,
    ID_LENGTH,
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    file_name,
    id_of_dump_file,
    id_of_file,
    is_of_index,
    is_temporary,
    kind_in,
)

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SPARE = 1024 * 1024
"""Bytes of the disk that bcd leaves free whatever happens."""

_STALE_SECONDS = 3600
_DEAD_SECONDS = 10  # much longer than it takes from making a file to locking it


def encode(document: dict[str, Any]) -> bytes:
    """Encode a document as JSON in ASCII, without the ``json`` package."""
    from _json import encode_basestring_ascii, make_encoder

    def refuse(value: object) -> None:
        raise TypeError(f"{type(value).__name__} in a snapshot")

    encoder = make_encoder(
        None, refuse, encode_basestring_ascii, None, ":", ",", False, False, False
    )
    return "".join(encoder(document, 0)).encode("ascii")


def compress(data: bytes) -> bytes:
    """Compress as gzip does, quickly rather than well."""
    import zlib

    compressor = zlib.compressobj(level=1, wbits=31)
    return compressor.compress(data) + compressor.flush()


class Folder:
    """The folder that snapshots are kept in.

    Args:
        path: Its path; made, with its parents, where it does not exist.

    Raises:
        RequestError: It is a link, somebody else's, or cannot be made; the message says so.
    """

    def __init__(self, path: str) -> None:
        # With a slash at its end a symbolic link would be followed after all.
        self.path = path.rstrip("/") or "/"
        self._descriptor = _open_private(self.path)

    def keep(self, snapshot_id: str, data: bytes, limits: Limits) -> str:
        """Write one snapshot and remove the oldest ones that are too many.

        Args:
            snapshot_id: The id, which names the file.
            data: The encoded document.
            limits: How much the folder may hold.

        Returns:
            The path of the file.

        Raises:
            RequestError: It could not be written; nothing is left of it.
        """
        name = file_name(snapshot_id, len(data))
        path = self.put(name, compress(data) if len(data) > GZIP_ABOVE else data)
        self._prune(name, limits)
        return path

    def put(self, name: str, data: bytes) -> str:
        """Write one file, whole or not at all.

        Args:
            name: Its name, which starts with an id.
            data: Its content.

        Returns:
            The path of the file.

        Raises:
            RequestError: It could not be written; nothing is left of it.
        """
        self.check_space(len(data))
        temporary = f"{TEMPORARY_PREFIX}{name[:ID_LENGTH]}.{posix.getpid()}{TEMPORARY_SUFFIX}"
        try:
            descriptor = self._create(temporary)
            try:
                _fill(descriptor, data)
                return self.adopt(temporary, name)
            finally:
                posix.close(descriptor)
        except OSError as error:
            self.remove(temporary)
            raise self._unwritten(error) from None

    def adopt(self, temporary: str, name: str) -> str:
        """Give a file that is written and whole the name under which it is found.

        Args:
            temporary: The name under which it was written.
            name: Its name from now on.

        Returns:
            The path of the file.

        Raises:
            RequestError: That could not be done; nothing is left of it.
        """
        try:
            posix.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            posix.fsync(self._descriptor)
        except OSError as error:
            self.remove(temporary)
            raise self._unwritten(error) from None
        return f"{self.path.rstrip('/')}/{name}"

    def _unwritten(self, error: OSError) -> RequestError:
        return RequestError(
            f"the snapshot could not be written to {self.path}: {error.strerror};"
            " free or enlarge that disk, or name another folder with BCD_DIR"
        )

    def _create(self, name: str) -> int:
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
        descriptor = posix.open(name, flags, 0o600, dir_fd=self._descriptor)
        _lock(descriptor)
        return descriptor

    def check_space(self, size: int) -> int:
        """Refuse to fill up the disk.

        Args:
            size: Bytes that are to be written.

        Returns:
            How many could be.

        Raises:
            RequestError: There is no room for so many.
        """
        space = posix.fstatvfs(self._descriptor)
        free = space.f_bavail * space.f_frsize
        if free < size + _SPARE:
            raise RequestError(
                f"only {free:,} bytes are free for the snapshot in {self.path}, which takes"
                f" {size:,}; free or enlarge that disk, or name another folder with BCD_DIR"
            )
        return free - _SPARE

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            posix.unlink(name, dir_fd=self._descriptor)
        except OSError:  # it was never made, or another tracer has removed it
            return

    def _prune(self, newest: str, limits: Limits) -> None:
        """Remove the oldest snapshots above the limits, and temporary files left by the dead."""
        found = sorted(file for file in self.files() if id_of_file(file[0]))
        alike = [name for name, _ in found if kind_in(name) == kind_in(newest)]
        superfluous = set(_between(alike, limits["alike"])) - {newest}
        for name in superfluous:
            self.remove(name)
        found = [file for file in found if file[0] not in superfluous]
        count, size = len(found), sum(bytes_ for _, bytes_ in found)
        for name, bytes_ in found:
            if count <= limits["snapshots"] and size <= limits["folder_bytes"]:
                return
            if name != newest:
                self.remove(name)
                count, size = count - 1, size - bytes_

    def enter(self) -> None:
        """Make this the working directory of the process."""
        posix.fchdir(self._descriptor)

    def flush(self, name: str) -> None:
        """Have a file that another program wrote on the disk, and for this user alone.

        Raises:
            OSError: It is not there, or no ordinary file.
        """
        flags = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC
        descriptor = posix.open(name, flags, dir_fd=self._descriptor)
        try:
            posix.fchmod(descriptor, 0o600)
            posix.fsync(descriptor)
        finally:
            posix.close(descriptor)

    def is_stale(self, name: str) -> bool:
        """Whether a file was written so long ago that its writer must be dead."""
        return self._age(name) > _STALE_SECONDS

    def _is_of_the_dead(self, name: str) -> bool:
        """Whether nobody writes a temporary file any more.

        A tracer holds a lock on its own as long as it lives, be it in another container.
        """
        age = self._age(name)
        if age <= _DEAD_SECONDS or not name.endswith(TEMPORARY_SUFFIX):  # that of a core is gdb's
            return age > _STALE_SECONDS
        try:
            descriptor = posix.open(name, _TO_LOCK, dir_fd=self._descriptor)
        except OSError:
            return False
        try:
            return _lock(descriptor)
        finally:
            posix.close(descriptor)

    def _age(self, name: str) -> float:
        """Seconds since a file was written, 0 where there is none."""
        try:
            status = posix.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:  # another tracer has removed it
            return 0
        return time.time() - status.st_mtime

    def files(self) -> Iterator[tuple[str, int]]:
        """(name, bytes) of each file; names sort by age. Temporary files of the dead go."""
        with posix.scandir(self._descriptor) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # another tracer has removed it
                    continue
                if not is_temporary(entry.name):
                    yield entry.name, status.st_size
                elif self._is_of_the_dead(entry.name):
                    self.remove(entry.name)


def _fill(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[posix.write(descriptor, view) :]
    posix.fsync(descriptor)


_TO_LOCK = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC


def _lock(descriptor: int) -> bool:
    """Lock a file until its descriptor is closed; False where somebody else has, or none can."""
    from fcntl import LOCK_EX, LOCK_NB, flock

    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True


def _between(names: list[str], most: int) -> list[str]:
    """Which of several names are too many: the first and the latest ones are kept."""
    return names[1 : max(1, len(names) - most + 1)] if most > 1 else names[:-1]


def _open_private(path: str) -> int:
    """Open a folder that is ours and private, and make it so where that is possible."""
    try:
        descriptor = _made_and_opened(path)
    except OSError as error:
        from os.path import islink  # 1 ms

        reason = "it is a symbolic link" if islink(path) else error.strerror
        raise RequestError(
            f"no snapshot can be kept in {path}: {reason}; name a folder of this user's own with"
            " BCD_DIR"
        ) from None
    status = posix.fstat(descriptor)
    if status.st_uid != posix.geteuid():
        raise RequestError(
            f"no snapshot is kept in {path}: it belongs to user {status.st_uid}, not to user"
            f" {posix.geteuid()}; name a folder of this user with BCD_DIR"
        )
    mode = S_IMODE(status.st_mode)
    shared = mode & S_ISVTX  # as /tmp is, also when it holds nothing
    if mode & 0o077 and not shared and _holds_only_ours(descriptor):
        posix.fchmod(descriptor, 0o700)
    elif mode & 0o022:
        raise RequestError(
            f"no snapshot is kept in {path}: other users may write there and it is not bcd's alone;"
            " name a folder of bcd's own with BCD_DIR"
        )
    return descriptor


def _made_and_opened(path: str) -> int:
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        return posix.open(path, flags)
    except FileNotFoundError:
        from os import makedirs  # 1 ms, for the first snapshot alone

        makedirs(path, 0o700, exist_ok=True)
        return posix.open(path, flags)


def _holds_only_ours(descriptor: int) -> bool:
    """Whether a folder is bcd's alone, so that its mode is bcd's to change."""
    return all(
        id_of_file(name) or id_of_dump_file(name) or is_temporary(name) or is_of_index(name)
        for name in posix.listdir(descriptor)
    )
