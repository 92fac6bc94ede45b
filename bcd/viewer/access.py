"""Who may read: a token as bearer or in the cookie of a browser, and the names of this host."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COOKIE", "LOOPBACK_NAMES", "SESSION_S", "Access"]

COOKIE = "bcd-viewer"

SESSION_S = 12 * 60 * 60
"""Seconds for which a browser is known."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What a browser on this machine calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may read.

    Attributes:
        token: What a reader has to show; None lets everyone read who reaches the server.
        hosts: Names by which the server may be called; None for any. Another name means that
            a page from elsewhere has had its own name led to this machine.
        clock: Unix time.
    """

    token: str | None = field(repr=False)
    hosts: frozenset[str] | None
    clock: Callable[[], float] = time.time

    def knows_host(self, header: str) -> bool:
        """Tell whether the server may be called so."""
        return self.hosts is None or _without_port(header).lower() in self.hosts

    def is_token(self, text: str) -> bool:
        """Compare with the token, in a time that tells nothing of it."""
        return self.token is not None and hmac.compare_digest(
            text.encode("utf-8", "surrogateescape"), self.token.encode()
        )

    def admits(self, authorization: str, cookies: str) -> bool:
        """Tell whether the headers of a request let it in."""
        if self.token is None:
            return True
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.is_token(text.strip()):
            return True
        return self._is_session(_cookie(cookies))

    def new_session(self) -> str:
        """Make the value of a cookie, which has an end and does not give the token away."""
        end = str(int(self.clock()) + SESSION_S)
        return f"{end}.{self._signed(end)}"

    def _is_session(self, value: str) -> bool:
        end, _, signature = value.partition(".")
        if not end.isascii() or not end.isdigit() or len(end) > len(str(1 << 63)):
            return False
        fits = hmac.compare_digest(signature.encode(), self._signed(end).encode())
        return fits and self.clock() < int(end)

    def _signed(self, end: str) -> str:
        key = (self.token or "").encode()
        return hmac.new(key, f"bcd viewer session until {end}".encode(), hashlib.sha256).hexdigest()


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
