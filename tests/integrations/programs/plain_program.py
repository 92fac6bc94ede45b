"""Applications of all makes that know nothing of bcd: ``/ok`` succeeds, ``/t/NAME/fail`` fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


def fail(tenant: str) -> str:
    """Fail.

    Raises:
        Boom: Always.
    """
    raise Boom(f"deep in {tenant}")


flask_app = flask.Flask("plain")
flask_app.add_url_rule("/ok", "ok", lambda: "tea")
flask_app.add_url_rule("/t/<tenant>/fail", "fail", fail)

fastapi_app = FastAPI()


@fastapi_app.get("/ok")
async def fastapi_ok() -> str:
    """Work."""
    return "tea"


@fastapi_app.get("/t/{tenant}/fail")
def fastapi_fail(tenant: str) -> str:
    """Fail in a thread."""
    return fail(tenant)


async def starlette_ok(_: object) -> PlainTextResponse:
    """Work."""
    return PlainTextResponse("tea")


async def starlette_fail(request: Any) -> PlainTextResponse:
    """Fail."""
    return PlainTextResponse(fail(request.path_params["tenant"]))


starlette_app = Starlette(
    routes=[
        Route("/ok", starlette_ok),
        Mount("/t/{tenant}", routes=[Route("/fail", starlette_fail)]),
    ]
)


async def raw_asgi(scope: Any, _: Any, send: Any) -> None:
    """The protocol and nothing else."""
    if scope["type"] == "http":
        body = b"tea" if scope["path"] == "/ok" else fail(scope["path"].split("/")[2]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def raw_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The same."""
    path = environ["PATH_INFO"]
    body = b"tea" if path == "/ok" else fail(path.split("/")[2]).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    yield body
