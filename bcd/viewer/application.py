"""The viewer as an ASGI application."""

from __future__ import annotations

import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bcd.errors import BcdError, SnapshotCorrupt, SnapshotNotFound, SnapshotTooNew, StoreError
from bcd.report.line import printable
from bcd.report.page.render import asset
from bcd.viewer.answers import refusal
from bcd.viewer.api import Api
from bcd.viewer.asked import MissingError, ask_health
from bcd.viewer.asking import Asker
from bcd.viewer.guard import Guard
from bcd.viewer.outage import Outage
from bcd.viewer.pages import Pages
from bcd.viewer.query import BadQueryError
from bcd.viewer.signing_in import SigningIn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from bcd.store.base import Index
    from bcd.viewer.access import Access

__all__ = ["PATIENCE", "application"]

PATIENCE = 10.0
"""Seconds that the store has for an answer."""

_ASSETS = Path(__file__).parent / "assets"
_KINDS = {"css": "text/css", "js": "text/javascript"}
_STATUS: Mapping[type, HTTPStatus] = {
    BadQueryError: HTTPStatus.BAD_REQUEST,
    MissingError: HTTPStatus.NOT_FOUND,
    SnapshotCorrupt: HTTPStatus.INTERNAL_SERVER_ERROR,
    SnapshotTooNew: HTTPStatus.NOT_IMPLEMENTED,
    SnapshotNotFound: HTTPStatus.SERVICE_UNAVAILABLE,  # a folder that cannot be read
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_WRONG = {
    HTTPStatus.NOT_FOUND: "there is no such page",
    HTTPStatus.METHOD_NOT_ALLOWED: "this viewer is only to be read from",
}


def application(
    index: Index, access: Access, *, place: str = "", patience: float = PATIENCE
) -> ASGIApp:
    """Make the viewer.

    Args:
        index: What it shows.
        access: Who may read.
        place: Options by which a command names the same store; empty where it needs none.
        patience: Seconds that the store has for an answer.
    """
    outage = Outage()
    asker = Asker(patience, outage)
    pages = Pages(index, asker, place=place, locked=access.token is not None)
    api, signing_in = Api(index, asker), SigningIn(access)
    routes = [
        _get("/", pages.groups),
        _get("/groups/{fingerprint}", pages.group),
        _get("/snapshots/{id}.json", api.snapshot),
        _get("/snapshots/{id}.html", pages.snapshot_file),
        _get("/snapshots/{id}", pages.snapshot),
        _get("/api/groups", api.groups),
        _get("/api/groups/{fingerprint}", api.group),
        _get("/api/snapshots", api.snapshots),
        _get("/api/snapshots/{id}", api.snapshot),
        _get("/api/openapi.json", api.description),
        _get("/health", _health(index, asker)),
        _get("/assets/{name}", _asset),
        _get("/login", signing_in.show),
        Route("/login", signing_in.sign_in, methods=["POST"]),
        Route("/logout", signing_in.sign_out, methods=["POST"]),
    ]
    handlers = {**dict.fromkeys(_STATUS, _failing(outage)), HTTPException: _refused}
    made = Starlette(routes=routes, exception_handlers=handlers)
    made.router.redirect_slashes = False  # to a URL with whatever name the server was called by
    return Guard(made, access)


def _get(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, endpoint, methods=["GET"])


def _health(index: Index, asker: Asker) -> Callable[[Request], Awaitable[Response]]:
    async def health(_: Request) -> Response:
        try:
            await asker.ask(lambda: ask_health(index))
        except BcdError:
            content = {"status": "unavailable", "reason": "the store does not answer"}
            return JSONResponse(content, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ok"})

    return health


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "base.css":
        return Response(asset(name), media_type="text/css")
    if name in ("viewer.css", "viewer.js"):
        kind = _KINDS[name.rpartition(".")[2]]
        return Response((_ASSETS / name).read_bytes(), media_type=kind)
    raise HTTPException(HTTPStatus.NOT_FOUND)


def _failing(outage: Outage) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def failed(request: Request, error: Exception) -> Response:
        status = _status(error)
        answer = refusal(request, status, str(error))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            outage.goes_on(str(error))
            answer.headers["Retry-After"] = "5"
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            sys.stderr.write(f"bcd: {printable(str(error))}\n")
        return answer

    return failed


def _status(error: Exception) -> HTTPStatus:
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for that alone
    status = HTTPStatus(error.status_code)
    answer = refusal(request, status, _WRONG.get(status, error.detail))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer
