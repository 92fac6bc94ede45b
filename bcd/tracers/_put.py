"""Upload a file to Backtrace: one POST that is over in time, and accepted or not.

The token is in no message: httpx logs the address of each request unless its transport is
called directly, and a server may send back what it was sent.

Source: Backtrace's documentation, "Submitting a Snapshot to Coroner".
"""

from __future__ import annotations

import _socket
import os
import socket
import stat
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from bcd import _greenlets
from bcd.config import seconds
from bcd.errors import ConfigError, PutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta
    from typing import Any, BinaryIO

__all__ = ["Destination", "destination", "put_file"]

_PORT = 6098
_PIECE = 64 * 1024  # bytes
_LONGEST_REASON = 300  # characters of what httpx says
_LONGEST_WAIT = 3600.0  # seconds; a lock does not take an infinite one

_ADVICE: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check the token",
    HTTPStatus.FORBIDDEN: "check the token",
    HTTPStatus.NOT_FOUND: "check the endpoint",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "it is larger than the server takes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where snapshots go to, and how.

    Attributes:
        server: Scheme, host and port, as messages may show it.
        path: What follows them, without the token.
        token: The secret.
        unlink: Whether a file is removed once it was accepted.
        on_trace: Whether each trace is followed by an upload.
        timeout: Seconds for one upload, above 0.
    """

    server: str
    path: str = field(repr=False)
    token: str = field(repr=False)
    unlink: bool
    on_trace: bool
    timeout: float


def destination(
    endpoint: str, token: str, *, unlink: bool, on_trace: bool, timeout: float | timedelta
) -> Destination:
    """Check where snapshots are to go.

    Raises:
        ConfigError: A value that cannot be used. The message shows neither the token nor what
            follows the host, where somebody may have put it.
    """
    if not _is_token(token):
        raise ConfigError("token cannot be used: pass the submission token of the server, a str")
    for name, value in (("unlink", unlink), ("on_trace", on_trace)):
        if not isinstance(value, bool):
            raise ConfigError(f"{name} is {value!r}; accepted are True and False")
    allowed = seconds("timeout", timeout)
    if allowed <= 0:
        raise ConfigError(f"timeout is {timeout!r}; accepted are seconds above 0")
    server, path = _address(endpoint)
    return Destination(
        server=server, path=path, token=token, unlink=unlink, on_trace=on_trace, timeout=allowed
    )


def _is_token(token: object) -> bool:
    return isinstance(token, str) and token != "" and token.isprintable() and " " not in token


def _address(endpoint: object) -> tuple[str, str]:
    """Split an endpoint into what may be shown and the path of the upload."""
    if not isinstance(endpoint, str):
        kind = type(endpoint).__name__
        raise ConfigError(f"endpoint is of type {kind}; accepted is the address of a server, a str")
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        host, port = parts.hostname, parts.port
        usable = parts.scheme in ("http", "https") and not parts.netloc.endswith(":")
    except ValueError:  # a port that is none, half an IPv6 address
        host = port = None
    if not host or not usable or not _is_plain(endpoint):
        raise ConfigError(
            f"endpoint {_harmless(endpoint)!r} is no address of a server; accepted is one like "
            "'https://yourcompany.sp.backtrace.io:6098'"
        )
    shown = f"[{host}]" if ":" in host else host
    server = f"{parts.scheme}://{shown}:{_PORT if port is None else port}"
    return server, f"{parts.path.rstrip('/')}/post"


def _is_plain(endpoint: str) -> bool:
    return endpoint.isprintable() and not any(mark in endpoint for mark in " @?#\\")


def _harmless(endpoint: str) -> str:
    """An endpoint without anything that may be a secret: user, path, query."""
    scheme, separator, rest = endpoint.rpartition("://")
    for mark in "/?#\\":
        rest = rest.partition(mark)[0]
    return scheme + separator + rest.rpartition("@")[2]


def put_file(to: Destination, path: str, timeout: float | None = None) -> str | None:
    """Upload a file, and unlink it if it is to be unlinked.

    Args:
        to: Where to.
        path: A regular file.
        timeout: Seconds; None, or more than ``to`` allows, means what that says.

    Returns:
        Why the file was kept although it was to be unlinked; None otherwise.

    Raises:
        PutError: It was not accepted.
    """
    allowed = to.timeout if timeout is None else min(timeout, to.timeout)
    with _opened(path) as file:
        sent = os.fstat(file.fileno())
        problem = _Upload(to, file, sent.st_size, allowed).run()
        if problem is not None:
            raise PutError(f"{path!r} was not uploaded to {to.server}: {problem}")
        return _unlink(path, sent, os.fstat(file.fileno())) if to.unlink else None


def _opened(path: str) -> BinaryIO:
    """Open a regular file that holds something; waits for none."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PutError(f"{path!r} was not uploaded, for it cannot be read: {reason}") from error
    found = os.fstat(number)
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return os.fdopen(number, "rb")
    os.close(number)
    fault = "is empty" if stat.S_ISREG(found.st_mode) else "is no regular file"
    raise PutError(f"{path!r} was not uploaded, for it {fault}")


def _unlink(path: str, sent: os.stat_result, now: os.stat_result) -> str | None:
    """Unlink the file that was sent, and no other; returns why not."""
    if (now.st_size, now.st_mtime_ns) != (sent.st_size, sent.st_mtime_ns):
        return "it was changed meanwhile"
    try:
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) != (sent.st_dev, sent.st_ino):
            return "its path leads to another file, or is a symbolic link"
        os.unlink(path)  # noqa: PTH108 - a path as it was given
    except FileNotFoundError:  # somebody else did it
        return None
    except OSError as error:
        return f"it cannot be removed: {error.strerror}"
    return None


class _Upload:
    """One upload, in a thread of its own.

    httpx bounds each single step, so a server that drips may go on for ever, and so may the
    search for its address. Whoever waits here is free when the time is over; the thread follows
    as soon as its connection is shut down.
    """

    def __init__(self, to: Destination, file: BinaryIO, size: int, allowed: float) -> None:
        self._to = to
        self._file = file
        self._size = size
        self._allowed = allowed
        self._ends_at = time.monotonic() + allowed
        self._late = False
        self._whole = False
        self._sockets: list[socket.socket] = []
        self._problem: str | None = "it did not come to an end"
        self._done = _greenlets.allocate_lock()

    def run(self) -> str | None:
        """Upload; returns why it was not accepted."""
        self._done.acquire()
        try:
            _greenlets.start_new_thread(self._work, ())
        except RuntimeError:  # no more threads, or the interpreter is shutting down
            self._work()
        try:
            longest = time.monotonic() + _LONGEST_WAIT
            in_time = _greenlets.acquire(self._done, min(self._ends_at, longest))
        finally:
            self._late = True
            self._shut_down()
        return self._problem if in_time else self._too_late()

    def _too_late(self) -> str:
        return f"no answer within {self._allowed:g} s"

    def _work(self) -> None:
        try:
            self._problem = self._post()
        except Exception as error:  # noqa: BLE001 - becomes the reason
            self._problem = self._reason(error)
        finally:
            self._done.release()

    def _post(self) -> str | None:
        import httpx  # an extra, and slow to import

        to = self._to
        left = max(0.001, self._ends_at - time.monotonic())
        bounds = dict.fromkeys(("connect", "read", "write", "pool"), min(left, _LONGEST_WAIT))
        request = httpx.Request(
            "POST",
            f"{to.server}{to.path}?token={quote(to.token, safe='')}",
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(self._size),
                "Connection": "close",
            },
            content=self._pieces(),
            extensions={"timeout": bounds, "trace": self._watch},
        )
        # The transport, not a client: that would log the address, token and all.
        try:
            with httpx.HTTPTransport(proxy=_proxy(to.server)) as transport:
                response = transport.handle_request(request)
                with closing(response):
                    for _ in response.iter_raw():  # a truncated answer is none
                        self._check_time()
        except (httpx.TimeoutException, TimeoutError):
            return self._too_late()
        return self._verdict(response.status_code)

    def _pieces(self) -> Iterator[bytes]:
        left = self._size
        while left > 0 and (piece := self._file.read(min(left, _PIECE))):
            self._check_time()
            left -= len(piece)
            yield piece
        self._whole = True  # httpx passes over a failed write if there is an answer to read

    def _check_time(self) -> None:
        if self._late or time.monotonic() >= self._ends_at:
            raise TimeoutError(self._too_late())

    def _verdict(self, status: int) -> str | None:
        said = f"{status} {_phrase(status)}".rstrip()
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return f"the server answered {said}; redirects are not followed, check the endpoint"
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return f"the server answered {said}; {_ADVICE.get(status, 'try again')}"
        return None if self._whole else f"the server answered {said} before it had the whole file"

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Note each connection. Source: the "trace" extension of httpcore."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets.append(info["return_value"].get_extra_info("socket"))
            if self._late:
                self._shut_down()

    def _shut_down(self) -> None:
        for connection in self._sockets:
            with suppress(OSError):  # it is closed
                wrapped = getattr(connection, "fd", connection)  # by eventlet, where it patched
                plain = socket.socket if isinstance(wrapped, socket.socket) else _socket.socket
                # That of SSLSocket would go on in plain text if another thread writes.
                plain.shutdown(wrapped, socket.SHUT_RDWR)

    def _reason(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        for secret in (self._to.token, quote(self._to.token, safe=""), quote(self._to.token)):
            text = text.replace(secret, "[token]")
        return text[:_LONGEST_REASON]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _proxy(server: str) -> str | None:
    """The proxy that the environment names for a server."""
    from urllib.request import getproxies, proxy_bypass  # slow to import

    parts = urlsplit(server)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
