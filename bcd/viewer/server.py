"""Serving the viewer until a signal comes."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from bcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

__all__ = ["address_of", "is_loopback", "listen", "serve"]

_URL_BYTES = 16 * 1024
_CONNECTIONS = 200
_GRACE_S = 3


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, as seen from itself alone.

    Raises:
        ConfigError: The name is not known.
    """
    return all(ipaddress.ip_address(address[4][0]).is_loopback for address in _resolved(host, 0))


def listen(host: str, port: int) -> socket.socket:
    """Take the port.

    Args:
        host: A name or an address of this machine.
        port: 0 to 65535; 0 takes any that is free.

    Raises:
        ConfigError: It cannot be had.
    """
    family, kind, protocol, _, address = _resolved(host, port)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"{host} port {port} cannot be served: {reason}; give another one with --port or --host"
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of what is served there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(application: ASGIApp, listener: socket.socket, started: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM comes; a second SIGINT waits for no answer any more.

    Args:
        application: What answers.
        listener: Where.
        started: Called when it does.
    """
    config = uvicorn.Config(
        application,
        http="h11",  # of all of them the one that bounds what it reads
        h11_max_incomplete_event_size=_URL_BYTES,
        loop="asyncio",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",  # what an application does wrong, the viewer itself says
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, started)
    with _ended_by_signals(server):
        asyncio.run(server.serve([listener]))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when it is done."""
        await super().startup(sockets)
        self._tell()


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Lose no signal that comes early; what uvicorn raises again when it has ended does no more."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, server.handle_exit) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _resolved(
    host: str, port: int
) -> list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]]:
    try:
        return socket.getaddrinfo(  # type: ignore[return-value] # the rest of an address is not used
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise ConfigError(f"there is no host {host!r}; give an address with --host") from None
