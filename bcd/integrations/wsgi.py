"""WSGI: ``application = BcdMiddleware(application)``.

The call, each step of the iteration and ``close()`` are guarded. Lists and tuples cannot fail
any more and are returned as they are, which is what most requests that succeed pay for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._duplicates import request_number
from bcd.integrations._enclosing import encloses, is_served_by_hand
from bcd.scope import WANTED, open_scope

if TYPE_CHECKING:
    from bcd.scope import Scope
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["BcdMiddleware"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Callable[[bytes], object]]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_BODY = b"Internal Server Error"


class BcdMiddleware:
    """Has every error traced that leaves a WSGI application, and lets it go on.

    Args:
        app: The application.
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.
        reraise: False answers a plain 500 where nothing was sent yet instead of raising the
            error; it is raised all the same once the response has started.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """

    integration = "wsgi"
    by_hand = True

    def __init__(  # noqa: PLR0913 - one per setting
        self,
        app: Application,
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

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request; see PEP 3333."""
        opened = open_scope(environ, self.occasion, environ, start_response) if WANTED else None
        try:
            body = self.app(environ, start_response)
        except BaseException as error:
            self.failed(error, environ, start_response, opened)
            if self.reraise or not isinstance(error, Exception):
                raise
            return answer(start_response)
        kind = type(body)
        if kind is list or kind is tuple:
            if opened is not None:
                opened.close()
            return body
        return self.guarded(body, environ, start_response, opened)

    def guarded(
        self,
        body: Iterable[bytes],
        environ: Environ,
        start_response: StartResponse,
        opened: Scope | None,
    ) -> Iterable[bytes]:
        """The body, guarded unless the server would not know it again."""
        if _is_file(body, environ.get("wsgi.file_wrapper")):
            if opened is not None:
                opened.close()
            return body
        guard = _SizedBody() if hasattr(body, "__len__") else _Body()
        guard.body = body
        guard.middleware = self
        guard.environ = environ
        guard.start_response = start_response
        guard.opened = opened
        return guard

    def failed(
        self,
        error: BaseException,
        environ: Environ,
        start_response: StartResponse,
        opened: Scope | None = None,
    ) -> None:
        """Have an error traced, if anybody wants it, and close the request's scope."""
        capture = self.wanting()
        if capture is not None:
            capture.take(error, self.occasion(environ, start_response))
        if opened is not None:
            opened.close()

    def wanting(self) -> Capture | None:
        """Who has an error traced that comes now, if anybody."""
        return self.capture

    def occasion(self, environ: Environ, start_response: StartResponse | None) -> Request:
        """What is known about a request."""
        return Request(environ, start_response)


class OfAll(BcdMiddleware):
    """Around any application that a server loads, or any one of a framework.

    Args:
        app: The application.
        wanted: Tells who wants its errors, once there is one.
    """

    by_hand = False

    def __init__(self, app: Application, wanted: Callable[[], Capture | None]) -> None:
        self.app = app
        self.reraise = True
        self._wanted = wanted

    def wanting(self) -> Capture | None:
        """Whom it was told of, unless a middleware further up has settings of its own."""
        capture = self._wanted()
        return None if capture is None or is_served_by_hand() else capture


class Request:
    """What is known about a request when an error came up in it."""

    __slots__ = ("_environ", "_start_response")

    def __init__(self, environ: Environ, start_response: StartResponse | None = None) -> None:
        self._environ = environ
        self._start_response = start_response

    def scope(self) -> int:
        """A number that the request keeps through all its middlewares."""
        return request_number(self._environ)

    def client_gone(self) -> bool:
        """Never known here: the server writes to the client outside the application."""
        return False

    def attributes(self, error: BaseException) -> dict[str, str]:  # noqa: ARG002 - any hook's
        """Method, path and status; never the query, headers or the client's address."""
        environ = self._environ
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        found = {
            "http.request.method": environ.get("REQUEST_METHOD"),
            "url.path": path.encode("latin-1", "replace").decode("utf-8", "replace"),
            "http.response.status_code": _status(self._start_response),
        }
        return {name: value for name, value in found.items() if value is not None}


class _Body:
    """An application's iterable; it adds no ``__init__``, which would cost 0.1 µs."""

    __slots__ = ("body", "environ", "middleware", "opened", "start_response")

    body: Iterable[bytes]
    environ: Environ
    middleware: BcdMiddleware
    start_response: StartResponse
    opened: Scope | None

    def __iter__(self) -> Iterator[bytes]:
        started = False
        try:
            for chunk in self.body:
                started = True
                yield chunk
        except BaseException as error:
            self.middleware.failed(error, self.environ, self.start_response)
            if started or self.middleware.reraise or not isinstance(error, Exception):
                raise
            yield from answer(self.start_response)

    def close(self) -> None:
        """Close the application's iterable, the first time only."""
        body, self.body = self.body, ()
        close = getattr(body, "close", None)
        try:
            if close is not None:
                close()
        except BaseException as error:
            self.middleware.failed(error, self.environ, self.start_response)
            raise
        finally:
            if self.opened is not None:
                self.opened.close()


class _SizedBody(_Body):
    """Tells the length too, from which some servers make the Content-Length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(cast("Sized", self.body))


def served_by(variables: Mapping[str, Any]) -> Request:
    """The request that a middleware serves, from the variables of its frame."""
    request: Request = variables["self"].occasion(variables["environ"], variables["start_response"])
    return request


def _sent_by(variables: Mapping[str, Any]) -> Request:
    body: _Body = variables["self"]
    return body.middleware.occasion(body.environ, body.start_response)


encloses(BcdMiddleware.__call__, served_by, by_hand=True)
encloses(_Body.__iter__, _sent_by, by_hand=True)
encloses(_Body.close, _sent_by, by_hand=True)


def answer(start_response: StartResponse) -> list[bytes]:
    """Answer a plain 500 in place of the error that is being handled.

    Raises:
        BaseException: That error, from the server, where headers were sent already.
    """
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(_BODY))),
    ]
    start_response("500 Internal Server Error", headers, sys.exc_info())
    return [_BODY]


def _is_file(body: object, wrapper: object) -> bool:
    """Whether the server may send the body in a way of its own (PEP 3333)."""
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    return wrapper is not None and hasattr(body, "read")  # uWSGI's wrapper is a function


def _status(start_response: StartResponse | None) -> str | None:
    """The status once the response has started; gunicorn and wsgiref keep it beside."""
    server = getattr(start_response, "__self__", None)
    status = getattr(server, "status", None)
    return status[:3] if isinstance(status, str) and status[:3].isdigit() else None
