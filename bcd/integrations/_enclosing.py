"""The request that the calling code serves, found on its stack.

A record of ``logging`` knows nothing of the request in which it was made, and to note the request
somewhere would cost each one that succeeds. But the middleware's frame is on the stack, and what
is known of the request is in its variables.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType, FrameType

    from bcd.integrations._capture import Occasion

    Finding: TypeAlias = "Callable[[Mapping[str, Any]], Occasion]"

__all__ = ["encloses", "enclosing"]

_MOST_FRAMES = 2000

_known: dict[CodeType, Finding] = {}


def encloses(function: Callable[..., Any], find: Finding) -> None:
    """Let it be known that requests are served below a function.

    Args:
        function: Of bcd, a generator or a coroutine function too.
        find: Gets the variables of one of its frames, and makes what is known of the request.
    """
    _known[function.__code__] = find


def enclosing() -> Occasion | None:
    """The request in which the calling code runs, as the innermost middleware knows it.

    None outside of any, and in a thread or task that the request has started.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented
    for _ in range(_MOST_FRAMES if _known else 0):
        if frame is None:
            break
        find = _known.get(frame.f_code)
        if find is not None:
            return find(frame.f_locals)
        frame = frame.f_back
    return None
