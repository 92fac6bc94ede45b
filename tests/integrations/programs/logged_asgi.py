"""Applications that log errors, raise them, or both; what the servers log reaches bcd too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logged import fail, log, set_up
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bcd.integrations.asgi import BcdMiddleware
from bcd.integrations.starlette import instrument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

set_up()


async def raises(_: Request) -> Response:
    """Leave it to the server to log."""
    fail(logs=False)
    raise AssertionError


async def both(_: Request) -> Response:
    """Log on the way."""
    fail(logs=True)
    raise AssertionError


async def thread(_: Request) -> Response:
    """Log in another thread, from which the error comes back."""
    await run_in_threadpool(fail, logs=True)
    raise AssertionError


async def handles(_: Request) -> Response:
    """Log and go on."""
    try:
        fail(logs=True)
    except LookupError:
        log.exception("logged again")
    return PlainTextResponse("handled")


async def passes(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Do nothing, but in another task."""
    return await call_next(request)


def program(*middleware: Middleware) -> Starlette:
    """The program."""
    routes = [
        Route(f"/{function.__name__}", function) for function in (raises, both, thread, handles)
    ]
    return Starlette(routes=routes, middleware=middleware)


starlette = program(Middleware(BaseHTTPMiddleware, dispatch=passes))
instrument(starlette)
asgi: Any = BcdMiddleware(program())
inside = program(Middleware(BcdMiddleware))
