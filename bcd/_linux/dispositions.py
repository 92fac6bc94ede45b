"""What the kernel does with a signal, where ``signal`` of the standard library cannot tell."""

from __future__ import annotations

from bcd._linux.libc import LIBC, SIGNAL_SET_BYTES, check, ctypes, loaded

__all__ = ["has_handler", "reset_when_caught"]

_SA_RESETHAND = 0x80000000  # Source: asm-generic/signal-defs.h
_DEFAULT_AND_IGNORE = (None, 0, 1)

if loaded():

    class _Action(ctypes.Structure):
        """``struct sigaction``, the same in glibc and musl on x86_64 and aarch64."""

        _fields_ = (
            ("handler", ctypes.c_void_p),
            ("mask", ctypes.c_char * SIGNAL_SET_BYTES),
            ("flags", ctypes.c_uint),
            ("restorer", ctypes.c_void_p),
        )


def has_handler(number: int) -> bool:
    """Whether anything handles a signal, be it Python or an extension such as ``faulthandler``.

    Returns:
        False also where it cannot be known, for lack of the C library.
    """
    if not loaded():
        return False
    action = _Action()
    check(LIBC.sigaction(number, None, ctypes.byref(action)))
    return action.handler not in _DEFAULT_AND_IGNORE


def reset_when_caught(number: int) -> bool:
    """Let the handler of a signal run once, and the next one take its default action.

    Returns:
        False where that cannot be done, for lack of the C library.
    """
    if not loaded():
        return False
    action = _Action()
    check(LIBC.sigaction(number, None, ctypes.byref(action)))
    action.flags |= _SA_RESETHAND
    check(LIBC.sigaction(number, ctypes.byref(action), None))
    return True
