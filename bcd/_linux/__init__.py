"""The few calls of Linux and its C library that bcd needs, made so that nothing else can run.

They go through ``ctypes.PyDLL``, which keeps the GIL: what ``os`` offers gives it up, and in a
program with busy threads each time may cost a switch interval (5 ms) to get it back. During
such a call no other thread of the program moves. Between two calls the interpreter may still
switch threads, once the caller has held the GIL for an interval.

The interpreter runs the program's signal handlers in its main thread, after any call of a C
function and on entry to any Python function, and a handler may raise. So what must not be lost
(a process id, a descriptor) is recorded by the C call itself, and steps that belong together
are chained with :func:`in_one_call`. A value that a Python function returns is not lost on its
way into a variable: there is no such point in between.
Source: ``CHECK_EVAL_BREAKER`` in CPython's ``Python/ceval.c`` and ``Python/bytecodes.c``.

The package can be imported anywhere; :func:`unavailable` says whether it can be used.
"""

from bcd._linux.descriptors import (
    close,
    closing,
    pipe,
    poll,
    read,
    set_nonblocking,
    take_number,
    write,
)
from bcd._linux.dispositions import has_handler, reset_when_caught
from bcd._linux.libc import in_one_call, unavailable
from bcd._linux.limits import remedy
from bcd._linux.process import (
    child_cell,
    child_id,
    copy_memory,
    enable_tracing,
    kill_and_reap,
    native_thread_id,
    open_memory,
    reaping,
    resident_bytes,
)
from bcd._linux.spawn import Spawn

__all__ = [
    "Spawn",
    "child_cell",
    "child_id",
    "close",
    "closing",
    "copy_memory",
    "enable_tracing",
    "has_handler",
    "in_one_call",
    "kill_and_reap",
    "native_thread_id",
    "open_memory",
    "pipe",
    "poll",
    "read",
    "reaping",
    "remedy",
    "reset_when_caught",
    "resident_bytes",
    "set_nonblocking",
    "take_number",
    "unavailable",
    "write",
]
