"""The request or task that the calling code runs in, found on its stack.

A record of ``logging`` knows nothing of the request in which it was made. But the middleware's
frame is on the stack, and what is known of the request is in its variables. Some frameworks know
themselves what they run. In other threads and tasks the context tells, if anybody asked for that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from bcd.engine import current_task
from bcd.scope import WANTED, request_here

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from types import CodeType, FrameType

    from bcd.integrations._capture import Occasion

    Finding: TypeAlias = "Callable[[Mapping[str, Any]], Occasion]"

__all__ = [
    "Within",
    "encloses",
    "enclosing",
    "is_served_by_hand",
    "knows",
    "want_requests",
]

_MOST_FRAMES = 2000

_known: dict[CodeType, Finding] = {}
_by_hand: set[CodeType] = set()
_frameworks: list[Callable[[], Occasion | None]] = []


def encloses(function: Callable[..., Any], find: Finding, *, by_hand: bool = False) -> None:
    """Let it be known that requests are served below a function.

    Args:
        function: Of bcd, a generator or a coroutine function too.
        find: Gets the variables of one of its frames, and makes what is known of the request.
        by_hand: Whether it may be of a middleware that the program put there itself; its
            ``self``, or the ``middleware`` of that, tells by ``by_hand``.
    """
    _known[function.__code__] = find
    if by_hand:
        _by_hand.add(function.__code__)


def knows(find: Callable[[], Occasion | None]) -> None:
    """Let a framework be asked what the calling code runs in."""
    _frameworks.append(find)


def enclosing() -> Occasion | None:
    """What the calling code runs in, as a framework or the innermost middleware knows it.

    In a thread or task that the request has started it is known where :func:`want_requests` was
    called before the request, and as far as the thread or task has a copy of its context.
    """
    for find in _frameworks:
        occasion = find()
        if occasion is not None:
            return occasion
    occasion = _on_stack(sys._getframe(1))  # noqa: SLF001 - documented
    if occasion is None:
        occasion = request_here(in_task=current_task() is not None)
    return occasion


def want_requests(who: str) -> None:
    """Let requests be known in all their threads and tasks from now on, which costs each a bit."""
    if who not in WANTED:
        WANTED.append(who)


class Within:
    """What is known of an error that came up within a request or task and did not end it.

    Attributes:
        request: That request or task, if known.
    """

    def __init__(self, request: Occasion | None = None) -> None:
        self.request = request

    def scope(self) -> int | str | None:
        """That of the request."""
        return None if self.request is None else self.request.scope()

    def client_gone(self) -> bool:
        """Whether the client of the request has."""
        return self.request is not None and self.request.client_gone()

    def attributes(self, error: BaseException) -> dict[str, str]:
        """Those of the request."""
        return {} if self.request is None else self.request.attributes(error)


def is_served_by_hand() -> bool:
    """Whether a middleware that the program put there itself will see an error of this code.

    It has settings of its own, so a hook that was switched on for all leaves the error to it.
    """
    for frame in _frames_of(_by_hand, sys._getframe(1)):  # noqa: SLF001 - documented
        owner = frame.f_locals["self"]
        if getattr(owner, "middleware", owner).by_hand:
            return True
    return False


def _on_stack(frame: FrameType | None) -> Occasion | None:
    for found in _frames_of(_known, frame):
        return _known[found.f_code](found.f_locals)
    return None


def _frames_of(codes: Collection[CodeType], frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of middlewares on the stack, innermost first."""
    for _ in range(_MOST_FRAMES if codes else 0):
        if frame is None:
            break
        if frame.f_code in codes:
            yield frame
        frame = frame.f_back
