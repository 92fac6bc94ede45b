"""Signing in with a browser, which cannot send a bearer token by itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse

from bcd.viewer.access import COOKIE, SESSION_S
from bcd.viewer.answers import filled, page, refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from bcd.viewer.access import Access

__all__ = ["SigningIn"]

_LONGEST_BODY = 8192


class SigningIn:
    """Changes a token for a cookie that lasts some hours.

    Args:
        access: Knows the token.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def show(self, _: Request) -> Response:
        """Show the form."""
        if self._access.token is None:
            return _to("/")
        return page(filled("login.html", {"next": "/", "wrong": False}))

    async def sign_in(self, request: Request) -> Response:
        """Take the token; lead on to where the reader wanted to go."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return refusal(request, HTTPStatus.FORBIDDEN, "sign in on the page of this viewer")
        body = await _body(request)
        if body is None:
            words = "this is more than a token"
            return refusal(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=None)
        further = _local(fields.get("next", ["/"])[0])
        if not self._access.is_token(fields.get("token", [""])[0].strip()):
            content = {"next": further, "wrong": True}
            return page(filled("login.html", content), HTTPStatus.UNAUTHORIZED)
        answer = _to(further)
        answer.set_cookie(
            COOKIE,
            self._access.new_session(),
            max_age=SESSION_S,
            secure=request.headers.get("x-forwarded-proto") == "https",  # a proxy with TLS
            httponly=True,
            samesite="strict",
        )
        return answer

    async def sign_out(self, _: Request) -> Response:
        """Forget the browser."""
        answer = _to("/login")
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


async def _body(request: Request) -> bytes | None:
    """Read what was sent, unless it is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            return None
    return bytes(body)


def _local(target: str) -> str:
    """Lead nowhere but to a page of this viewer."""
    away = not target.startswith("/") or target.startswith("//") or "\\" in target
    return "/" if away or not target.isprintable() else target


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
