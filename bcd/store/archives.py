"""Snapshots in one file: a tar archive, written and read as a stream.

Each member is a compressed snapshot, whose checksum proves it whole. Archives that people made
of a folder are read as well; nothing in an archive is trusted.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from bcd.errors import SnapshotCorrupt
from bcd.snapshot.codec import MAX_BYTES
from bcd.snapshot.format import SUFFIX_GZIP, id_of_file
from bcd.store.kept import seconds_of
from bcd.store.writing import compressed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Member", "read_members", "write_archive"]

_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK = 512
_LATEST = 0o77777777777  # seconds: what a header has room for
_PAX_NAME = re.compile(rb"^[0-9]+ path=([^\n]*)\n", re.MULTILINE)
_ORDINARY = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_OF_THE_NEXT = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE)
_WITHOUT_CONTENT = (
    *(tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE),
    *(tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE),
)
_MOST_HEADER = 1 << 20
_MOST_PASSED_OVER = 4 << 30
_LEAST_PASSED_OVER = 64 << 10
"""Bytes of an archive that may be of no use, and what each useless member counts at least, so
that nobody has to wait for ever for an archive that was made to that end."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Member(NamedTuple):
    """One file that is named like a snapshot.

    Attributes:
        name: As the archive has it; empty for a file that is no archive.
        content: Of the file; empty where it is refused.
        problem: Why it is refused.
    """

    name: str
    content: bytes
    problem: str = ""


def write_archive(file: IO[bytes], snapshots: Iterable[tuple[str, bytes]], *, packed: bool) -> int:
    """Write snapshots as an archive.

    Args:
        file: Where to; need not be seekable.
        snapshots: Id and document, uncompressed.
        packed: Compress the archive as a whole too, as its name says; it gains little.

    Returns:
        How many there were.

    Raises:
        OSError: It could not be written.
    """
    count = 0
    with tarfile.open(fileobj=file, mode="w|gz" if packed else "w|") as archive:
        for snapshot_id, document in snapshots:
            data = compressed(document)
            member = tarfile.TarInfo(snapshot_id + SUFFIX_GZIP)
            member.size, member.mode = len(data), 0o600
            member.mtime = min(int(seconds_of(snapshot_id)), _LATEST)
            archive.addfile(member, io.BytesIO(data))
            count += 1
    return count


def read_members(file: io.BufferedReader) -> Iterator[Member]:
    """Read the snapshots in an archive, compressed or not, or the one snapshot that the file is.

    Args:
        file: Its content; need not be seekable.

    Yields:
        Each file that is named like a snapshot, in the order of the archive. Folders and files
        of other names are passed over.

    Raises:
        SnapshotCorrupt: The archive is damaged or not worth reading on; what came before is read.
        OSError: The file cannot be read.
    """
    packed = file.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] == _GZIP_MAGIC
    stream: _Readable = gzip.GzipFile(fileobj=file) if packed else file
    try:
        begin = stream.read(_BLOCK)
        if _header(begin) is None:
            yield Member("", begin + stream.read(MAX_BYTES + 1 - len(begin)))
        else:
            yield from _Archive(stream, begin).members()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SnapshotCorrupt(f"damaged or cut short: {error}") from None


class _Archive:
    """An archive that is read from its begin to its end."""

    def __init__(self, stream: _Readable, begin: bytes) -> None:
        self._stream, self._begin = stream, begin
        self._passed_over = 0

    def members(self) -> Iterator[Member]:
        """Go through the files that are named like snapshots."""
        block, told = self._begin, ""
        while (header := _header(block)) is not None:
            if header.type in _OF_THE_NEXT and header.size <= _MOST_HEADER:
                told = _name_in(header.type, self._content(header.size)) or told
            else:
                header.name, told = told or header.name, ""
                yield from self._member(header)
            block = self._take(_BLOCK)
        if block.strip(b"\0"):
            raise SnapshotCorrupt("damaged: what should be a header is none")
        self._prove_whole()

    def _member(self, header: tarfile.TarInfo) -> Iterator[Member]:
        name = header.name.removeprefix("./")
        size = 0 if header.type in _WITHOUT_CONTENT else header.size
        wanted = id_of_file(name.rpartition("/")[2]) is not None
        problem = _problem(header, name)
        if not wanted or problem:
            self._pass_over(size)
        if wanted:
            yield Member(name, b"" if problem else self._content(size), problem)

    def _content(self, size: int) -> bytes:
        return self._take(_padded(size))[:size]

    def _pass_over(self, size: int) -> None:
        self._passed_over += max(size, _LEAST_PASSED_OVER)
        if self._passed_over > _MOST_PASSED_OVER:
            raise SnapshotCorrupt("it holds too much that is no snapshot; reading ended there")
        left = _padded(size)
        while left:
            left -= len(self._take(min(left, _LEAST_PASSED_OVER)))

    def _take(self, size: int) -> bytes:
        taken = self._stream.read(size)
        if len(taken) < size:
            raise EOFError("it ends early")
        return taken

    def _prove_whole(self) -> None:
        """Read the padding behind the last member: then the checksum of all is looked at."""
        left = _MOST_HEADER
        while left > 0 and (taken := self._stream.read(_LEAST_PASSED_OVER)):
            left -= len(taken)


def _header(block: bytes) -> tarfile.TarInfo | None:
    """What a block says of the member that follows; None where it is no header."""
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    return header if header.size >= 0 else None


def _name_in(kind: bytes, content: bytes) -> str:
    """The name in a header that exists for a long one alone; empty where it has none."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        name = content.rstrip(b"\0")
    else:
        found = _PAX_NAME.search(content)
        name = found[1] if found else b""
    return name.decode("utf-8", "surrogateescape")


def _problem(header: tarfile.TarInfo, name: str) -> str:
    if header.type not in _ORDINARY:
        return "is a link or no ordinary file, which is not followed"
    if name.startswith("/") or ".." in name.split("/"):
        return "leads out of its folder"
    if header.size > MAX_BYTES:
        return f"is larger than {MAX_BYTES >> 20} MiB, which no snapshot is"
    return ""


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
