"""Real Celery workers on real brokers, each with keys or a virtual host of its own."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import celery
import redis

from tests.integrations.conftest import PATIENCE, ROOT, poll
from tests.servers import RABBITMQ, REDIS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Worker", "a_virtual_host"]

QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


class Worker:
    """A worker, and a client of the same application that sends it tasks.

    Args:
        folder: Of its own.
        broker: URL.
        pool: Which kind of pool it has.
        arguments: More of its command line.
        **environment: What its program asks for.

    Attributes:
        name: Of its keys, and of its queue where the program says so.
    """

    program = "celery_program"
    launcher = (sys.executable, "-W", "ignore", "-m", "celery")
    place = ROOT / "tests" / "integrations" / "programs"

    def __init__(
        self, folder: Path, broker: str, pool: str, *arguments: str, **environment: str
    ) -> None:
        folder.mkdir(parents=True)
        self.name = f"bcd-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.lines: list[str] = []
        self.client = self._make_client(broker)
        self.process = subprocess.Popen(
            [
                *(*self.launcher, "-A", self.program, "worker"),
                *("--pool", pool, "--concurrency", "1", "--loglevel", "INFO", *QUIET, *arguments),
            ],
            cwd=self.place,
            env=os.environ
            | {"CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": REDIS, "NAME": self.name}
            | {"BCD_DIR": str(folder / "snapshots"), "NOTES": str(folder / "notes")}
            | {"HOME": str(folder), "C_FORCE_ROOT": "1", "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _make_client(self, broker: str) -> Any:
        client = celery.Celery("client", broker=broker, set_as_current=False)
        client.conf.task_default_queue = self.name
        if broker.startswith("redis"):
            client.conf.broker_transport_options = {"global_keyprefix": f"{self.name}:"}
        return client

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip())
                if line.rstrip().endswith(" ready."):
                    self._ready.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        """Wait until it takes tasks."""
        assert self._ready.wait(PATIENCE), self.lines
        assert any(line.endswith(" ready.") for line in self.lines), self.lines

    def send(self, name: str, *arguments: object, **options: Any) -> None:
        """Send one of the program's tasks, whose id is its name if it gets no other."""
        options = {"task_id": name, **options}
        self.client.send_task(f"{self.program}.{name}", arguments, **options)

    def meta(self, task_id: str) -> dict[str, Any] | None:
        """What is stored of a task's outcome, to the letter."""
        with redis.Redis.from_url(REDIS) as server:
            keys = (f"{self.name}:{mark}celery-task-meta-{task_id}" for mark in ("", "_"))  # 5.3
            stored = next(filter(None, map(server.get, keys)), None)
        return None if stored is None else json.loads(stored)  # type: ignore[arg-type]

    def outcome(self, task_id: str) -> dict[str, Any]:
        """The same once the task has ended."""

        def ended() -> dict[str, Any] | None:
            meta = self.meta(task_id)
            return meta if meta and meta["status"] in {"SUCCESS", "FAILURE"} else None

        found: dict[str, Any] = poll(ended, f"the outcome of {task_id}: {self.lines[-20:]}")
        return found

    def settle(self) -> None:
        """Wait until its one process is done with all it was sent before."""
        number = uuid.uuid4().hex
        self.send("succeed", task_id=number)
        self.outcome(number)

    def waiting(self) -> int:
        """How many messages nobody has acknowledged."""
        if self._on_redis():
            with redis.Redis.from_url(REDIS) as server:
                queue, taken = f"{self.name}:{self.name}", f"{self.name}:unacked"
                return int(server.llen(queue)) + int(server.hlen(taken))  # type: ignore[arg-type]
        with self.client.connection() as connection:
            queue = connection.default_channel.queue_declare(self.name, passive=True)
            return int(queue.message_count)

    def _on_redis(self) -> bool:
        return bool(self.client.conf.broker_url.startswith("redis"))

    def notes(self) -> list[dict[str, Any]]:
        """What was about to be traced."""
        path = self.folder / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def snapshots(self, count: int = 0) -> list[dict[str, Any]]:
        """Wait for that many snapshots, oldest first."""
        folder = self.folder / "snapshots"

        def found() -> list[Path]:
            return sorted(folder.glob("[!.]*.bcd.json*"))

        poll(lambda: len(found()) >= count, f"snapshot {count}; {self.lines[-20:]}")
        return [_load(path) for path in found()]

    def said_by_bcd(self) -> list[str]:
        """The lines of bcd, without their time."""
        return [line.split("] ", 1)[1][20:] for line in self.lines if "[bcd] " in line]

    def stop(self) -> int:
        """End it as its operator would, and tell its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def all_lines(self) -> list[str]:
        """What it said until its end, and what its tracers did."""
        self._reader.join(PATIENCE)
        return self.lines

    def remove(self) -> None:
        """Leave nothing of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its session holds nothing else
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if not self._on_redis():
            with contextlib.suppress(OSError), self.client.connection() as connection:
                connection.default_channel.queue_delete(self.name)
                connection.default_channel.exchange_delete(self.name)
        self.client.close()
        with redis.Redis.from_url(REDIS) as server:
            for key in server.scan_iter(f"{self.name}:*"):
                server.delete(key)


def _load(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    document = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert isinstance(document, dict)
    return document


@contextlib.contextmanager
def a_virtual_host() -> Iterator[str]:
    """The URL of a virtual host of RabbitMQ that is gone at the end, where rabbitmqctl may.

    Elsewhere the default one.
    """
    name = f"bcd-{uuid.uuid4().hex[:8]}"
    if shutil.which("rabbitmqctl") is None or os.getuid() != 0:
        yield RABBITMQ
        return
    _rabbitmqctl("add_vhost", name)
    try:
        user = urlsplit(RABBITMQ).username or ""
        _rabbitmqctl("set_permissions", "-p", name, user, ".*", ".*", ".*")
        yield f"{RABBITMQ}/{name}"
    finally:
        _rabbitmqctl("delete_vhost", name)


def _rabbitmqctl(*arguments: str) -> None:
    subprocess.run(["rabbitmqctl", "--quiet", *arguments], check=True, timeout=PATIENCE)
