"""The pipes between this process and a tracer, none of which is ever waited for here."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from bcd import _linux
from bcd._linux.libc import LIBC, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

__all__ = ["KEPT_BYTES", "Descriptors", "Feed", "Listener", "number_of"]

KEPT_BYTES = 64 * 1024
"""How much of each output is kept; the rest is read and thrown away."""

_CHUNK = 64 * 1024  # the capacity of a pipe. Source: pipe(7)
_LARGEST_PIPE = 1024 * 1024  # the default of /proc/sys/fs/pipe-max-size


class Descriptors:
    """Open descriptors of this process that have to be closed whatever happens."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()

    def open(self, function: Callable[..., int], *arguments: object) -> int:
        """Call a function of C that opens a descriptor and keeps the GIL; own what it opens."""
        opened, steps = self.opening(function, *arguments)
        _linux.in_one_call(steps)
        return opened[0]

    def opening(
        self, function: Callable[..., int], *arguments: object
    ) -> tuple[list[int], list[Callable[[], object]]]:
        """The steps by which :meth:`open` does that, and the list to which they add the number."""
        opened: list[int] = []
        opening = map(function, *([value] for value in arguments))
        return opened, [partial(opened.extend, opening), partial(self._numbers.update, opened)]

    def open_null(self) -> int:
        """Open the null device for reading, with the GIL kept, and own it.

        What gives the GIL up could return into a process that another thread has forked.
        """
        path = os.fsencode(os.devnull)
        number = self.open(LIBC.open, path, os.O_RDONLY | os.O_CLOEXEC)
        if number < 0:
            self._numbers.discard(number)
        return check(number, path)

    def pipe(self) -> tuple[int, int]:
        """Make a pipe, with the GIL kept, and own its ends: to read from, to write to."""
        return _linux.pipe(self._numbers)

    def close(self, *numbers: int) -> None:
        """Close descriptors, with the GIL kept; those closed before are not touched again."""
        for number in self._numbers.intersection(numbers):
            _linux.in_one_call(
                [partial(LIBC.close, number), partial(self._numbers.discard, number)]
            )

    def close_all(self) -> None:
        """Close every descriptor that is still open."""
        self.close(*self._numbers)


def number_of(file: object) -> int | None:
    """The descriptor of an open file, None for a reader or writer that has none."""
    if isinstance(file, int):
        return file
    try:
        number = file.fileno()  # type: ignore[attr-defined]  # that is the question
    except (AttributeError, OSError, ValueError):
        return None
    return number if isinstance(number, int) else None


def _pieces(source: bytes | IO[bytes]) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield from (source[at : at + _CHUNK] for at in range(0, len(source), _CHUNK))
        return
    while piece := source.read(_CHUNK):
        yield bytes(piece)


class Feed:
    """Standard input through a pipe.

    Its end to read from stays open here as long as the one to write to: a tracer that does not
    read cannot cause a SIGPIPE then, which would end a program that restored its default.

    Attributes:
        ends: To read from and to write to.
        fault: What went wrong with the caller's reader.
    """

    def __init__(
        self, ends: tuple[int, int], source: bytes | IO[bytes], *, more_to_come: bool
    ) -> None:
        self.ends = ends
        self.fault: str | None = None
        self._pieces = _pieces(source)
        self._piece = b""
        self._more_to_come = more_to_come
        _linux.set_nonblocking(ends[1])

    @property
    def unwritten(self) -> bool:
        """Whether there is something that did not fit into the pipe."""
        return bool(self._piece)

    def add_last(self, data: bytes) -> None:
        """Append the end of the input to what is not written yet."""
        self._piece += b"".join(self._pieces) + data
        self._more_to_come = False

    def push(self) -> bool:
        """Write what fits, with the GIL kept.

        Returns:
            Whether everything that is known was written.
        """
        while self._piece or self._next():
            try:
                written = _linux.write(self.ends[1], self._piece)
            except BlockingIOError:
                return False
            self._piece = self._piece[written:]
        return True

    def finish(self) -> bool:
        """Write what fits; returns whether that was the end of the input."""
        return self.push() and not self._more_to_come

    def _next(self) -> bool:
        try:
            self._piece = next(self._pieces, b"")
        except Exception as error:  # noqa: BLE001 - the reader is the caller's
            self.fault = f"its standard input could not be read: {error!r}"
        return bool(self._piece)


class Listener:
    """An output through a pipe: kept in part, or passed to a writer.

    Attributes:
        end: To read from.
        kept: The first :data:`KEPT_BYTES` where there is no writer.
        fault: What went wrong with the caller's writer; what comes later is thrown away.
    """

    def __init__(self, end: int, writer: IO[bytes] | None) -> None:
        self.end = end
        self.kept = bytearray()
        self.fault: str | None = None
        self._writer = writer
        _linux.set_nonblocking(end)

    def read(self) -> int:
        """Read once.

        Returns:
            How many bytes came, 0 at the end, -1 when there are none now.
        """
        try:
            data = _linux.read(self.end, _CHUNK)
        except BlockingIOError:
            return -1
        if self._writer is None:
            self.kept += data[: KEPT_BYTES - len(self.kept)]
        elif data and self.fault is None:
            self._pass_on(self._writer, data)
        return len(data)

    def listen(self) -> bool:
        """Read once; returns whether there may be more."""
        return self.read() != 0

    def _pass_on(self, writer: IO[bytes], data: bytes) -> None:
        try:
            writer.write(data)
        except Exception as error:  # noqa: BLE001 - the writer is the caller's
            self.fault = f"its output could not be written: {error!r}"

    def drain(self) -> None:
        """Read what a tracer that ended has left, but not what its descendants go on writing."""
        left = _LARGEST_PIPE
        while left > 0 and (got := self.read()) > 0:
            left -= got
