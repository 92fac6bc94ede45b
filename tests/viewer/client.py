"""Asks an application in this process, as a browser or a program would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["Client"]


class Client:
    """One event loop and one jar of cookies; leads on to no other URL by itself."""

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self._http = httpx.AsyncClient(transport=transport, base_url=base_url)

    def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        """Ask once."""
        return self._runner.run(self._http.request(method, url, **arguments))

    def get(self, url: str, **arguments: Any) -> httpx.Response:
        """Ask for a page."""
        return self.request("GET", url, **arguments)

    def post(self, url: str, **arguments: Any) -> httpx.Response:
        """Send a form."""
        return self.request("POST", url, **arguments)

    def together(self, *urls: str) -> list[httpx.Response]:
        """Ask for several pages at once."""

        async def all_of_them() -> list[httpx.Response]:
            return list(await asyncio.gather(*(self._http.get(url) for url in urls)))

        return self._runner.run(all_of_them())

    @property
    def cookies(self) -> httpx.Cookies:
        """What the viewer has set."""
        return self._http.cookies

    def close(self) -> None:
        """End the event loop."""
        self._runner.run(self._http.aclose())
        self._runner.close()
