"""A server on loopback that takes uploads and fails at any stage of them, as it is told."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["ACCEPTED", "Conversation", "UploadServer", "answer"]

ACCEPTED = b'{"response":"ok"}'


class Gone(Exception):  # noqa: N818 - it is what has happened
    """The client, or the server, has closed the connection."""


@dataclass
class Conversation:
    """One connection.

    Attributes:
        connection: Its socket.
        closing: Set when the server is to end.
        line: First line of the request.
        headers: By their names in lower case.
        body: What has come of it so far.
    """

    connection: socket.socket
    closing: threading.Event
    line: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def read_head(self) -> None:
        """Read the request up to its body."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.line, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}

    def read_body(self, share: float = 1.0) -> None:
        """Read the body, or only a share of it."""
        while len(self.body) < share * int(self.headers["content-length"]):
            self.body += self._receive()

    def read_all(self) -> None:
        """Read the whole request."""
        self.read_head()
        self.read_body()

    def send(self, data: bytes) -> None:
        """Send some of the answer."""
        self.connection.sendall(data)

    def drip(self, data: bytes, seconds: float = 0.02) -> None:
        """Send byte after byte until the client has had enough; the last one is repeated."""
        for number in range(100_000):
            self.connection.sendall(data[number : number + 1] or data[-1:])
            if self.closing.wait(seconds):
                return

    def stall(self) -> None:
        """Do nothing until the server ends."""
        self.closing.wait()

    def reset(self) -> None:
        """Drop the connection at once, with what was not read or sent yet."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _receive(self) -> bytes:
        data = self.connection.recv(65536)
        if not data:
            raise Gone
        return data


def answer(
    status: int, body: bytes = b"", *headers: str, length: int | None = None
) -> Callable[[Conversation], None]:
    """A behaviour: read the request and answer it.

    Args:
        status: Of the answer.
        body: Of the answer.
        headers: Further lines.
        length: What the answer says of its length, where that is not true.
    """
    lines = [f"HTTP/1.1 {status} Said so", f"Content-Length: {len(body)}", *headers]
    if length is not None:
        lines[1] = f"Content-Length: {length}"
    data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def behave(conversation: Conversation) -> None:
        conversation.read_all()
        conversation.send(data)

    return behave


class UploadServer:
    """Listens on a free port of loopback until the context is left.

    Args:
        behave: What each connection is met with; None accepts.
        context: For TLS.

    Attributes:
        behave: The same, may be replaced.
        conversations: All connections so far.
    """

    def __init__(
        self,
        behave: Callable[[Conversation], None] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.behave = answer(200, ACCEPTED) if behave is None else behave
        self.conversations: list[Conversation] = []
        self._context = context
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._listen)]

    @property
    def endpoint(self) -> str:
        """Its address."""
        scheme = "https" if self._context else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def bodies(self) -> list[bytes]:
        """What was uploaded."""
        return [conversation.body for conversation in self.conversations]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for conversation in self.conversations:
            with suppress(OSError):
                conversation.connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._context is not None:
                connection = self._context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            conversation = Conversation(connection, self._closing)
            self.conversations.append(conversation)
            thread = threading.Thread(target=self._serve, args=(conversation,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, conversation: Conversation) -> None:
        with conversation.connection, suppress(OSError, Gone):
            self.behave(conversation)
