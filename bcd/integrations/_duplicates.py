"""One error that several hooks see is traced once: a small mark on the exception tells.

The mark is a tuple of plain numbers, so it survives pickling and keeps no frame alive.
"""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from bcd.integrations._expected import leaves

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["MARK", "NUMBER_KEY", "already_seen", "request_number"]

MARK = "__bcd_mark__"
NUMBER_KEY = "bcd.scope"
"""Where a request keeps its number."""

_numbers = count(1)

Scope: TypeAlias = "int | str"
"""What tells one request, task or call from the next within this process."""

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
    attributes[MARK] = mark
    if not isinstance(earlier, tuple) or len(earlier) != len(mark):
        return False
    pid, scope, seen_at = earlier
    if pid == mark[0]:
        return bool(scope == mark[1])
    # The clock is the machine's: a mark older than this process came along by fork, a younger
    # one was unpickled.
    return bool(seen_at >= _Birth.time)
