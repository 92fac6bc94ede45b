"""One small program twice: ``bare``, and ``traced`` by bcd. For tests with real servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse

from bcd import GlobalConfig, update_config
from bcd.integrations.starlette import instrument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

update_config(GlobalConfig(rate_limit=float(os.environ.get("TEST_RATE_LIMIT", "3"))))


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


async def connection() -> AsyncIterator[str]:
    """Something that has to be given back, whatever happens."""
    try:
        yield "connection"
    finally:
        await asyncio.sleep(0)


tenants = APIRouter(prefix="/t/{tenant}", dependencies=[Depends(connection)])


@tenants.get("/fail/{number}")
async def fail(tenant: str, number: str) -> str:
    """Fail with an error that is the program's."""
    raise Boom(f"deep {number}", tenant)


router = APIRouter()


@router.get("/ok")
async def ok() -> PlainTextResponse:
    """Work."""
    return PlainTextResponse("tea")


@router.get("/missing")
async def missing() -> None:
    """Answer with an error that is the client's."""
    raise HTTPException(404, "no tea")


@router.get("/half")
async def half() -> StreamingResponse:
    """Fail half-way."""

    async def pour() -> AsyncIterator[bytes]:
        yield b"te"
        raise Boom("half")

    return StreamingResponse(pour())


dropped = asyncio.Event()


@router.get("/drip")
async def drip() -> StreamingResponse:
    """Send until the client goes away."""

    async def pour() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"drip" * 1000
                await asyncio.sleep(0.001)
        finally:
            dropped.set()

    return StreamingResponse(pour())


@router.get("/was-dropped")
async def was_dropped() -> PlainTextResponse:
    """Answer once the client of ``drip`` went away."""
    await dropped.wait()
    return PlainTextResponse("dropped")


@router.websocket("/ws/{when}")
async def talk(socket: WebSocket, when: str) -> None:
    """Fail before or after a websocket is accepted."""
    if when == "late":
        await socket.accept()
    raise Boom(when)


def program(name: str) -> FastAPI:
    """The program; it does not start if the environment says so."""

    @contextlib.asynccontextmanager
    async def opening_hours(_: FastAPI) -> AsyncIterator[None]:
        if os.environ.get("TEST_CLOSED") == name:
            raise Boom("closed")
        yield

    app = FastAPI(lifespan=opening_hours)
    app.include_router(router)
    app.include_router(tenants)
    return app


bare = program("bare")
traced = program("traced")
instrument(traced)
