"""The C library through ctypes, and whether it can be used here."""

from __future__ import annotations

import os
import sys
from operator import call

try:
    import ctypes
except ImportError:  # an interpreter built without libffi
    ctypes = None  # type: ignore[assignment]  # unavailable() says so
    _CTYPES = False
else:
    _CTYPES = True

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = [
    "LIBC",
    "SIGNAL_SET_BYTES",
    "Libc",
    "check",
    "ctypes",
    "failure",
    "in_one_call",
    "loaded",
    "unavailable",
]

_MACHINES = ("x86_64", "aarch64")
_STACK_BYTES = 64 * 1024
SIGNAL_SET_BYTES = 128


class Libc:
    """The functions of the C library; all keep the GIL, save ``waitid``."""

    def __init__(self) -> None:
        self._held = ctypes.PyDLL(None, use_errno=True)
        integer, long, pointer = ctypes.c_int, ctypes.c_long, ctypes.c_void_p
        text, count = ctypes.c_char_p, ctypes.c_size_t
        self.open = self._take("open", text, integer)
        self.close = self._take("close", integer)
        self.dup3 = self._take("dup3", integer, integer, integer)
        self.read = self._take("read", integer, pointer, count, result=ctypes.c_ssize_t)
        self.write = self._take("write", integer, text, count, result=ctypes.c_ssize_t)
        self.pipe2 = self._take("pipe2", pointer, integer)
        self.eventfd = self._take("eventfd", ctypes.c_uint, integer)
        self.fcntl = self._take("fcntl", integer, integer, long)
        self.format = self._take("snprintf", pointer, count, text, integer)
        self.syscall = self._take("syscall", long, integer, integer)
        self.poll = self._take("poll", pointer, ctypes.c_ulong, integer)
        self.prctl = self._take("prctl", integer, long, long, long, long)
        self.mask = self._take("pthread_sigmask", integer, pointer, pointer)
        self.kill = self._take("kill", integer, integer)
        self.sigaction = self._take("sigaction", integer, pointer, pointer)
        self.clone = self._take("clone", pointer, pointer, integer, pointer, pointer)
        self.sleep = ctypes.cast(self._held.sleep, pointer)
        self.posix_spawn = self._take("posix_spawn", *[pointer] * 6)
        self.spawn_step = self._spawn_functions()
        self.waitid = ctypes.CDLL(None, use_errno=True).waitid
        self.waitid.argtypes = [integer, integer, pointer, integer]
        self.environ = pointer.in_dll(self._held, "environ")
        self.every_signal = ctypes.create_string_buffer(b"\xff" * SIGNAL_SET_BYTES)
        self.no_signal = ctypes.create_string_buffer(SIGNAL_SET_BYTES)
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


LIBC: Libc = None  # type: ignore[assignment]  # where unavailable() gives a reason
_fault: str | None = None
if _CTYPES and sys.platform == "linux":
    try:
        LIBC = Libc()
    except (AttributeError, OSError, ValueError) as error:
        _fault = f"the C library lacks what bcd needs ({error})"


def loaded() -> bool:
    """Whether the functions of the C library can be called, as a platform bcd cannot read may."""
    return LIBC is not None


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


def failure(path: str | bytes | None = None, code: int = 0) -> OSError:
    code = code or ctypes.get_errno()
    return OSError(code, os.strerror(code), os.fsdecode(path) if path is not None else None)


def check(result: int, path: str | bytes | None = None) -> int:
    if result < 0:
        raise failure(path)
    return result


def in_one_call(steps: Iterable[Callable[[], object]]) -> list[Any]:
    """Run functions of C one after the other, without a signal handler of Python in between.

    Args:
        steps: Functions made in C, their arguments bound by ``functools.partial``.

    Returns:
        Their results, in order.
    """
    return list(map(call, steps))
