"""Where code runs: in which request or task, and what was said about it there.

A request is served in more than one context: Starlette's ``BaseHTTPMiddleware`` calls what is
below it in a task of its own, functions that are no coroutines run in threads. Each has a copy of
the context, so that what it sets does not come back. A hook therefore opens a :class:`Scope` that
all copies share. It is opened only in programs that set attributes at all; the others pay for the
look whether they do.

Around some tasks stands no function of bcd. Their framework is asked for the one that runs, once
something is set or looked for, and its scope goes with it.

Outside any scope a context is all there is, and the threads of an executor have one for all their
jobs. What is set there goes with the job.
"""

from __future__ import annotations

import sys
import weakref
from _thread import get_ident
from contextvars import ContextVar
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

__all__ = [
    "FRAMEWORKS",
    "WANTED",
    "Place",
    "Running",
    "Said",
    "Scope",
    "current_place",
    "move",
    "open_scope",
    "own_attributes",
    "request_here",
]

WANTED: list[str] = []
"""What of bcd the program has loaded that needs scopes; as long as it is empty hooks open none."""

_KEY = "bcd.attributes"

Job: TypeAlias = "Callable[[], object]"
"""Returns None once what it stands for is over."""


class Running(Protocol):
    """A task that a framework runs, which is also its :data:`Job`."""

    def __call__(self) -> object:
        """None once it is over."""

    def kept(self) -> MutableMapping[str, Any]:
        """What the task has from its start to its end, and no other has."""


FRAMEWORKS: list[Callable[[], Running | None]] = []
"""Who knows the task that the calling code runs in."""

Said: TypeAlias = tuple[str, int]
"""A value, and the number of the :class:`Place` that came of it."""

_MOST_ANCESTORS = 64

_numbers = count(1)


class Place:
    """What one context knows; never changed, since copies of the context know it too.

    Args:
        scope: The request or task, None outside any.
        own: What was said in this context and in those it was copied from.
        before: From which place one got here by saying something.
        job: With whose end this place is left for ``before``, if with any.
    """

    __slots__ = ("before", "job", "line", "number", "own", "scope")

    def __init__(
        self,
        scope: Scope | None,
        own: dict[str, Said],
        before: Place | Scope | None,
        job: Job | None,
    ) -> None:
        self.scope = scope
        self.own = own
        self.number = next(_numbers)
        self.line: tuple[int, ...] = ()
        if before is not None:
            self.line = (*before.line, before.number)[-_MOST_ANCESTORS:]
        self.job = job
        self.before: Place | Scope | None = before
        if before is not None and before.job == job:  # no chain of what one job says
            self.before = before.before


class Scope(dict[str, tuple[str, tuple[int, ...]]]):
    """One request or task, from :func:`open_scope` until :meth:`close`.

    It holds what was said last in any context of it, with the numbers of the places before. It is
    also the first place in itself, where nothing was said: each request is to pay for one object
    only, and that is made without a call of Python code.
    """

    __slots__ = ("around", "serving", "thread")

    around: Place | Scope | None
    """What was before, in the context of the hook."""

    serving: tuple[Any, ...]
    """What makes what the innermost hook knows of the request, and from what."""

    thread: int
    """In which it was opened."""

    own: Mapping[str, Said] = MappingProxyType({})
    number = 0
    line: tuple[int, ...] = ()
    job: Job | None = None
    before: Place | Scope | None = None

    def __repr__(self) -> str:
        return "<scope of bcd>"  # a framework's page about an error may show what a request holds

    @property
    def scope(self) -> Scope:
        """Itself."""
        return self

    def close(self) -> None:
        """Leave it for what was before, in this context; others that have it keep it."""
        place = _place.get()
        if place is self or (place is not None and place.scope is self):
            _place.set(self.around)
        self.around = None  # a context that outlives it is to keep no chain of them
        self.serving = ()


def open_scope(request: MutableMapping[str, Any], *serving: Any) -> Scope | None:
    """Open a scope for a request, unless a hook further up did.

    Args:
        request: Its ASGI scope or WSGI environ, or what else all hooks of it are given.
        serving: What makes what is known of it, and the arguments, for :func:`request_here`.

    Returns:
        What is to be closed, if anything.
    """
    scope = request.get(_KEY)
    if scope is not None:
        scope.serving = serving
        return None
    request[_KEY] = scope = Scope()
    scope.serving = serving
    scope.thread = get_ident()
    scope.around = _place.get()
    _place.set(scope)
    return scope


_place: ContextVar[Place | Scope | None] = ContextVar("bcd.place", default=None)


def current_place(*, opening: bool = False) -> Place | Scope | None:
    """Where the calling code runs; None where nothing is known.

    Args:
        opening: Open the scope of a task that a framework runs, if nobody did before.
    """
    place = _place.get()
    while place is not None and place.job is not None and place.job() is None:
        place = place.before
    if FRAMEWORKS and (place is None or place.scope is None or place.scope.job is not None):
        scope = _scope_of_task(place, opening=opening)
        if scope is not None and (place is None or place.scope is not scope):
            return scope
    return place


def request_here(*, in_task: bool) -> Any:
    """What the hook of a request knows of it, in other threads and tasks of the request.

    Args:
        in_task: Whether an asyncio task runs. Otherwise the thread in which the scope was opened
            has left the hook, and nobody has closed the response.

    Returns:
        None where the calling code belongs to no such request.
    """
    place = current_place()
    scope = None if place is None else place.scope
    if scope is None or (scope.thread == get_ident() and not in_task):
        return None
    serving = scope.serving
    return serving[0](*serving[1:]) if serving else None


def _scope_of_task(place: Place | Scope | None, *, opening: bool) -> Scope | None:
    for find in FRAMEWORKS:
        running = find()
        if running is not None:
            kept = running.kept()
            if opening and _KEY not in kept:
                kept[_KEY] = scope = _TaskScope()
                scope.job, scope.before, scope.serving, scope.thread = running, place, (), 0
            found: Scope | None = kept.get(_KEY)
            return found
    return None


class _TaskScope(Scope):
    """One that nobody closes, of a task that its framework knows."""

    __slots__ = ("before", "job")

    job: Job
    before: Place | Scope | None


def own_attributes() -> dict[str, str]:
    """What the program has set for the request or task that the calling code runs in.

    What this context says holds over what others of the request say, unless they came later out
    of this one.
    """
    place = current_place()
    if place is None:
        return {}
    found = {key: text for key, (text, _) in place.own.items()}
    elsewhere = {} if place.scope is None else dict(place.scope)
    for key, (text, line) in elsewhere.items():
        if key not in place.own or place.own[key][1] in line:
            found[key] = text
    return found


def move(before: Place | Scope | None, own: dict[str, Said]) -> Place:
    """Go on with other attributes from where the calling code runs."""
    scope = None if before is None else before.scope
    place = Place(scope, own, before, _job() if scope is None else scope.job)
    _place.set(place)
    return place


def _job() -> weakref.ref[Any] | None:
    """The job that the calling thread of an executor does.

    Source: concurrent/futures/thread.py, CPython 3.11 to 3.15: ``_worker`` forgets a work item as
    soon as it has run.
    """
    item = getattr(sys.modules.get("concurrent.futures.thread"), "_WorkItem", None)
    code = getattr(getattr(item, "run", None), "__code__", None)
    frame = None if code is None else sys._getframe()  # noqa: SLF001 - documented
    while frame is not None:
        if frame.f_code is code:
            return weakref.ref(frame.f_locals["self"])
        frame = frame.f_back
    return None
