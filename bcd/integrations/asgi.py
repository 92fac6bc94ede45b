"""ASGI: ``app = BcdMiddleware(app)``.

A request that succeeds pays for one more coroutine and nothing else: what a report needs is
looked up once there is an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._duplicates import request_number
from bcd.integrations._enclosing import encloses
from bcd.integrations._route import route_template
from bcd.scope import WANTED, open_scope

if TYPE_CHECKING:
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["BcdMiddleware"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_KNOWN = frozenset({"http", "websocket", "lifespan"})
_BODY = b"Internal Server Error"


class BcdMiddleware:
    """Has every error traced that leaves an ASGI application, and lets it go on.

    It sees http, websocket and lifespan; scopes of other types pass through.

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
        opened = open_scope(scope) if WANTED and scope["type"] in _KNOWN else None
        try:
            if self.reraise:
                await self.app(scope, receive, send)
            else:
                await self._serve_answering(scope, receive, send)
        except BaseException as error:
            if self.reraise and scope["type"] in _KNOWN:
                await self.capture.take_in_loop(error, self.occasion(scope, send))
            raise
        finally:
            if opened is not None:
                opened.close()

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
            if scope["type"] in _KNOWN:
                await self.capture.take_in_loop(error, Request(scope, send, lambda _: status))
            if not isinstance(error, Exception) or not (
                self.is_answered(error) if started else await _answer(scope, send)
            ):
                raise


class Request:
    """What is known about a request when an error came up in it."""

    __slots__ = ("_scope", "_send", "_status_of")

    def __init__(
        self, scope: Scope, send: Send, status_of: Callable[[BaseException], int | None]
    ) -> None:
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


encloses(
    BcdMiddleware.__call__,
    lambda variables: variables["self"].occasion(variables["scope"], variables["send"]),
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
