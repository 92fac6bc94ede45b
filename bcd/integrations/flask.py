"""Flask: ``Bcd(app)``, or ``bcd = Bcd()`` and later ``bcd.init_app(app)``; ``setup()`` for all.

Two hooks together see everything: the signal sees what views raise, which Flask answers itself,
and the WSGI wrapper what generator bodies, ``call_on_close`` and teardown raise.
"""

from __future__ import annotations

from functools import partial, wraps
from itertools import count
from typing import TYPE_CHECKING, Any

import flask
from flask import Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RoutingException

from bcd.integrations import wsgi
from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._enclosing import encloses
from bcd.integrations._points import Installed, Point, point_of_class
from bcd.scope import WANTED, open_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from werkzeug.routing import Map, Rule

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["Bcd", "setup"]

_EXTENSION = "bcd"
"""Under which name an application has the hook that was put there by hand."""


class Bcd:
    """Has every unhandled error of Flask applications traced.

    Args:
        app: The application; None leaves it to :meth:`init_app`.
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.
        reraise: False answers a plain 500 where an error would leave the application with
            nothing sent yet.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """

    def __init__(  # noqa: PLR0913 - one per setting
        self,
        app: flask.Flask | None = None,
        *,
        tracer: Tracer | None = None,
        options: TraceOptions | None = None,
        ignore: Ignore = (),
        before_trace: BeforeTrace | None = None,
        reraise: bool = True,
    ) -> None:
        self._settings: dict[str, Any] = {
            "tracer": tracer,
            "options": options,
            "ignore": ignore,
            "before_trace": before_trace,
            "reraise": reraise,
        }
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Hook into an application; on one that has the hook the newer settings win."""
        wrapper = _Wrapper(app.wsgi_app, app.url_map, **self._settings)
        earlier = app.extensions.get(_EXTENSION)
        if isinstance(earlier, _Wrapper):
            earlier.capture, earlier.reraise = wrapper.capture, wrapper.reraise
            return
        app.extensions[_EXTENSION] = wrapper
        # The bound method is called without the detour of an instance: 0.05 µs less.
        app.wsgi_app = wrapper.__call__  # type: ignore[method-assign]
        flask.got_request_exception.connect(wrapper.view_failed, app, weak=False)


def setup(
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
) -> Installed:
    """Have every unhandled error of all Flask applications traced.

    Also of those that were made before. An application that has a hook of its own, by
    :class:`Bcd` or a middleware, keeps that one's settings.

    Args:
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.

    Returns:
        What uninstalls it.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """
    return _Installed(Capture("flask", tracer, options, ignore, before_trace))


class _Installed(Installed):
    def __init__(self, capture: Capture) -> None:
        super().__init__(capture, [_point()])
        flask.got_request_exception.connect(_view_failed, weak=False)

    def uninstall(self) -> None:
        super().uninstall()
        if _point().captures.newest is None:
            flask.got_request_exception.disconnect(_view_failed)


class _Wrapper(wsgi.BcdMiddleware):
    integration = "flask"

    def __init__(self, app: wsgi.Application, url_map: Map, **settings: Any) -> None:
        super().__init__(app, **settings)
        self._url_map = url_map

    def __call__(
        self, environ: wsgi.Environ, start_response: wsgi.StartResponse
    ) -> Iterable[bytes]:
        # Written out, not a call of the base: in a real application each step more costs
        # about 0.1 µs, because the processor's caches are cold here.
        opened = open_scope(environ, self.occasion, environ, start_response) if WANTED else None
        try:
            body = self.app(environ, start_response)
        except BaseException as error:
            self.failed(error, environ, start_response, opened)
            if self.reraise or not isinstance(error, Exception):
                raise
            return wsgi.answer(start_response)
        try:
            # A complete response: neither sending nor closing it can fail, so it needs no
            # guard, which would cost 1.2 µs. The names are those of Werkzeug 2.3 to 3.1
            # (werkzeug/wsgi.py, wrappers/response.py); with others it is guarded.
            response = body._callbacks[-1].__self__  # type: ignore[attr-defined]  # noqa: SLF001
            if (
                type(response) is Response
                and type(response.response) is list
                and not response._on_close  # noqa: SLF001
            ):
                if opened is not None:
                    opened.close()
                return body
        except (AttributeError, IndexError):
            pass
        return self.guarded(body, environ, start_response, opened)

    def occasion(
        self, environ: wsgi.Environ, start_response: wsgi.StartResponse | None
    ) -> wsgi.Request:
        return _Request(environ, start_response, self._url_map)

    def view_failed(self, _: flask.Flask, *, exception: BaseException, **__: object) -> None:
        self.capture.take(exception, _Request(_environ(), None, self._url_map))


encloses(_Wrapper.__call__, wsgi.served_by, by_hand=True)


class _OfAll(_Wrapper, wsgi.OfAll):
    """For one of all applications."""


def _serving(point: Point, before: Callable[..., Iterable[bytes]]) -> Callable[..., Any]:
    key = f"{_EXTENSION}.all.{next(_numbers)}"

    @wraps(before)
    def serve(
        app: flask.Flask, environ: wsgi.Environ, start_response: wsgi.StartResponse
    ) -> Iterable[bytes]:
        wrapper = app.extensions.get(key)
        if wrapper is None:
            wanted = partial(point.capture_of, serve)
            made = _OfAll(partial(before, app), app.url_map, wanted=wanted)
            wrapper = app.extensions.setdefault(key, made.__call__)
        body: Iterable[bytes] = wrapper(environ, start_response)
        return body

    return serve


_numbers = count(1)


def _point() -> Point:
    return point_of_class(flask.Flask, "__call__", _serving)


def _view_failed(app: flask.Flask, *, exception: BaseException, **__: object) -> None:
    """Receive what a view of any application raised, unless that has a receiver of its own."""
    capture = _point().captures.newest
    if capture is not None and _EXTENSION not in app.extensions:
        capture.take(exception, _Request(_environ(), None, app.url_map))


def _environ() -> wsgi.Environ:
    """That of the request which is served; an empty one where none is."""
    try:  # the proxy itself takes 1 µs longer for each attribute
        request: flask.Request = flask.request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - documented by Werkzeug
    except RuntimeError:
        return {}
    return request.environ


class _Request(wsgi.Request):
    __slots__ = ("_url_map",)

    def __init__(
        self,
        environ: wsgi.Environ,
        start_response: wsgi.StartResponse | None,
        url_map: Map,
    ) -> None:
        self._environ = environ
        self._start_response = start_response
        self._url_map = url_map

    def attributes(self, error: BaseException) -> dict[str, str]:
        found = super().attributes(error)
        rule = self._rule()
        if rule is not None:
            found["http.route"] = rule.rule
        return found

    def _rule(self) -> Rule | None:
        request = self._environ.get("werkzeug.request")
        if request is not None:
            rule: Rule | None = request.url_rule
            return rule
        # Flask forgets its request before the body is sent, so match again.
        try:
            return self._url_map.bind_to_environ(self._environ).match(return_rule=True)[0]
        except (HTTPException, RoutingException, LookupError):
            return None
