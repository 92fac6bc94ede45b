"""A server that passes bytes on to another, and can vanish, come back, or fall silent."""

from __future__ import annotations

import contextlib
import socket
import threading

__all__ = ["Proxy"]


class Proxy:
    """Listens at an address of its own.

    Args:
        host: Of the server behind it.
        port: Likewise.

    Attributes:
        port: Its own.
        swallowed: Is set when it was silent and something came that it did not pass on.
    """

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._silent = False
        self.swallowed = threading.Event()
        self.port = 0
        self.start()

    def start(self) -> None:
        """Come back, at the same address."""
        self._silent = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def vanish(self) -> None:
        """Break all connections and refuse new ones."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
            self._listener.close()
            self._listener = None
        while self._open:
            connection = self._open.pop()
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def fall_silent(self) -> None:
        """Accept connections and pass nothing on any more."""
        self._silent = True

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._behind)
                self._open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._silent:
                    self.swallowed.set()
                else:
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)
