"""ASGI: ``app = BcdMiddleware(app)``.

A request that succeeds pays for one more coroutine and nothing else: what a report needs is
looked up once there is an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._duplicates import request_number
from bcd.integrations._enclosing import encloses, is_served_by_hand
from bcd.integrations._route import route_template
from bcd.scope import WANTED, open_scope

if TYPE_CHECKING:
    from bcd.integrations._points import Point
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["BcdMiddleware"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
StatusOf: TypeAlias = Callable[[BaseException], int | None]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_KNOWN = frozenset({"http", "websocket", "lifespan"})
_BODY = b"Internal Server Error"


class BcdMiddleware:
    """Has every error traced that leaves an ASGI application, and lets it go on.

    It sees http, websocket and lifespan; scopes of other types pass through, and so does the
    error by which an application says that it does not know lifespan.

    Args:
        app: The application.
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.
        reraise: False answers a plain 500 where nothing was sent yet instead of raising the
            error; it is raised all the same once the response has started and in lifespan.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """

    integration = "asgi"
    by_hand = True

    def __init__(  # noqa: PLR0913 - one per setting
        self,
        app: App,
        *,
        tracer: Tracer | None = None,
        options: TraceOptions | None = None,
        ignore: Ignore = (),
        before_trace: BeforeTrace | None = None,
        reraise: bool = True,
    ) -> None:
        self.app = app
        self.capture = Capture(self.integration, tracer, options, ignore, before_trace)
        self.reraise = reraise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; see the ASGI specification."""
        kind = scope["type"]
        opened = (
            open_scope(scope, self.occasion, scope, send) if WANTED and kind in _KNOWN else None
        )
        if kind == "lifespan":
            receive = _Asking(receive)
        try:
            if self.reraise:
                await self.app(scope, receive, send)
            else:
                await self._serve_answering(scope, receive, send)
        except BaseException as error:
            if self.reraise and _is_known(kind, receive):
                capture = self.wanting()
                if capture is not None:
                    await capture.take_in_loop(error, self.occasion(scope, send))
            raise
        finally:
            if opened is not None:
                opened.close()

    def wanting(self) -> Capture | None:
        """Who has an error traced that comes now, if anybody."""
        return self.capture

    def occasion(self, scope: Scope, send: Send) -> Request:
        """What is known about a request."""
        return Request(scope, send, self.status_of)

    def status_of(self, error: BaseException) -> int | None:  # noqa: ARG002 - frameworks know
        """The status of the response if it is known to have started when the error came."""
        return None

    def is_answered(self, error: BaseException) -> bool:  # noqa: ARG002 - frameworks know
        """Whether the framework itself answered because of the error."""
        return False

    async def _serve_answering(self, scope: Scope, receive: Receive, send: Send) -> None:
        status: int | None = None
        started = False

        async def watched(message: Message) -> None:
            nonlocal started, status
            started = True
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except BaseException as error:
            if _is_known(scope["type"], receive):
                await self.capture.take_in_loop(error, Request(scope, send, lambda _: status))
            if not isinstance(error, Exception) or not (
                self.is_answered(error) if started else await _answer(scope, send)
            ):
                raise


class _Asking:
    """The ``receive`` of a lifespan.

    Who fails without having asked for an event does not know the protocol, which is no error.
    Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
    """

    __slots__ = ("has_asked", "receive")

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.has_asked = False

    def __call__(self) -> Awaitable[Message]:
        self.has_asked = True
        return self.receive()


def _is_known(kind: str, receive: Receive) -> bool:
    """Whether errors of a scope are those of the program."""
    return kind in _KNOWN and (not isinstance(receive, _Asking) or receive.has_asked)


class Request:
    """What is known about a request when an error came up in it."""

    __slots__ = ("_scope", "_send", "_status_of")

    def __init__(self, scope: Scope, send: Send, status_of: StatusOf) -> None:
        self._scope = scope
        self._send = send
        self._status_of = status_of

    def scope(self) -> int:
        """A number that the request keeps through all its middlewares."""
        return request_number(self._scope)

    def client_gone(self) -> bool:
        """Whether the server says so; uvicorn keeps it beside its ``send``."""
        return getattr(getattr(self._send, "__self__", None), "disconnected", None) is True

    def attributes(self, error: BaseException) -> dict[str, str]:
        """Method, route, path and status; never the query, headers or the client's address."""
        scope = self._scope
        found = {
            "http.request.method": scope.get("method"),
            "http.route": route_template(scope),
            "url.path": scope.get("path"),
            "http.response.status_code": self._status_of(error),
        }
        return {name: str(value) for name, value in found.items() if value is not None}


class OfAll(BcdMiddleware):
    """Around any application that a server loads.

    Args:
        app: The application.
        wanted: Tells who wants its errors, once there is one.
    """

    by_hand = False

    def __init__(self, app: App, wanted: Callable[[], Capture | None]) -> None:
        self.app = app
        self.reraise = True
        self._wanted = wanted

    def wanting(self) -> Capture | None:
        """Whom it was told of, unless a middleware further up has settings of its own."""
        capture = self._wanted()
        return None if capture is None or is_served_by_hand() else capture


def around(
    point: Point, before: Callable[..., Awaitable[None]], status_of: StatusOf
) -> Callable[..., Awaitable[None]]:
    """What to put in the place of ``__call__`` of a class of applications.

    Args:
        point: Where it is put.
        before: What stood there.
        status_of: Tells the status of a response that has started before the error came.
    """

    @wraps(before)
    async def serve(app: object, scope: Scope, receive: Receive, send: Send) -> None:
        opened = None
        if WANTED and scope["type"] in _KNOWN:
            opened = open_scope(scope, Request, scope, send, status_of)
        try:
            await before(app, scope, receive, send)
        except BaseException as error:
            capture = point.capture_of(serve)
            if capture and scope["type"] in _KNOWN and not is_served_by_hand():
                await capture.take_in_loop(error, Request(scope, send, status_of))
            raise
        finally:
            if opened is not None:
                opened.close()

    encloses(serve, lambda found: Request(found["scope"], found["send"], found["status_of"]))
    return serve


encloses(
    BcdMiddleware.__call__,
    lambda variables: variables["self"].occasion(variables["scope"], variables["send"]),
    by_hand=True,
)


async def _answer(scope: Scope, send: Send) -> bool:
    """Answer a plain 500 and tell whether that could be done."""
    prefix = _response_type(scope)
    if prefix is None:
        return False
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(_BODY)).encode()),
    ]
    try:
        await send({"type": f"{prefix}.start", "status": 500, "headers": headers})
        await send({"type": f"{prefix}.body", "body": _BODY})
    except Exception:  # noqa: BLE001 - the client is gone; the program's own error goes on
        return False
    return True


def _response_type(scope: Scope) -> str | None:
    if scope["type"] == "http":
        return "http.response"
    if scope["type"] == "websocket" and "websocket.http.response" in (
        scope.get("extensions") or {}
    ):
        return "websocket.http.response"
    return None
