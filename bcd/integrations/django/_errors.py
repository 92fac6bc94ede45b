"""The errors of Django's requests: who wants them, and what is known about them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bcd.engine import current_task
from bcd.integrations._duplicates import NUMBER_KEY, request_number
from bcd.integrations._points import Captures

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from django.http import HttpRequest

    from bcd.integrations._capture import Occasion

__all__ = [
    "Errors",
    "Receiver",
    "Request",
    "attributes_of",
    "note_task",
    "outside_of",
    "request_failed",
    "served_by",
]

_TASK_KEY = "bcd.task"


class Errors:
    """Who wants the errors of this process; the last one gets them."""

    captures = Captures()

    @classmethod
    def take(cls, error: BaseException, occasion: Occasion, task: int | None = None) -> None:
        """Have an error traced, if anybody wants it."""
        if capture := cls.captures.newest:
            capture.take(error, occasion, task=task)

    @classmethod
    async def take_in_loop(cls, error: BaseException, occasion: Occasion) -> None:
        """The same without blocking the event loop."""
        if capture := cls.captures.newest:
            await capture.take_in_loop(error, occasion)


class Request:
    """What is known about a request when an error came up in it.

    Args:
        request: None if that is not known either.
        status: That of the response, if it is being sent.
        leaves: Whether the error leaves Django, so that hooks outside will see it too.
    """

    __slots__ = ("_leaves", "_request", "_status")

    def __init__(
        self, request: HttpRequest | None, status: int | None = None, *, leaves: bool = True
    ) -> None:
        self._request = request
        self._status = status
        self._leaves = leaves

    def scope(self) -> int:
        """A number that the request keeps through all hooks.

        Django's page and mails about an error show the environ, which stays as it is for them.
        """
        own = attributes_of(self._request)
        outside = outside_of(self._request)
        if NUMBER_KEY in outside:
            own[NUMBER_KEY] = outside[NUMBER_KEY]
        number = request_number(own)
        if self._leaves:
            outside[NUMBER_KEY] = number
        return number

    def client_gone(self) -> bool:
        """Never known here: servers write to the client outside of Django's request."""
        return False

    def task(self) -> int | None:
        """The ``id()`` of the asyncio task that serves the request."""
        task: int | None = attributes_of(self._request).get(_TASK_KEY)
        return task

    def attributes(self, error: BaseException) -> dict[str, str]:  # noqa: ARG002 - any hook's
        """Method, route, path and status; never the query, headers or the client's address."""
        request = self._request
        found = {
            "http.request.method": getattr(request, "method", None),
            "http.route": getattr(getattr(request, "resolver_match", None), "route", None),
            "url.path": getattr(request, "path", None),
            "http.response.status_code": self._status,
        }
        return {name: str(value) for name, value in found.items() if value is not None}


class Receiver:
    """What is known about a receiver of ``request_started`` or ``request_finished`` that failed."""

    __slots__ = ("_signal",)

    def __init__(self, signal: str) -> None:
        self._signal = signal

    def scope(self) -> None:
        """Not known: the second signal does not tell the request."""

    def client_gone(self) -> bool:
        """Never known here."""
        return False

    def attributes(self, error: BaseException) -> dict[str, str]:  # noqa: ARG002 - any hook's
        """The signal's name."""
        return {"bcd.hook": self._signal}


def request_failed(*, request: HttpRequest | None = None, **_: object) -> None:
    """Receive ``got_request_exception``, which is sent while the error is handled."""
    error = sys.exception()
    if error is not None:
        occasion = Request(request, leaves=False)
        Errors.take(error, occasion, occasion.task())


def served_by(variables: Mapping[str, Any]) -> Request:
    """The request in the variables of a function that answers it."""
    return Request(variables["request"], leaves=False)


def note_task(request: HttpRequest) -> None:
    """Note which task serves the request: Django tells of its errors in another thread."""
    task = current_task()
    if task is not None:
        attributes_of(request)[_TASK_KEY] = id(task)


def attributes_of(request: HttpRequest | None) -> MutableMapping[str, Any]:
    """What lives as long as the request, and no hook outside Django knows."""
    return {} if request is None else vars(request)


def outside_of(request: HttpRequest | None) -> MutableMapping[str, Any]:
    """What WSGI and ASGI middlewares know the request by."""
    for name in ("environ", "scope"):
        known = getattr(request, name, None)
        if isinstance(known, dict):
            return known
    return {}
