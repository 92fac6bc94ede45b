"""The few calls of Linux and its C library that bcd needs, made so that nothing else can run.

They go through ``ctypes.PyDLL``, which keeps the GIL: what ``os`` offers gives it up, and in a
program with busy threads each time may cost a switch interval (5 ms) to get it back. While the
GIL is kept no other thread of the program moves.

The interpreter runs the program's signal handlers in its main thread, after any call of a C
function and on entry to any Python function, and a handler may raise. So what must not be lost
(a process id, a descriptor) is recorded by the C call itself, and steps that belong together
are chained with :func:`in_one_call`.
Source: ``CHECK_EVAL_BREAKER`` in CPython's ``Python/ceval.c`` and ``Python/bytecodes.c``.

The module can be imported anywhere; :func:`unavailable` says whether it can be used.
"""

from __future__ import annotations

import errno
import math
import os
import signal
import struct
import sys
import time
from _thread import get_native_id
from functools import partial
from operator import call
from pathlib import Path

try:
    import ctypes
except ImportError:  # an interpreter built without libffi
    _CTYPES = False
else:
    _CTYPES = True

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

__all__ = [
    "child_cell",
    "clone_sleeper",
    "close",
    "enable_tracing",
    "in_one_call",
    "kill_and_reap",
    "native_thread_id",
    "open_memory",
    "pipe",
    "poll",
    "read",
    "reaping",
    "resident_bytes",
    "set_nonblocking",
    "spawn",
    "unavailable",
    "write",
]

_MACHINES = ("x86_64", "aarch64")
_STACK_BYTES = 64 * 1024
_SIGNAL_SET_BYTES = 128
_SPAWN_OBJECT_BYTES = 512  # glibc: 336 and 80, musl: 336 and 76

# Source: linux/sched.h, linux/prctl.h, linux/wait.h, spawn.h
_CLONE_FILES = 0x00000400
_CLONE_PARENT_SETTID = 0x00100000
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_NO_CHILD = 2**31 - 1  # no process id gets this large: PID_MAX_LIMIT is 2**22
_PR_SET_PTRACER, _PR_SET_PTRACER_ANY = 0x59616D61, -1
_P_PID, _WEXITED, _WALL = 1, 4, 0x40000000
_F_GETFL, _F_SETFL = 3, 4
_POLLIN = 1
_SPAWN_SETPGROUP, _SPAWN_SETSIGDEF, _SPAWN_SETSIGMASK = 0x02, 0x04, 0x08


class _Libc:
    """The functions of the C library; all keep the GIL, save ``waitid``."""

    def __init__(self) -> None:
        self._held = ctypes.PyDLL(None, use_errno=True)
        integer, long, pointer = ctypes.c_int, ctypes.c_long, ctypes.c_void_p
        text, count = ctypes.c_char_p, ctypes.c_size_t
        self.open = self._take("open", text, integer)
        self.close = self._take("close", integer)
        self.read = self._take("read", integer, pointer, count, result=ctypes.c_ssize_t)
        self.write = self._take("write", integer, text, count, result=ctypes.c_ssize_t)
        self.pipe2 = self._take("pipe2", pointer, integer)
        self.fcntl = self._take("fcntl", integer, integer, long)
        self.poll = self._take("poll", pointer, ctypes.c_ulong, integer)
        self.prctl = self._take("prctl", integer, long, long, long, long)
        self.mask = self._take("pthread_sigmask", integer, pointer, pointer)
        self.kill = self._take("kill", integer, integer)
        self.clone = self._take("clone", pointer, pointer, integer, pointer, pointer)
        self.sleep = ctypes.cast(self._held.sleep, pointer)
        self.posix_spawn = self._take("posix_spawn", *[pointer] * 6)
        self.spawn_step = self._spawn_functions()
        self.waitid = ctypes.CDLL(None, use_errno=True).waitid
        self.waitid.argtypes = [integer, integer, pointer, integer]
        self.environ = pointer.in_dll(self._held, "environ")
        self.every_signal = ctypes.create_string_buffer(b"\xff" * _SIGNAL_SET_BYTES)
        self.no_signal = ctypes.create_string_buffer(_SIGNAL_SET_BYTES)
        self._stack = ctypes.create_string_buffer(_STACK_BYTES)
        # "16-byte aligned top": the ABI of both machines
        self.stack_top = (ctypes.addressof(self._stack) + _STACK_BYTES) & ~15

    def _take(self, name: str, *arguments: Any, result: Any = None) -> Callable[..., int]:
        function = getattr(self._held, name)
        function.argtypes = arguments
        function.restype = result or ctypes.c_int
        return function  # type: ignore[no-any-return]  # ctypes knows no signatures

    def _spawn_functions(self) -> dict[str, Callable[..., int]]:
        """``posix_spawn``'s helpers by the rest of their names; the ``_np`` ones may be missing."""
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        wanted: dict[str, tuple[Any, ...]] = {
            "_file_actions_init": (pointer,),
            "_file_actions_destroy": (pointer,),
            "_file_actions_adddup2": (pointer, integer, integer),
            "_file_actions_addclose": (pointer, integer),
            "_file_actions_addclosefrom_np": (pointer, integer),
            "_file_actions_addchdir_np": (pointer, ctypes.c_char_p),
            "attr_init": (pointer,),
            "attr_destroy": (pointer,),
            "attr_setflags": (pointer, ctypes.c_short),
            "attr_setsigmask": (pointer, pointer),
            "attr_setsigdefault": (pointer, pointer),
        }
        return {
            name: self._take(f"posix_spawn{name}", *arguments)
            for name, arguments in wanted.items()
            if hasattr(self._held, f"posix_spawn{name}")
        }


_libc: _Libc
_fault: str | None = None
if _CTYPES and sys.platform == "linux":
    try:
        _libc = _Libc()
    except (AttributeError, OSError, ValueError) as error:
        _fault = f"the C library lacks what bcd needs ({error})"


def unavailable() -> str | None:
    """Say why the memory of this interpreter cannot be frozen and read.

    Returns:
        The reason in plain words, to follow "because"; None where all is well.
    """
    if sys.platform != "linux":
        return f"bcd reads memory through Linux's /proc, and this is {sys.platform}"
    if sys.implementation.name != "cpython":
        return f"bcd reads the memory of CPython only, and this is {sys.implementation.name}"
    if "t" in sys.abiflags:
        return "this is a free-threaded build, where holding the GIL stops nobody"
    if os.uname().machine not in _MACHINES:
        return f"bcd was made for {' and '.join(_MACHINES)}, and this is {os.uname().machine}"
    if not _CTYPES:
        return "this Python was built without ctypes (libffi was missing)"
    return _fault


def _failure(path: str | bytes | None = None, code: int = 0) -> OSError:
    code = code or ctypes.get_errno()
    return OSError(code, os.strerror(code), os.fsdecode(path) if path is not None else None)


def _check(result: int, path: str | bytes | None = None) -> int:
    if result < 0:
        raise _failure(path)
    return result


def in_one_call(steps: Iterable[Callable[[], object]]) -> list[object]:
    """Run functions of C one after the other, without a signal handler of Python in between.

    Args:
        steps: Functions made in C, their arguments bound by ``functools.partial``.

    Returns:
        Their results, in order.
    """
    return list(map(call, steps))


def native_thread_id() -> int:
    """The kernel's id of the calling thread; right in a forked child too."""
    return get_native_id()


def enable_tracing() -> None:
    """Allow any process of the same user to attach to this one (Yama's ``ptrace_scope`` 1).

    Raises:
        OSError: The kernel refused. A kernel without Yama needs no permission and is no error.
    """
    refused = _libc.prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
    if refused and ctypes.get_errno() != errno.EINVAL:
        raise _failure()


def pipe() -> tuple[int, int]:
    """Make a pipe that programs started later do not inherit.

    Returns:
        The end to read from and the end to write to.
    """
    ends = (ctypes.c_int * 2)(-1, -1)
    try:
        _check(_libc.pipe2(ends, os.O_CLOEXEC))
    except BaseException:
        list(map(_libc.close, ends))
        raise
    return ends[0], ends[1]


def set_nonblocking(descriptor: int) -> None:
    """Let reads and writes fail with ``BlockingIOError`` where they would have to wait."""
    flags = _check(_libc.fcntl(descriptor, _F_GETFL, 0))
    _check(_libc.fcntl(descriptor, _F_SETFL, flags | os.O_NONBLOCK))


def write(descriptor: int, data: bytes) -> int:
    """Write what fits and keep the GIL; on a blocking descriptor that is a wait for everybody.

    Returns:
        How many bytes were written.
    """
    return _check(_libc.write(descriptor, data, len(data)))


def read(descriptor: int, size: int) -> bytes:
    """Read at most ``size`` bytes and keep the GIL; empty at the end."""
    buffer = ctypes.create_string_buffer(size)
    got = _check(_libc.read(descriptor, buffer, size))
    return buffer.raw[:got]


def close(descriptor: int) -> None:
    """Close a descriptor; one that is closed already is no error."""
    _libc.close(descriptor)


def poll(descriptor: int, milliseconds: float) -> bool:
    """Wait, with the GIL kept, until a descriptor has something to read or its peer hung up.

    Returns:
        False when the time is over.
    """
    end = time.monotonic() + milliseconds / 1000
    request = ctypes.create_string_buffer(struct.pack("=ihh", descriptor, _POLLIN, 0), 8)
    while True:
        left = max(0, math.ceil((end - time.monotonic()) * 1000))
        ready = _libc.poll(request, 1, left)
        if ready > 0:
            return True
        if ready < 0 and ctypes.get_errno() != errno.EINTR:
            raise _failure()
        if time.monotonic() >= end:
            return False


def resident_bytes() -> int:
    """How much of this process is in memory; 0 where ``/proc`` does not tell."""
    descriptor = _libc.open(b"/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fields = read(descriptor, 256).split()
    except OSError:
        return 0
    finally:
        _libc.close(descriptor)
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _dumpable_while(step: Callable[[], object]) -> list[Callable[[], object]]:
    """Let a step happen while the files in ``/proc/self`` belong to the process's own user.

    After root became another user they belong to root, and the process cannot open its own
    memory. The former state 2 ("readable by root only") cannot be set again, so it becomes 0.
    Source: PR_SET_DUMPABLE(2const), proc_pid(5).
    """
    before = _libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
    if before == 1:
        return [step]
    return [
        partial(_libc.prctl, _PR_SET_DUMPABLE, 1, 0, 0, 0),
        step,
        partial(_libc.prctl, _PR_SET_DUMPABLE, 0, 0, 0, 0),
    ]


def open_memory(pid: int | None) -> int:
    """Open the memory of this process (None) or of a child for reading.

    Returns:
        A descriptor that programs started later do not inherit; the offset is the address.

    Raises:
        OSError: With the path in ``/proc`` as ``filename``.
    """
    path = b"/proc/%s/mem" % (b"self" if pid is None else b"%d" % pid)
    opened: list[int] = []
    opening = map(_libc.open, (path,), (os.O_RDONLY | os.O_CLOEXEC,))
    step: Callable[[], object] = partial(opened.extend, opening)
    try:
        in_one_call(_dumpable_while(step) if pid is None else [step])
        _check(opened[0], path)
    except BaseException:
        list(map(_libc.close, opened))
        raise
    return opened[0]


def child_cell() -> ctypes.c_int:
    """A place for the id of a child process; at first that of none."""
    return ctypes.c_int(_NO_CHILD)


def clone_sleeper(seconds: int, child: ctypes.c_int) -> None:
    """Copy this process; the copy runs nothing but the C library's ``sleep`` and then ends.

    No Python and no at-fork handler runs in the copy, all its signals are blocked, its end
    sends no signal and is invisible to ``waitpid(-1)``. It shares the table of descriptors, so
    it keeps no file or socket open that this process closes.

    Args:
        seconds: After which the copy ends by itself.
        child: From :func:`child_cell`; the kernel writes the copy's process id there.

    Raises:
        OSError: No copy was made: a sandbox, a limit on processes, or memory.
    """
    before = ctypes.create_string_buffer(_SIGNAL_SET_BYTES)
    cloning = partial(
        _libc.clone,
        _libc.sleep,
        _libc.stack_top,
        _CLONE_FILES | _CLONE_PARENT_SETTID,
        seconds,
        ctypes.byref(child),
    )
    in_one_call(
        [
            partial(_libc.mask, signal.SIG_SETMASK, _libc.every_signal, before),
            *_dumpable_while(cloning),
            partial(_libc.mask, signal.SIG_SETMASK, before, None),
        ]
    )
    if child.value == _NO_CHILD:
        raise _failure()


def reaping(child: ctypes.c_int) -> Iterator[object]:
    """Prepare to kill a child and to wait for its end.

    Args:
        child: From :func:`child_cell`; read when the steps run, and then set to none.

    Returns:
        An iterator to be used up by ``list()`` or :func:`in_one_call`, once. It keeps the
        signals blocked, so that no wait is cut short, and releases the GIL while it waits.
    """
    before = ctypes.create_string_buffer(_SIGNAL_SET_BYTES)
    steps: list[Callable[[], object]] = [
        partial(_libc.mask, signal.SIG_SETMASK, _libc.every_signal, before),
        partial(_libc.kill, child, signal.SIGKILL),
        partial(_libc.waitid, _P_PID, child, None, _WEXITED | _WALL),
        partial(setattr, child, "value", _NO_CHILD),
        partial(_libc.mask, signal.SIG_SETMASK, before, None),
    ]
    return map(call, steps)


def kill_and_reap(pid: int) -> None:
    """End a child of this process and wait for that; no error when it is gone already."""
    list(reaping(ctypes.c_int(pid)))


def spawn(
    argv: Sequence[str | bytes],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    descriptors: Mapping[int, int],
) -> int:
    """Start a program with the GIL kept; it leads a process group of its own.

    All its signals have their default actions and none is blocked.

    Args:
        argv: The program's path, not looked up in ``PATH``, and its arguments.
        env: Its environment; None inherits.
        cwd: Its working directory; None inherits.
        descriptors: Descriptor number in the program → descriptor in this process. 0, 1 and 2
            have to be there. With glibc 2.34 or newer nothing else is inherited; before, what
            was made inheritable is.

    Returns:
        The process id.

    Raises:
        OSError: With the program's path, or the working directory, as ``filename``.
        ValueError: A NUL in ``argv`` or ``env``.
    """
    arguments = [os.fsencode(argument) for argument in argv]
    pairs = () if env is None else env.items()
    variables = [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in pairs]
    child = child_cell()
    actions = _file_actions(descriptors, cwd)
    try:
        code = _libc.posix_spawn(
            ctypes.byref(child),
            arguments[0],
            actions,
            _spawn_attributes(),
            _strings(arguments),
            _libc.environ if env is None else _strings(variables),
        )
        _libc.spawn_step["_file_actions_destroy"](actions)
    except BaseException:
        list(reaping(child))
        raise
    if code:
        raise _failure(_culprit(arguments[0], cwd), code)
    return child.value


def _strings(items: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    if any(b"\0" in item for item in items):
        raise ValueError("a NUL cannot be part of a program's argument or environment")
    return (ctypes.c_char_p * (len(items) + 1))(*items, None)


def _culprit(program: bytes, cwd: str | None) -> str | bytes:
    """The path that a failed start is about; the kernel's answer is the same for both."""
    return program if cwd is None or Path(cwd).is_dir() else cwd


def _spawn_attributes() -> ctypes.Array[ctypes.c_char]:
    attributes = ctypes.create_string_buffer(_SPAWN_OBJECT_BYTES)
    _libc.spawn_step["attr_init"](attributes)
    _libc.spawn_step["attr_setsigmask"](attributes, _libc.no_signal)
    _libc.spawn_step["attr_setsigdefault"](attributes, _libc.every_signal)
    flags = _SPAWN_SETPGROUP | _SPAWN_SETSIGDEF | _SPAWN_SETSIGMASK
    _libc.spawn_step["attr_setflags"](attributes, flags)
    return attributes


def _file_actions(descriptors: Mapping[int, int], cwd: str | None) -> ctypes.Array[ctypes.c_char]:
    """What ``posix_spawn`` does in the new process, in this order, before the program runs."""
    step = _libc.spawn_step
    actions = ctypes.create_string_buffer(_SPAWN_OBJECT_BYTES)
    step["_file_actions_init"](actions)
    if cwd is not None:
        step["_file_actions_addchdir_np"](actions, os.fsencode(cwd))
    copies, closed = _order(descriptors)
    for source, target in copies:
        step["_file_actions_adddup2"](actions, source, target)
    for descriptor in closed:
        step["_file_actions_addclose"](actions, descriptor)
    if "_file_actions_addclosefrom_np" in step:
        step["_file_actions_addclosefrom_np"](actions, max(descriptors) + 1)
    return actions


def _order(descriptors: Mapping[int, int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Order the copies so that none overwrites the source of another.

    A source that is also a target is moved out of the way first. So is one that is its own
    target: copying a descriptor onto itself leaves it close-on-exec with glibc before 2.29.

    Returns:
        Pairs (from, to), and the descriptors to close afterwards, gaps included.
    """
    spare = max(*descriptors, *descriptors.values()) + 1
    moved: dict[int, int] = {}
    for source in descriptors.values():
        if source in descriptors and source not in moved:
            moved[source] = spare + len(moved)
    copies = list(moved.items())
    copies += [(moved.get(source, source), target) for target, source in descriptors.items()]
    gaps = [number for number in range(max(descriptors)) if number not in descriptors]
    return copies, [*gaps, *moved.values()]
