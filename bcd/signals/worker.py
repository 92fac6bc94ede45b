"""The one daemon thread that does what signal handlers hand over, in order.

It is started when there is something to do and ends when there is nothing left. So a program
that gets no signal has no thread more, which ``os.fork`` would warn of (Python 3.12 and later),
and a forked child needs no thread that its parent had.
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial

from bcd import _greenlets, _linux

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["later"]

_work: deque[Callable[[], object]] = deque()
_idle = deque([True])  # whoever takes the one item starts the thread, or is it


def later(work: Callable[[], object]) -> bool:
    """Let the thread call ``work``, which must not raise. A signal handler may call this.

    Returns:
        False when no thread can be started: their number is limited, or the interpreter ends.
        It is then called with the next work.
    """
    _work.append(work)
    starting = partial(_greenlets.start_new_thread, _do_all, ())
    try:
        # In one call, as a handler that raises must not come between the two.
        _linux.in_one_call((_idle.pop, starting))
    except IndexError:  # it runs, and looks once more before it ends
        return True
    except RuntimeError:
        _idle.append(True)
        return False
    return True


def _do_all() -> None:
    while True:
        try:
            work = _work.popleft()
        except IndexError:
            if _ends():
                return
        else:
            work()


def _ends() -> bool:
    """Whether the thread may end: nobody handed work over after its last look."""
    _idle.append(True)
    if not _work:
        return True
    try:
        _idle.pop()
    except IndexError:  # another thread was started for it
        return True
    return False


def _reset_in_child() -> None:
    _work.clear()
    _idle.clear()
    _idle.append(True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_child)  # work and thread are the parent's
