"""Pipes and waiting, with the GIL kept."""

from __future__ import annotations

import errno
import math
import os
import struct
import time
from functools import partial

from bcd._linux.libc import LIBC, check, ctypes, failure, in_one_call

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "close",
    "closing",
    "pipe",
    "poll",
    "read",
    "set_nonblocking",
    "take_number",
    "write",
]

# Source: asm-generic/fcntl.h, asm-generic/poll.h
_F_GETFL, _F_SETFL = 3, 4
_POLLIN = 1


def pipe(numbers: set[int] | None = None) -> tuple[int, int]:
    """Make a pipe that programs started later do not inherit.

    Args:
        numbers: The ends are added to it by the call that makes them, so that a process which
            another thread forks knows of them.

    Returns:
        The end to read from and the end to write to.
    """
    ends = (ctypes.c_int * 2)(-1, -1)
    known = set() if numbers is None else numbers
    closing = map(LIBC.close, ends)  # takes from the array when it runs, not now
    making = partial(LIBC.pipe2, ends, os.O_CLOEXEC)
    try:
        check(in_one_call([making, partial(known.update, ends)])[0])
    except BaseException:
        list(closing)
        known.difference_update(ends)
        raise
    return ends[0], ends[1]


def set_nonblocking(descriptor: int) -> None:
    """Let reads and writes fail with ``BlockingIOError`` where they would have to wait."""
    flags = check(LIBC.fcntl(descriptor, _F_GETFL, 0))
    check(LIBC.fcntl(descriptor, _F_SETFL, flags | os.O_NONBLOCK))


def write(descriptor: int, data: bytes) -> int:
    """Write what fits and keep the GIL; on a blocking descriptor that is a wait for everybody.

    Returns:
        How many bytes were written.
    """
    return check(LIBC.write(descriptor, data, len(data)))


def read(descriptor: int, size: int) -> bytes:
    """Read at most ``size`` bytes and keep the GIL; empty at the end."""
    buffer = ctypes.create_string_buffer(size)
    got = check(LIBC.read(descriptor, buffer, size))
    return buffer.raw[:got]


def close(descriptor: int) -> None:
    """Close a descriptor; one that is closed already is no error."""
    LIBC.close(descriptor)


def closing(opened: list[int]) -> Iterator[object]:
    """Prepare to close what a list of descriptors will hold by then.

    Returns:
        An iterator to be used up by ``list()``, once.
    """
    return map(LIBC.close, opened)


def take_number(opened: list[int]) -> None:
    """Take a number for a descriptor that comes later.

    Args:
        opened: The call that takes it appends it.
    """
    nothing = map(LIBC.eventfd, (0,), (os.O_CLOEXEC,))  # it needs no file. Source: eventfd(2)
    in_one_call([partial(opened.extend, nothing)])
    if opened[-1] < 0:
        opened.pop()
        raise failure()


def poll(descriptor: int, milliseconds: float) -> bool:
    """Wait, with the GIL kept, until a descriptor has something to read or its peer hung up.

    Returns:
        False when the time is over.
    """
    end = time.monotonic() + milliseconds / 1000
    request = ctypes.create_string_buffer(struct.pack("=ihh", descriptor, _POLLIN, 0), 8)
    while True:
        left = max(0, math.ceil((end - time.monotonic()) * 1000))
        ready = LIBC.poll(request, 1, left)
        if ready > 0:
            return True
        if ready < 0 and ctypes.get_errno() != errno.EINTR:
            raise failure()
        if time.monotonic() >= end:
            return False
