"""Which libraries frames come from, by the paths of their files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.snapshot.model import Frame

__all__ = ["packages_of"]

_NAMED = 4
_LIBRARIES = re.compile(r".*/(?:(?:site|dist)-packages|lib(?:64)?/python\d[^/]*)/", re.DOTALL)


def packages_of(frames: Sequence[Frame]) -> str:
    """Name the packages of frames, in the order of the frames, the first few of many."""
    names = list(dict.fromkeys(_package(frame.file) for frame in frames))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _package(file: str) -> str:
    below, found = _LIBRARIES.subn("", file)
    name = below.partition("/")[0] if found else file.rpartition("/")[0].rpartition("/")[2]
    return (name or file).removesuffix(".py")
