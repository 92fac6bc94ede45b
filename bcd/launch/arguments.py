"""What is to be started, and arguments that can always be passed to it (rule 10)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

__all__ = ["LONGEST_ARGUMENT", "Program", "argument"]

LONGEST_ARGUMENT = 128 * 1024 - 1
"""Bytes that the kernel takes in one argument. Source: MAX_ARG_STRLEN, execve(2)."""

_CUT = 16 * 1024
_MARK = b"...[cut]"


class Program(Protocol):
    """What is to be started: the fields of ``bcd.tracer.Command``, which explains them."""

    @property
    def argv(self) -> Sequence[str | bytes]:
        """The program's path and its arguments."""

    @property
    def cwd(self) -> str | None:
        """Working directory."""

    @property
    def env(self) -> Mapping[str, str] | None:
        """Environment."""

    @property
    def stdin(self) -> int | bytes | IO[bytes] | None:
        """Standard input."""

    @property
    def stdout(self) -> int | IO[bytes] | None:
        """Standard output."""

    @property
    def stderr(self) -> int | IO[bytes] | None:
        """Standard error."""

    @property
    def descriptors(self) -> Mapping[int, int]:
        """Further descriptors."""

    @property
    def released_by(self) -> int | None:
        """Number of the descriptor that the tracer closes when the program may go on."""


def argument(value: str | bytes) -> bytes:
    """Make one argument of a program that can be passed whatever it holds.

    Surrogates that stand for the bytes of a file's name become those bytes again, as everywhere
    in ``os``; text of unknown origin has to be made harmless before (``bcd.engine``).

    Args:
        value: Any text or bytes.

    Returns:
        The bytes, with NUL replaced by U+FFFD and what the file system's encoding cannot hold
        escaped; more than :data:`LONGEST_ARGUMENT` is cut at 16 KiB, and marked.
    """
    data = _encoded(value) if isinstance(value, str) else value
    if b"\0" in data:
        data = data.replace(b"\0", _encoded("\ufffd"))
    if len(data) > LONGEST_ARGUMENT:
        data = data[: _CUT - len(_MARK)] + _MARK
    return data


def _encoded(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode(sys.getfilesystemencoding(), "backslashreplace")
