"""This process, its memory, and the copy of it."""

from __future__ import annotations

import errno
import os
import signal
from _thread import get_native_id
from functools import partial
from operator import call

from bcd._linux.descriptors import closing, read
from bcd._linux.libc import LIBC, SIGNAL_SET_BYTES, ctypes, failure, in_one_call, loaded

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "child_cell",
    "child_id",
    "copy_memory",
    "enable_tracing",
    "kill_and_reap",
    "native_thread_id",
    "open_memory",
    "reaping",
    "resident_bytes",
]

# Source: linux/sched.h, linux/prctl.h, linux/wait.h
_CLONE_FILES = 0x00000400
_CLONE_PARENT_SETTID = 0x00100000
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_PR_SET_PTRACER, _PR_SET_PTRACER_ANY = 0x59616D61, -1
_P_PID, _WEXITED, _WALL = 1, 4, 0x40000000
_LONGEST_PATH = 32
_NO_CHILD = 2**31 - 1  # no process id gets this large: PID_MAX_LIMIT is 2**22


def native_thread_id() -> int:
    """The kernel's id of the calling thread; right in a forked child too."""
    return get_native_id()


def enable_tracing() -> bool:
    """Let any process of the same user attach to this one, where Yama allows it to parents only.

    That is Yama's ``ptrace_scope`` 1, Ubuntu's default. Tracers that attach need it (those of
    other makers); bcd's own does not. A child that is forked later has to call it itself.

    Returns:
        False, with nothing changed, where there is no such permission to give: on another
        system, without the C library, or if the kernel refused. A kernel without Yama needs no
        permission, which is True.

    Source: PR_SET_PTRACER(2const).
    """
    if not loaded():
        return False
    refused = LIBC.prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
    return not refused or ctypes.get_errno() == errno.EINVAL


def resident_bytes() -> int:
    """How much of this process is in memory; 0 where ``/proc`` does not tell."""
    opened: list[int] = []
    ending = closing(opened)
    try:
        opened.extend(map(LIBC.open, (b"/proc/self/statm",), (os.O_RDONLY | os.O_CLOEXEC,)))
        fields = read(opened[0], 256).split()
    except OSError:
        return 0
    finally:
        list(ending)
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _dumpable_while(step: Callable[[], object]) -> list[Callable[[], object]]:
    """Let a step happen while the files in ``/proc/self`` belong to the process's own user.

    After root became another user they belong to root, and the process cannot open its own
    memory. The former state 2 ("readable by root only") cannot be set again, so it becomes 0.
    Source: PR_SET_DUMPABLE(2const), proc_pid(5).
    """
    if LIBC.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 1:
        return [step]
    return [
        partial(LIBC.prctl, _PR_SET_DUMPABLE, 1, 0, 0, 0),
        step,
        partial(LIBC.prctl, _PR_SET_DUMPABLE, 0, 0, 0, 0),
    ]


def open_memory(number: int) -> None:
    """Let an open descriptor be that of the memory of this process, for reading.

    Args:
        number: The descriptor; it stays close-on-exec. The offset is the address.

    Raises:
        OSError: With the path in ``/proc`` as ``filename``.
    """
    opening = _Opening(b"/proc/self/mem", number)
    in_one_call([*_dumpable_while(opening.first), *opening.others])
    opening.check(b"/proc/self/mem")


class _Opening:
    """The steps by which a descriptor that is open becomes that of another file.

    Args:
        path: Of the file; read when the steps run.
        number: The descriptor.

    Attributes:
        first: The step that opens.
        others: Those that follow, which do nothing where it failed.
    """

    def __init__(self, path: bytes | ctypes.Array[ctypes.c_char], number: int) -> None:
        found: list[int] = []
        self._moved: list[int] = []
        opened = partial(filter, (-1).__ne__)  # C, as all of it has to be
        opening = map(LIBC.open, (path,), (os.O_RDONLY | os.O_CLOEXEC,))
        moving = map(LIBC.dup3, opened(found), (number,), (os.O_CLOEXEC,))
        self.first: Callable[[], object] = partial(found.extend, opening)
        self.others: list[Callable[[], object]] = [
            partial(self._moved.extend, moving),
            partial(list, map(LIBC.close, opened(found))),
        ]

    def check(self, path: bytes) -> None:
        """Raise ``OSError`` if the descriptor is not that of the file."""
        if self._moved in ([], [-1]):
            raise failure(path)


def child_cell() -> ctypes.c_int:
    """A place for the id of a child process; at first that of none."""
    return ctypes.c_int(_NO_CHILD)


def child_id(child: ctypes.c_int) -> int | None:
    """The process id in a place from :func:`child_cell`, or None."""
    return None if child.value == _NO_CHILD else child.value


def copy_memory(seconds: int, child: ctypes.c_int, number: int) -> None:
    """Copy this process, and let an open descriptor be that of the copy's memory, for reading.

    The copy runs nothing but the C library's ``sleep`` and then ends. No Python and no at-fork
    handler runs in it, all its signals are blocked, its end sends no signal and is invisible to
    ``waitpid(-1)``. It shares the table of descriptors, so it keeps no file or socket open that
    this process closes.

    Both is done in one call: after the copy was made, each page that is written to for the
    first time costs 2 to 4 µs, and Python code writes to many.

    Args:
        seconds: After which the copy ends by itself.
        child: From :func:`child_cell`; the kernel writes the copy's process id there.
        number: The descriptor; it stays close-on-exec. The offset is the address.

    Raises:
        OSError: No copy was made: a sandbox, a limit on processes, or memory. Or there is one
            and its memory could not be opened; its path is the ``filename`` then.
    """
    before = ctypes.create_string_buffer(SIGNAL_SET_BYTES)
    path = ctypes.create_string_buffer(_LONGEST_PATH)
    cloning = _dumpable_while(
        partial(
            LIBC.clone,
            LIBC.sleep,
            LIBC.stack_top,
            _CLONE_FILES | _CLONE_PARENT_SETTID,
            seconds,
            ctypes.byref(child),
        )
    )
    opening = _Opening(path, number)
    results = in_one_call(
        [
            partial(LIBC.mask, signal.SIG_SETMASK, LIBC.every_signal, before),
            *cloning,
            ctypes.get_errno,
            partial(LIBC.mask, signal.SIG_SETMASK, before, None),
            partial(LIBC.format, path, _LONGEST_PATH, b"/proc/%d/mem", child),
            opening.first,
            *opening.others,
        ]
    )
    if child.value == _NO_CHILD:
        raise failure(code=results[1 + len(cloning)])
    opening.check(path.value)


def reaping(child: ctypes.c_int) -> Iterator[object]:
    """Prepare to kill a child and to wait for its end.

    Args:
        child: From :func:`child_cell`; read when the steps run, and then set to none.

    Returns:
        An iterator to be used up by ``list()``, once. It keeps the signals blocked, so that
        no wait is cut short, and releases the GIL while it waits.
    """
    before = ctypes.create_string_buffer(SIGNAL_SET_BYTES)
    steps: list[Callable[[], object]] = [
        partial(LIBC.mask, signal.SIG_SETMASK, LIBC.every_signal, before),
        partial(LIBC.kill, child, signal.SIGKILL),
        partial(LIBC.waitid, _P_PID, child, None, _WEXITED | _WALL),
        partial(setattr, child, "value", _NO_CHILD),
        partial(LIBC.mask, signal.SIG_SETMASK, before, None),
    ]
    return map(call, steps)


def kill_and_reap(pid: int) -> None:
    """End a child of this process and wait for that; no error when it is gone already."""
    list(reaping(ctypes.c_int(pid)))
