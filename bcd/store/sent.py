"""Which snapshots of a folder a store was given: a note that saves work, never the truth.

The truth is the store, which takes each id once. The note keeps snapshots that the store has
removed again, by its own bounds, from being sent a second time as long as their files exist.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from bcd.snapshot.format import is_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Sent"]

_PREFIX = ".sent-"
_TO_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SPARE_LINES = 1000
_MOST_BYTES = 1 << 28


class Sent:
    """The ids that were sent from one folder to one store.

    They are kept in a file of the folder, a line each, which several programs may append to at
    once. Where it cannot be written it is done without.

    Args:
        folder: Path of the folder.
        place: The store, by the same name each time.
        again: Forget what was sent before.
    """

    def __init__(self, folder: str, place: str, *, again: bool = False) -> None:
        name = _PREFIX + blake2b(place.encode("utf-8", "replace"), digest_size=8).hexdigest()
        self._path = os.path.join(folder, name)  # noqa: PTH118 - surrogates, dots
        if again:
            with suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108 - surrogates
        lines = self._read()
        self._lines = len(lines)
        self._ids = {line for line in lines if is_id(line)}

    def __contains__(self, snapshot_id: str) -> bool:
        return snapshot_id in self._ids

    def add(self, snapshot_ids: Collection[str]) -> None:
        """Note that the store has these."""
        new = [each for each in snapshot_ids if each not in self._ids]
        self._ids.update(new)
        if new:
            self._append(new)

    def forget_others(self, snapshot_ids: Iterable[str]) -> None:
        """Note that only these are still in the folder."""
        self._ids.intersection_update(snapshot_ids)
        if self._lines > 2 * len(self._ids) + _SPARE_LINES:
            self._rewrite()

    def _read(self) -> list[str]:
        try:
            with open(os.open(self._path, _TO_READ), "rb") as file:  # noqa: PTH123 - a descriptor
                return file.read(_MOST_BYTES).decode("ascii", "replace").splitlines()
        except OSError:
            return []

    def _append(self, snapshot_ids: Collection[str]) -> None:
        # Begins with a line's end: the line before may have lost its own.
        data = "".join(f"\n{each}" for each in snapshot_ids).encode("ascii")
        with suppress(OSError):
            descriptor = os.open(self._path, _TO_APPEND, 0o600)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
            self._lines += len(snapshot_ids)

    def _rewrite(self) -> None:
        """Leave out what is no longer in the folder; what others append meanwhile may be lost."""
        temporary = f"{self._path}.{os.getpid()}"
        try:
            with open(os.open(temporary, _TO_APPEND, 0o600), "wb") as file:  # noqa: PTH123 - likewise
                file.write("\n".join(sorted(self._ids)).encode("ascii"))
            os.replace(temporary, self._path)  # noqa: PTH105 - surrogates
            self._lines = len(self._ids)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - surrogates
