"""Programs whose threads are greenlets, of gevent or eventlet.

The goal: whoever waits for a tracer leaves the thread to the program's other greenlets, a trace
in the background ends whatever they do, and it does not matter when the program was
monkey-patched.

What does not work is to use what the patches put in the place of the primitives. Their thread is
a greenlet that ends when the program lets it, their locks cannot be relied on between two
threads, and eventlet takes ``select.poll`` away and lets ``os.read`` wait. Nor does it work to
use the real ones alone: a greenlet that waits in one stops all others of its thread, also the
one that has the slot it waits for.

So the primitives are the real ones, here for all of bcd, and a greenlet never waits in them: it
looks, and between two looks it sleeps in ``time.sleep``, the one call that both libraries make
cooperative in the same way. That asks nothing of a library but which greenlet is its hub. The
hub wakes the others and cannot sleep, so it waits like a thread.

Neither library is ever imported here; a program without them pays a comparison per wait.
"""

from __future__ import annotations

import _thread
import select
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "acquire",
    "allocate_lock",
    "current",
    "get_ident",
    "identity",
    "in_turns",
    "limitation",
    "poll",
    "start_new_thread",
]

_NAP = 0.005  # seconds between two looks
_BUILT_IN: type = type(len)


def _original(module: Any, name: str) -> Any:
    """What a module had before it was patched."""
    found = getattr(module, name, None)
    if type(found) is not _BUILT_IN and "gevent.monkey" in sys.modules:
        found = sys.modules["gevent.monkey"].get_original(module.__name__, name)
    if type(found) is not _BUILT_IN and "eventlet.patcher" in sys.modules:
        found = getattr(sys.modules["eventlet.patcher"].original(module.__name__), name)
    return found


# Taken once: who patches later changes the modules, not what has a name here.
start_new_thread: Callable[..., int] = _original(_thread, "start_new_thread")
allocate_lock: Callable[[], _thread.LockType] = _original(_thread, "allocate_lock")
get_ident: Callable[[], int] = _original(_thread, "get_ident")
poll: Callable[[], select.poll] = _original(select, "poll")


def current() -> int | None:
    """Tell which greenlet calls, if it can leave its thread to others while it waits.

    Returns:
        Its identity as long as it lives; None in a hub, and in a thread that is just a thread.
    """
    library = _library()
    hub = None if library is None else _hub(library)
    if hub is None:  # nobody to leave the thread to, and no reason to make a hub
        return None
    caller = sys.modules["greenlet"].getcurrent()
    return None if caller is hub else id(caller)


def identity() -> tuple[int, int | None]:
    """Tell who calls: the thread and, where it can leave the thread to others, its greenlet."""
    return get_ident(), current()


def in_turns(wait: Callable[[float], bool], deadline: float) -> bool:
    """Wait for something, and leave the thread to its other greenlets meanwhile.

    Args:
        wait: Waits until a moment of ``time.monotonic()``, which may have passed, and returns
            whether it came true.
        deadline: Moment at which to give up, may be infinite.

    Returns:
        Whether it came true.
    """
    while current() is not None:
        if wait(0.0):
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, _NAP))
    return wait(deadline)


def acquire(lock: _thread.LockType, deadline: float) -> bool:
    """Acquire a lock made here, in turns with other greenlets.

    Args:
        lock: From :func:`allocate_lock`.
        deadline: Moment of ``time.monotonic()`` at which to give up, an hour away at most.

    Returns:
        Whether it was acquired.
    """
    return in_turns(partial(_acquire, lock), deadline)


def _acquire(lock: _thread.LockType, deadline: float) -> bool:
    return lock.acquire(timeout=max(0.0, deadline - time.monotonic()))


def limitation() -> str | None:
    """Say what does not work in this program because of its greenlets.

    To be asked once the program is set up: it tells what is so now, and only looks.

    Returns:
        One line in plain words; None where all is well, also without any greenlets.
    """
    library = _library()
    if library is not None:
        return None if _finder(library) else _HELD.format(library, "bcd cannot find its hub")
    for library in _LIBRARIES:
        if _hub(library) is not None:
            return _HELD.format(library, "time.sleep was not monkey-patched")
    return None


_LIBRARIES = ("gevent", "eventlet")
_HELD = "{} runs here, but {}: whoever waits for a tracer holds all greenlets of the thread"


def _library() -> str | None:
    """Which library has made ``time.sleep`` cooperative."""
    if type(time.sleep) is _BUILT_IN:
        return None
    name = getattr(time.sleep, "__module__", None) or ""
    return next((one for one in _LIBRARIES if name.startswith(one)), None)


def _hub(library: str) -> object:
    """The hub of this thread, None as long as it has none."""
    find = _finder(library)
    return None if find is None else find()


def _finder(library: str) -> Callable[[], object] | None:
    """What finds the hub of a thread and makes none; no public function of the two does."""
    if library == "gevent":
        return getattr(sys.modules.get("gevent._hub_local"), "get_hub_if_exists", None)
    local = getattr(sys.modules.get("eventlet.hubs"), "_threadlocal", None)
    return None if local is None else lambda: getattr(getattr(local, "hub", None), "greenlet", None)
