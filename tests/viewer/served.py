"""The real ``bcd serve``, and a line to a database that can be cut."""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.polling import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = ["PROGRAM", "Line", "Served", "serving", "written"]

PROGRAM = [sys.executable, "-c", "from bcd.cli import main; main()", "serve"]


@dataclass
class Served:
    """A server that has started."""

    process: subprocess.Popen[str]
    url: str

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the status, and what it said on standard error since it started."""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=PATIENCE)[1]
        return self.process.returncode, said


@contextmanager
def serving(*arguments: str, **variables: str) -> Iterator[Served]:
    """Start it on a free port, and wait until it says where."""
    environment = {**os.environ, "BCD_STORE": "", "BCD_TOKEN": "", **variables}
    process = subprocess.Popen(
        [*PROGRAM, "--port", "0", *arguments], stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield Served(process, _address(process))
    finally:
        process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    with selectors.DefaultSelector() as ready:
        ready.register(process.stderr, selectors.EVENT_READ)
        assert ready.select(PATIENCE), "bcd serve says nothing"
    line = process.stderr.readline()
    found = re.fullmatch(r"bcd: serving at (http://\S+/) until Ctrl\+C\n", line)
    assert found is not None, line + process.communicate(timeout=PATIENCE)[1]
    return found[1]


def written(folder: Path, documents: Iterator[tuple[str, bytes]]) -> None:
    """Write snapshots as a tracer leaves them."""
    for snapshot_id, document in documents:
        path = folder / f"{snapshot_id}.bcd.json"
        path.write_bytes(document)
        path.chmod(0o600)


class Line:
    """Passes on what goes to a server and back, until it is cut or holds everything up."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = parts.hostname or "127.0.0.1", parts.port or 5432
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._flows = threading.Event()
        self._flows.set()
        self._cut = self._ended = False
        port = self._listener.getsockname()[1]
        user = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Let all connections break, and new ones too."""
        self._cut = True
        self._break()

    def hold(self) -> None:
        """Let nothing through, as a network does that loses everything."""
        self._flows.clear()

    def mend(self) -> None:
        """Let everything through again; what was held up breaks."""
        self._cut = False
        self._break()
        self._flows.set()

    def close(self) -> None:
        """End it."""
        self.cut()
        self._flows.set()
        self._ended = True
        socket.create_connection(self._listener.getsockname()).close()  # wakes the one that waits
        for each in self._threads:
            each.join()
        self._listener.close()

    def _break(self) -> None:
        for each in list(self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._ended:
                near.close()
                return
            if self._cut:
                near.close()
                continue
            thread = threading.Thread(target=self._carry, args=[near])
            self._threads.append(thread)
            thread.start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far, suppress(OSError):
            self._ends += [near, far]
            ready = selectors.DefaultSelector()
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            with ready:
                while self._pass_on(ready):
                    self._flows.wait()
            self._ends.remove(near)
            self._ends.remove(far)

    def _pass_on(self, ready: selectors.DefaultSelector) -> bool:
        """Pass on what has come; false at the end of it."""
        for key, _ in ready.select():
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(65536)
            self._flows.wait()
            if not data:
                return False
            key.data.sendall(data)
        return True
