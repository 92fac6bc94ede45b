"""One small program twice: ``bare``, and ``traced`` by bcd. For tests with real servers."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from bcd import GlobalConfig, update_config
from bcd.integrations.starlette import instrument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

update_config(GlobalConfig(rate_limit=float(os.environ.get("TEST_RATE_LIMIT", "3"))))


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


async def ok(_: Request) -> Response:
    """Work."""
    return PlainTextResponse("tea")


async def missing(_: Request) -> Response:
    """Answer with an error that is the client's."""
    raise HTTPException(404, "no tea")


async def fail(request: Request) -> Response:
    """Fail with an error that is the program's."""
    number = request.path_params["number"]
    raise Boom(f"deep {number}")


async def half(_: Request) -> Response:
    """Fail half-way."""

    async def pour() -> AsyncIterator[bytes]:
        yield b"te"
        raise Boom("half")

    return StreamingResponse(pour())


dropped = asyncio.Event()


async def drip(_: Request) -> Response:
    """Send until the client goes away."""

    async def pour() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"drip" * 1000
                await asyncio.sleep(0.001)
        finally:
            dropped.set()

    return StreamingResponse(pour())


async def was_dropped(_: Request) -> Response:
    """Answer once the client of ``drip`` went away."""
    await dropped.wait()
    return PlainTextResponse("dropped")


def program() -> Starlette:
    """The program."""
    routes: list[Any] = [
        Route("/ok", ok),
        Route("/missing", missing),
        Mount("/t/{tenant}", routes=[Route("/fail/{number}", fail)]),
        Route("/half", half),
        Route("/drip", drip),
        Route("/was-dropped", was_dropped),
    ]
    return Starlette(routes=routes)


bare = program()
traced = program()
instrument(traced)
