"""What every request has to pass, and what every answer carries."""

from __future__ import annotations

import sys
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from bcd.viewer.answers import filled, page, refusal, wants_json

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bcd.viewer.access import Access

__all__ = ["PAGE_POLICY", "Guard"]

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""What a browser may load for a page of the viewer, and from where."""

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LONGEST_URL = 4096
_OPEN_TO_ALL = ("/health", "/login")
_ASSETS = "/assets/"
_PAGE_METHODS = ("GET", "HEAD")


class Guard:
    """Lets in who may read, and lets no error out but as an answer.

    Args:
        app: What answers.
        access: Who may read.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # neither lifespan nor websockets are served
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope, receive)
        try:
            await (self._refused(request) or self._app)(scope, receive, guarded)
        except Exception as error:  # noqa: BLE001 - the server goes on, the reader is told
            _report(scope["path"], error)
            if not begun:
                words = "this is an error of the viewer, which its standard error names"
                answer = refusal(request, HTTPStatus.INTERNAL_SERVER_ERROR, words)
                await answer(scope, receive, guarded)

    def _refused(self, request: Request) -> Response | None:
        path = request.scope["path"]
        raw = request.scope.get("raw_path") or b""
        headers = request.headers
        if max(len(path), len(raw)) + len(request.scope["query_string"]) > _LONGEST_URL:
            words = f"the URL is longer than {_LONGEST_URL} characters"
            return refusal(request, HTTPStatus.REQUEST_URI_TOO_LONG, words)
        if not path.isprintable():
            words = "the path has characters that cannot be printed"
            return refusal(request, HTTPStatus.BAD_REQUEST, words)
        if path != "/health" and not self._access.knows_host(headers.get("host", "")):
            words = (
                "this viewer answers under the names localhost and 127.0.0.1 alone; "
                "to reach it by another one start it with --host and a token"
            )
            return refusal(request, HTTPStatus.MISDIRECTED_REQUEST, words)
        if path in _OPEN_TO_ALL or path.startswith(_ASSETS):
            return None
        if self._access.admits(headers.get("authorization", ""), headers.get("cookie", "")):
            return None
        return _unauthorized(request)


def _unauthorized(request: Request) -> Response:
    if wants_json(request.scope["path"]) or request.method not in _PAGE_METHODS:
        words = "send the token of this viewer in the header Authorization: Bearer …"
        answer = refusal(request, HTTPStatus.UNAUTHORIZED, words)
    else:
        answer = page(
            filled("login.html", {"next": _here(request), "wrong": False}), HTTPStatus.UNAUTHORIZED
        )
    answer.headers["WWW-Authenticate"] = 'Bearer realm="bcd"'
    return answer


def _here(request: Request) -> str:
    """The path and query that a request asks for, without the name that it calls the server by."""
    path = quote(request.scope["path"])
    query = request.scope["query_string"].decode("ascii", "replace")
    return f"{path}?{query}" if query else path


def _report(path: str, error: Exception) -> None:
    """Say what failed and where; not the error's own words, which may quote the program's data."""
    [*_, (frame, line)] = traceback.walk_tb(error.__traceback__)
    code = frame.f_code
    place = f"{code.co_qualname} ({code.co_filename}:{line})"
    sys.stderr.write(f"bcd: {path!a} failed with {type(error).__name__} in {place}\n")
