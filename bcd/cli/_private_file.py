"""Files that a command writes: private like the snapshots, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["private_file"]


@contextmanager
def private_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file for writing that only its owner can read.

    It gets its name when the block ends well; a pipe or a device stays what it is.

    Args:
        path: Its name; a file that has it already is replaced.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    place = Path(path)
    if place.exists() and not place.is_file():
        with place.open("wb") as stream:
            yield stream
        return
    handle, name = tempfile.mkstemp(prefix=".bcd-", suffix=".tmp", dir=place.parent)
    temporary = Path(name)
    try:
        with open(handle, "wb") as stream:  # noqa: PTH123 - a descriptor
            yield stream
            stream.flush()
            os.fsync(handle)
        temporary.replace(place)
    except BaseException:
        temporary.unlink()
        raise
