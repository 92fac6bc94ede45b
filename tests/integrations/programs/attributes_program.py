"""Programs that set attributes: ``/set/NAME`` succeeds, ``/set/NAME/fail`` and ``/fail`` do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import bcd
from bcd.integrations.flask import Bcd
from bcd.integrations.starlette import instrument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

bcd.update_config(bcd.GlobalConfig(rate_limit=0))


def fail() -> None:
    """Fail.

    Raises:
        LookupError: Always.
    """
    raise LookupError("no such tea")


def in_a_thread(request: Request) -> Response:
    """Starlette calls this in a thread, with a copy of the context."""
    bcd.set_attribute("shop.name", request.path_params["name"])
    bcd.set_attribute("shop.api_token", "SECRET-TOKEN-5309")
    if request.url.path.endswith("/fail"):
        fail()
    return PlainTextResponse("tea")


async def failing(_: Request) -> Response:
    """Say nothing and fail."""
    fail()
    return PlainTextResponse("never")


def flushing(_: Request) -> Response:
    """Answer once the slot is free again."""
    bcd.flush()
    return PlainTextResponse("flushed")


async def in_a_task(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    """Starlette serves what is below this in a task of its own."""
    bcd.set_attribute("shop.name", "nobody")
    return await go_on(request)


asgi = Starlette(
    routes=[
        Route("/set/{name}", in_a_thread),
        Route("/set/{name}/fail", in_a_thread),
        Route("/fail", failing),
        Route("/flush", flushing),
    ],
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=in_a_task)],
)
instrument(asgi)

wsgi = flask.Flask("attributes")
Bcd(wsgi)


@wsgi.get("/set/<name>")
def succeeding(name: str) -> str:
    """Set it."""
    bcd.set_attribute("shop.name", name)
    return "tea"


@wsgi.get("/set/<name>/fail")
def failing_late(name: str) -> flask.Response:
    """Set it, and fail while the body is sent."""
    bcd.set_attribute("shop.name", name)
    bcd.set_attribute("shop.api_token", "SECRET-TOKEN-5309")

    def pour() -> Iterator[bytes]:
        fail()
        yield b"never"

    return flask.Response(pour())


@wsgi.get("/fail")
def failing_at_once() -> str:
    """Say nothing and fail."""
    fail()
    return "never"


@wsgi.get("/flush")
def flushed() -> str:
    """Answer once the slot is free again."""
    bcd.flush()
    return "flushed"
