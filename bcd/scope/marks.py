"""One error that several hooks see is traced once: a small mark on the exception tells.

The mark is a tuple of plain numbers, so it survives pickling and keeps no frame alive.

The same object may be raised again and is a new error then. Hooks of requests and tasks tell by
the scope, the number or name of their request. Others have none (``recover``, ``capture``, the
hooks at the top of the process) and ask whether the error is still on its way up from where it
was seen: it is if the traceback of then is part of that of now, and no function further up
raised it, as calls that it passes through do not.
"""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from bcd._pid import own_pid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["MARK", "Mark", "already_seen", "leaves"]

MARK = "__bcd_mark__"

Scope: TypeAlias = "int | str | None"
"""What tells one request, task or call from the next within this process, if that is known."""

Mark: TypeAlias = "tuple[int, Scope, float]"
"""Process, scope and time."""

_MOST_LEAVES = 1000
# They raise what came up in another thread or task, or further down.
_PASS_ON = frozenset(
    {
        "anyio", "asgiref", "asyncio", "billiard", "celery", "concurrent", "django", "eventlet",
        "fastapi", "flask", "gevent", "multiprocessing", "starlette", "trio", "werkzeug",
    }
)  # fmt: skip

# Past a __setattr__ that refuses: every exception has the dictionary of BaseException, also
# when its class has only slots.
_attributes_of = BaseException.__dict__["__dict__"].__get__


class _Birth:
    """When this process began to be itself: on import, or when it was forked."""

    time = time.monotonic()


def _note_birth() -> None:
    _Birth.time = time.monotonic()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_birth)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside a group, at any depth, at most 1,000; or the error itself."""
    return islice(_leaves(error), _MOST_LEAVES)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    pending = [error]
    while pending:
        item = pending.pop()
        if isinstance(item, BaseExceptionGroup):
            pending.extend(reversed(item.exceptions))
        else:
            yield item


def already_seen(error: BaseException, scope: Scope) -> bool:
    """Tell whether this error was seen before in this scope, and mark it as seen.

    A group was seen if all its leaves were. An error that was pickled in another process was
    seen there, once.

    Args:
        error: What came up.
        scope: What tells this request or task from the next; None where that is not known.
    """
    mark = (own_pid(), scope, time.monotonic())
    seen = _mark(error, mark)
    if isinstance(error, BaseExceptionGroup):
        marked = [_mark(leaf, mark) for leaf in leaves(error)]  # all of them, so no generator
        seen = seen or all(marked)
    return seen


def _mark(error: BaseException, mark: Mark) -> bool:
    attributes = _attributes_of(error)
    earlier = attributes.get(MARK)
    traceback = error.__traceback__
    attributes[MARK] = (*mark, id(traceback))
    if earlier is None:  # what most errors are
        return False
    if not isinstance(earlier, tuple) or len(earlier) != len(mark) + 1:
        return False
    pid, scope, seen_at, address = earlier
    if pid != mark[0]:
        # The clock is the machine's: a mark older than this process came along by fork, a
        # younger one was unpickled.
        return bool(seen_at >= _Birth.time)
    if scope is None or mark[1] is None:
        return _is_on_its_way(traceback, address)
    return bool(scope == mark[1])


def _is_on_its_way(traceback: TracebackType | None, address: int) -> bool:
    """Whether an error that had the traceback at an address has been raised by nobody since.

    Who catches an error by its name and raises that again is not meant: the same call did both.
    """
    while traceback is not None and id(traceback) != address:
        below = traceback.tb_next
        if below is None or (below.tb_frame is not traceback.tb_frame and _raises(traceback)):
            return False
        traceback = below
    return id(traceback) == address


def _raises(traceback: TracebackType) -> bool:
    """Whether the function raised the error itself, not one that it called."""
    from opcode import opmap  # only for an error that was seen before

    frame = traceback.tb_frame
    module = frame.f_globals.get("__name__")
    if isinstance(module, str) and module.partition(".")[0] in _PASS_ON:
        return False
    return frame.f_code.co_code[traceback.tb_lasti] == opmap["RAISE_VARARGS"]
