"""The lines of source around the frames, read from the files while they are still the same."""

from __future__ import annotations

import os
import stat

from bcd.ptrace.redact import Redactor

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_LARGEST = 4 * 1024 * 1024
_LONGEST_LINE = 400
AROUND_ERROR = 4
AROUND_OTHER = 1


class Sources:
    """Collects the lines of one snapshot.

    Args:
        folder: The target's working directory, for files with a relative name.
        started: When the target started, in Unix time; a file changed later is not quoted.
        redactor: Replaces secrets.
        root: The folder in which the target sees its files, "" where that is as here.
    """

    def __init__(
        self, folder: str, started: float | None, redactor: Redactor, root: str = ""
    ) -> None:
        self._root = root
        self._folder = folder
        self._started = started
        self._redactor = redactor
        self._wanted: dict[str, set[int]] = {}

    def want(self, frames: Iterable[dict[str, Any]], around: int) -> None:
        """Ask for the lines of frames and ``around`` lines before and after each."""
        for frame in frames:
            line = frame["line"]
            if line is None or frame["file"].startswith("<"):
                continue
            last = max(line, min(frame["end_line"] or line, line + 10))
            wanted = self._wanted.setdefault(frame["file"], set())
            wanted.update(range(max(1, line - around), last + around + 1))

    def read(self) -> dict[str, dict[str, object]]:
        """File → {line number: text}, or ``{"changed": true}``; unreadable files are left out."""
        found: dict[str, dict[str, object]] = {}
        for name, wanted in self._wanted.items():
            path = self._root + os.path.join(self._folder, name)
            lines = self._lines(path, wanted)
            if lines:
                found[name] = lines
        return found

    def _lines(self, path: str, wanted: set[int]) -> dict[str, object]:
        try:
            status = os.stat(path)
            # A pipe or a device would keep the reader waiting for ever.
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                return {}
            if self._started is not None and status.st_mtime > self._started + 1:
                return {"changed": True}
            with open(path, "rb") as file:
                lines = file.read(_LARGEST).split(b"\n")
        except (OSError, ValueError):  # a name that holds a null byte is no file either
            return {}
        return {
            str(line): self._line(lines[line - 1]) for line in sorted(wanted) if line <= len(lines)
        }

    def _line(self, raw: bytes) -> str:
        text = raw.rstrip(b"\r\f").decode("utf-8", "replace")
        if len(text) > _LONGEST_LINE:
            text = text[:_LONGEST_LINE] + "…"
        return self._redactor.source(text)
