"""Starlette and FastAPI: ``instrument(app)``, or ``setup()`` for all applications.

The hook stands outside ``ServerErrorMiddleware``, so that the client already has its answer,
and the errors of every middleware, background task and streamed body are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import FileResponse, Response, StreamingResponse

from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._points import Installed, Point, point_of_class
from bcd.integrations.asgi import App, BcdMiddleware, around

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import CodeType, FrameType, TracebackType

    from starlette.applications import Starlette

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["instrument", "setup"]

_ANSWERING = ServerErrorMiddleware.__call__.__code__
_RESPONDING: frozenset[CodeType] = frozenset(
    kind.__call__.__code__ for kind in (Response, StreamingResponse, FileResponse)
)


def instrument(  # noqa: PLR0913 - one per setting
    app: Starlette,
    *,
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
    reraise: bool = True,
) -> None:
    """Have every unhandled error of a Starlette or FastAPI application traced.

    Call it at any time; a second call replaces the settings of the first.

    Args:
        app: The application.
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.
        reraise: False keeps an error that Starlette answered from reaching the server, which
            would log it; it is raised all the same where the response had started before.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """
    outermost = _Outermost(
        app,
        tracer=tracer,
        options=options,
        ignore=ignore,
        before_trace=before_trace,
        reraise=reraise,
    )
    build = app.build_middleware_stack
    app.build_middleware_stack = _Building(  # type: ignore[method-assign]
        build.build if isinstance(build, _Building) else build, outermost
    )
    stack = app.middleware_stack
    if stack is not None:  # the application serves already
        outermost.app = stack.app if isinstance(stack, _Outermost) else stack
        app.middleware_stack = outermost


def setup(
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
) -> Installed:
    """Have every unhandled error of all Starlette and FastAPI applications traced.

    Also of those that were made before. An application that has a hook of its own, by
    :func:`instrument` or a middleware, keeps that one's settings.

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
    from starlette.applications import Starlette  # the class of now, should it be reloaded

    capture = Capture("starlette", tracer, options, ignore, before_trace)
    return Installed(capture, [point_of_class(Starlette, "__call__", _serving)])


def _serving(point: Point, before: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    return around(point, before, _status_of)


class _Outermost(BcdMiddleware):
    integration = "starlette"

    def status_of(self, error: BaseException) -> int | None:
        return _status_of(error)

    def is_answered(self, error: BaseException) -> bool:
        return any(_answer_in(frame) is not None for frame in _frames(error.__traceback__))


class _Building:
    """Stands in for ``build_middleware_stack`` of one application."""

    def __init__(self, build: Callable[[], App], outermost: _Outermost) -> None:
        self.build = build
        self.outermost = outermost

    def __call__(self) -> App:
        self.outermost.app = self.build()
        return self.outermost


def _status_of(error: BaseException) -> int | None:
    has_started = False
    for frame in _frames(error.__traceback__):
        has_started = has_started or _has_started(frame)
        response = _response_in(frame, has_started=has_started)
        status = getattr(response, "__dict__", {}).get("status_code")
        if isinstance(status, int):
            return status
    return None


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _response_in(frame: FrameType, *, has_started: bool) -> object:
    """The response that was being sent in a frame, or sent before it.

    FastAPI leaves the dependencies of a request once that has its response
    (fastapi/routing.py, 0.165: ``request_response``).
    """
    if frame.f_code in _RESPONDING:
        return frame.f_locals.get("self")
    if frame.f_code is _ANSWERING:
        return _answer_in(frame)
    sent = frame.f_locals.get("response") if has_started else None
    return sent if isinstance(sent, Response) else None


def _has_started(frame: FrameType) -> bool:
    return frame.f_code is _ANSWERING and frame.f_locals.get("response_started") is True


def _answer_in(frame: FrameType) -> object:
    """The response with which ``ServerErrorMiddleware`` answered, if this is its frame.

    Source: starlette/middleware/errors.py, 0.37 to 1.10; with other names nothing is found.
    """
    if frame.f_code is not _ANSWERING or frame.f_locals.get("response_started") is not False:
        return None
    return frame.f_locals.get("response")
