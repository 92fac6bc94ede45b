"""What the tests of hooks share: a fake engine, requests without a server, and real servers."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest

from bcd.integrations import _capture, _complaints
from bcd.integrations._suppressed import suppressed
from bcd.scope import WANTED
from tests.fake_trace import FakeTrace
from tests.polling import PATIENCE, poll

ROOT = Path(__file__).parents[2]


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> FakeTrace:
    """What hooks made in this test have traced."""
    fake = FakeTrace()
    monkeypatch.setattr(_capture, "trace", fake)
    monkeypatch.setattr(_complaints.complain, "_silent_until", float("-inf"))
    suppressed.clear()
    return fake


@pytest.fixture(autouse=True)
def wanted() -> Iterator[list[str]]:
    """What wants scopes: nothing, as in a program that sets no attributes."""
    before, WANTED[:] = WANTED[:], []
    yield WANTED
    WANTED[:] = before


@dataclass
class AsgiAnswer:
    """What an ASGI application sent, and what it raised in the end."""

    messages: list[dict[str, Any]]
    error: BaseException | None

    @property
    def status(self) -> int | None:
        """The status, if the response was started."""
        return next((int(m["status"]) for m in self.messages if "status" in m), None)

    @property
    def body(self) -> bytes:
        """All of the body that was sent."""
        return b"".join(message.get("body", b"") for message in self.messages)


class FakeConnection:
    """Stands in for a server's connection to a client, with ``send`` and ``receive``."""

    def __init__(self, *received: dict[str, Any]) -> None:
        self.disconnected = False
        self.messages: list[dict[str, Any]] = []
        self._received = [*received] or [{"type": "http.request", "body": b""}]

    async def receive(self) -> dict[str, Any]:
        """The next message, then nothing for ever."""
        if not self._received:
            await asyncio.Event().wait()
        return self._received.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        """Keep a message."""
        self.messages.append(message)


AsgiCall: TypeAlias = Callable[..., AsgiAnswer]


def http_scope(path: str = "/", **more: Any) -> dict[str, Any]:
    """The scope of a request as uvicorn makes it, with secrets in all the usual places."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": b"key=SECRET-QUERY",
        "root_path": "",
        "headers": [(b"host", b"tea.example"), (b"cookie", b"SECRET-COOKIE")],
        "client": ("SECRET-CLIENT", 1234),
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {},
    } | more


@pytest.fixture
def call_asgi() -> AsgiCall:
    """Serve one request by an ASGI application as a server does."""

    def call(app: Any, path: str = "/", *received: dict[str, Any], **more: Any) -> AsgiAnswer:
        connection = FakeConnection(*received)
        scope = http_scope(path, **more)
        try:
            asyncio.run(app(scope, connection.receive, connection.send))
        except BaseException as error:  # noqa: BLE001 - whatever reaches the server
            return AsgiAnswer(connection.messages, error)
        return AsgiAnswer(connection.messages, None)

    return call


@dataclass
class Server:
    """A real web server, with its own folder of snapshots.

    Attributes:
        port: Where it listens on 127.0.0.1.
        folder: Where its snapshots are.
        process: Its first process.
        lines: What it printed so far.
        reader: The thread that collects them.
    """

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread = field(default_factory=threading.Thread)

    def request(
        self, method: str, path: str, form: object = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request on a connection of its own: status, headers without the date, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        body = None if form is None else json.dumps(form)
        headers = {} if form is None else {"Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            found = [
                (name, value) for name, value in response.getheaders() if name.lower() != "date"
            ]
            try:
                return response.status, found, response.read()
            except http.client.IncompleteRead as incomplete:
                return response.status, [*found, ("Incomplete", "")], incomplete.partial

    def snapshots(self, count: int) -> list[dict[str, Any]]:
        """Wait for that many snapshots, oldest first."""
        poll(lambda: len(self._files()) >= count, f"snapshot {count}; {self.lines[-20:]}")
        return [_read(path) for path in self._files()]

    def stop(self) -> list[dict[str, Any]]:
        """End the server as its operator would, and tell all the snapshots it left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)
        poll(lambda: not self._left_over(), "tracers to end")
        return [_read(path) for path in self._files()]

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*.bcd.json*"))

    def _left_over(self) -> list[int]:
        """Processes of the server's session, to which its tracers belong."""
        return [pid for pid in psutil.pids() if _lives_in(pid, self.process.pid)]


def _lives_in(pid: int, session: int) -> bool:
    try:
        same = os.getsid(pid) == session
        return same and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
        return False


def _read(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    document = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert isinstance(document, dict)
    return document


Serve: TypeAlias = Callable[..., Server]
_LISTENING = re.compile(r"(?:[Rr]unning on|Listening at:) http://127\.0\.0\.1:(\d+)")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start real servers on free ports; they are gone when the test is over."""
    servers: list[Server] = []

    def start(
        arguments: Sequence[str],
        folder: str = "snapshots",
        program: Sequence[str] = (sys.executable, "-m"),
        **environment: str,
    ) -> Server:
        server = _start([*program, *arguments], tmp_path / folder, environment)
        servers.append(server)
        return server

    yield start
    for server in servers:
        _end(server)


def _start(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Server:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ
        | {"BCD_DIR": str(folder), "HOME": str(folder.parent), "PYTHONUNBUFFERED": "1"}
        | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(0, folder, process)
    listening = threading.Event()
    server.reader = threading.Thread(target=_drain, args=(server, listening), daemon=True)
    server.reader.start()
    assert listening.wait(PATIENCE), server.lines
    poll(lambda: _accepts(server.port), "the server's first worker")  # uvicorn tells too early
    return server


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _drain(server: Server, listening: threading.Event) -> None:
    assert server.process.stdout is not None
    with server.process.stdout as lines:
        for line in lines:
            server.lines.append(line.decode(errors="replace").rstrip())
            found = _LISTENING.search(server.lines[-1])
            if found and not server.port:
                server.port = int(found[1])
                listening.set()


def _end(server: Server) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)  # its session holds nothing else
    server.process.wait(PATIENCE)
    server.reader.join(PATIENCE)  # it closes the pipe once all of the server has ended
