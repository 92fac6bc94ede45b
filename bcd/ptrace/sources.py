"""The lines of source around the frames, read from the files while they are still the same."""

from __future__ import annotations

import posix
import sys
from _stat import S_ISREG  # `stat` takes more

from bcd.ptrace.redact import Redactor

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_LARGEST = 4 * 1024 * 1024
_LONGEST_LINE = 400
AROUND_ERROR = 4
AROUND_OTHER = 1

_MARK = b"\xef\xbb\xbf"
_FROZEN = "<frozen "


class Sources:
    """Collects the lines of one snapshot.

    Args:
        started: When the target started, in Unix time; a file changed later is not quoted.
        redactor: Replaces secrets.
        root: The folder in which the target sees its files, "" where that is as here.
    """

    def __init__(self, started: float | None, redactor: Redactor, root: str = "") -> None:
        self._root = root
        self._started = started
        self._redactor = redactor
        self._wanted: dict[str, set[int]] = {}
        self._kept: dict[str, dict[int, str]] = {}

    def want(self, frames: Iterable[dict[str, Any]], around: int) -> None:
        """Ask for the lines of frames and ``around`` lines before and after each."""
        for frame in frames:
            line = frame["line"]
            if line is None:
                continue
            last = max(line, min(frame["end_line"] or line, line + 10))
            wanted = self._wanted.setdefault(frame["file"], set())
            wanted.update(range(max(1, line - around), last + around + 1))

    def wanted_of_no_file(self) -> dict[str, set[int]]:
        """What is wanted of code whose name says, or whose absence shows, that it has no file."""
        return {
            name: wanted
            for name, wanted in self._wanted.items()
            if not name.startswith(_FROZEN) and not _exists(self._root + name)
        }

    def keep(self, name: str, lines: dict[int, str]) -> None:
        """Take the lines of code that has no file, by their numbers."""
        self._kept[name] = lines

    def read(self, folder: str) -> dict[str, dict[str, object]]:
        """Read what is wanted.

        Args:
            folder: The target's working directory, for files with a relative name.

        Returns:
            File → {line number: text}, or ``{"changed": true}``; unreadable files are left out.
        """
        found: dict[str, dict[str, object]] = {}
        for name, wanted in self._wanted.items():
            path = name if name.startswith("/") else f"{folder}/{name}"
            lines = self._lines(name, self._root + path, wanted)
            if lines:
                found[name] = lines
        return found

    def _lines(self, name: str, path: str, wanted: set[int]) -> dict[str, object]:
        if name in self._kept:
            return {str(line): self._line(text) for line, text in sorted(self._kept[name].items())}
        try:
            for status, content in _candidates(name, path):
                if self._started is not None and status.st_mtime > self._started + 1:
                    return {"changed": True}
                lines = _decoded(content(), sorted(wanted))
                return {str(line): self._line(text) for line, text in lines}
        except Exception:  # noqa: BLE001 - an archive may fail in any way; sources are the least
            return {}
        return {}

    def _line(self, text: str) -> str:
        if len(text) > _LONGEST_LINE:
            text = text[:_LONGEST_LINE] + "…"
        return self._redactor.source(text)


def _exists(name: str) -> bool:
    try:
        posix.stat(name)
    except (OSError, ValueError):
        return False
    return True


def _candidates(name: str, path: str) -> Iterator[tuple[posix.stat_result, Callable[[], bytes]]]:
    """The files that a frame's name may mean, those that are there, each with its content."""
    if name.startswith(_FROZEN):
        library = str(sys._stdlib_dir)  # type: ignore[attr-defined] # noqa: SLF001 - without os.py
        module = name[len(_FROZEN) : -1].replace(".", "/")
        paths = [f"{library}/{module}.py", f"{library}/{module}/__init__.py"]
    elif name.startswith("<"):
        return
    else:
        paths = [path]
    for candidate in paths:
        yield from _file(candidate)


def _file(path: str) -> Iterator[tuple[posix.stat_result, Callable[[], bytes]]]:
    try:
        status = posix.stat(path)
    except OSError:
        yield from _in_archive(path)
        return
    # A pipe or a device would keep the reader waiting for ever.
    if S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
        yield status, lambda: _content(path)


def _content(path: str) -> bytes:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(descriptor, min(posix.fstat(descriptor).st_size, _LARGEST))
    finally:
        posix.close(descriptor)


def _in_archive(path: str) -> Iterator[tuple[posix.stat_result, Callable[[], bytes]]]:
    """A file whose path leads into a zip archive, as those of zipped applications do."""
    from os.path import dirname, exists, isfile  # 1 ms, and few files are not there

    archive = dirname(path)
    while archive not in ("", "/") and not exists(archive):
        archive = dirname(archive)
    if not isfile(archive):
        return
    # Frozen into the interpreter, unlike zipfile, which takes 15 ms. Its public class has no sizes.
    from zipimport import _get_data, _read_directory  # type: ignore[attr-defined]

    entry = _read_directory(archive).get(path[len(archive) + 1 :])
    if entry is not None and max(entry[2:4]) <= _LARGEST:  # as packed, and as unpacked
        yield posix.stat(archive), lambda: _get_data(archive, entry)


def _decoded(raw: bytes, wanted: list[int]) -> list[tuple[int, str]]:
    """Lines of a file of source code, by their numbers, in the encoding that it names."""
    lines = _split(raw.removeprefix(_MARK), max(wanted[-1], 2))
    encoding = next(filter(None, map(_encoding, lines[:2])), "utf-8")
    found = [(line, lines[line - 1]) for line in wanted if line <= len(lines)]
    try:
        return [(line, text.decode(encoding, "replace")) for line, text in found]
    except (LookupError, ValueError):
        return [(line, text.decode("utf-8", "replace")) for line, text in found]


def _split(raw: bytes, most: int) -> list[bytes]:
    """So many lines from the start; what may come behind them is not worth the time."""
    if b"\r" in raw:
        return raw.splitlines()
    lines = raw.split(b"\n", most)
    if len(lines) > most or not lines[-1]:
        del lines[-1]
    return lines


def _encoding(line: bytes) -> str | None:
    """The encoding that a comment names. Source: PEP 263, without the 8 ms that ``re`` takes."""
    head, _, named = line.partition(b"coding")
    if not head.lstrip(b" \t\f").startswith(b"#") or named[:1] not in (b":", b"="):
        return None
    name = named[1:].lstrip(b" \t").decode("latin-1")
    end = next((i for i, c in enumerate(name) if not (c.isalnum() or c in "-_.")), len(name))
    return name[:end] or None
