"""One error that several hooks see is traced once: a small mark on the exception tells.

The mark is a tuple of plain numbers, so it survives pickling and keeps no frame alive.

The same object may be raised again and is a new error then. Hooks of requests and tasks tell by
the scope, the number or name of their request. Others have none, and ask whether the error is
still on its way up from where it was seen: it is if the traceback of then is part of that of now,
and was not followed by a ``raise`` of another function.
"""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from bcd.integrations._expected import leaves

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

__all__ = ["MARK", "NUMBER_KEY", "already_seen", "request_number"]

MARK = "__bcd_mark__"
NUMBER_KEY = "bcd.scope"
"""Where a request keeps its number."""

_numbers = count(1)

Scope: TypeAlias = "int | str | None"
"""What tells one request, task or call from the next within this process, if that is known."""

# They raise in one thread or task what came up in another one.
_PASS_ON = frozenset({"asyncio.futures", "concurrent.futures._base", "multiprocessing.pool"})

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


def request_number(request: MutableMapping[str, Any]) -> int:
    """A number that a request keeps through all its middlewares, as a scope.

    Of one counter for all hooks, so that no two requests of a process have the same.

    Args:
        request: Its ASGI scope or WSGI environ; the number is kept in it.
    """
    number = request.get(NUMBER_KEY)
    if number is None:
        number = request[NUMBER_KEY] = next(_numbers)
    return int(number)


def already_seen(error: BaseException, scope: Scope) -> bool:
    """Tell whether a hook saw this error in this scope before, and mark it as seen.

    A group was seen if all its leaves were. The same object raised again in another scope is a
    new error. An error that was pickled in another process was seen there, once.
    """
    mark = (os.getpid(), scope, time.monotonic())
    seen = _mark(error, mark)
    if isinstance(error, BaseExceptionGroup):
        marked = [_mark(leaf, mark) for leaf in leaves(error)]  # all of them, so no generator
        seen = seen or all(marked)
    return seen


def _mark(error: BaseException, mark: tuple[int, Scope, float]) -> bool:
    attributes = _attributes_of(error)
    earlier = attributes.get(MARK)
    traceback = error.__traceback__
    attributes[MARK] = (*mark, id(traceback))
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
    """Whether an error that had the traceback at an address has been raised by nobody since."""
    above = None
    while traceback is not None and id(traceback) != address:
        above, traceback = traceback, traceback.tb_next
    if traceback is None:
        return address == id(None) and above is None
    return above is None or above.tb_frame is traceback.tb_frame or not _raises(above)


def _raises(traceback: TracebackType) -> bool:
    """Whether the function raised the error itself, not one that it called."""
    from opcode import opmap  # only for an error that was seen before

    frame = traceback.tb_frame
    if frame.f_globals.get("__name__") in _PASS_ON:
        return False
    return frame.f_code.co_code[traceback.tb_lasti] == opmap["RAISE_VARARGS"]
