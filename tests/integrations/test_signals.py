"""Registered for signals inside real servers, whose own handlers stay in force."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil
import pytest

from tests.integrations.conftest import poll

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
PROGRAMS = "tests/integrations/programs"
UVICORN = ["uvicorn", "--port", "0", "--app-dir", PROGRAMS, "signal_asgi:app"]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", PROGRAMS]
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A run of tests in the background of a script ignores SIGINT, and its children would."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def texts(snapshots: Sequence[dict[str, Any]]) -> list[str]:
    """The signals that were traced."""
    return [snapshot["attributes"]["error"] for snapshot in snapshots]


class TestUvicorn:
    @pytest.mark.parametrize("where", ["", "import", "startup"])
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_shuts_down_gracefully(
        self, serve: Any, monkeypatch: pytest.MonkeyPatch, where: str, number: int
    ) -> None:
        """SIGINT and SIGTERM come to uvicorn, wherever the program registers.

        When it is done uvicorn restores what stood at its start and sends the signal again. So
        SIGTERM ends the process by itself, unless it is registered at import (rule 28).
        """
        monkeypatch.setenv("WHERE", where)
        server = serve(UVICORN)
        server.process.send_signal(number)
        server.process.wait(PATIENCE)
        snapshots = server.stop()
        words = (signal.strsignal(number) or "").lower()
        traces = {"": [[]], "startup": [[words]], "import": [[words], []]}  # or it ends too soon
        assert texts(snapshots) in traces[where]
        by_itself = number == signal.SIGTERM and where != "import"
        assert server.process.returncode == (-number if by_itself else 0)
        assert "shut down" in server.lines
        assert server.lines[-1].startswith("INFO:     Finished server process")

    @pytest.mark.parametrize("where", ["import", "startup"])
    def test_abort_shows_what_it_does(
        self, serve: Any, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        """SIGABRT gives a snapshot, and the server goes on serving (rules 27 and 28)."""
        monkeypatch.setenv("WHERE", where)
        server = serve(UVICORN)
        server.process.send_signal(signal.SIGABRT)
        (snapshot,) = server.snapshots(1)
        assert snapshot["reason"]["kind"] == "signal"
        assert snapshot["attributes"]["error"] == "aborted"
        assert snapshot["classifiers"] == ["bcd.SignalError"]
        assert server.request("GET", "/")[0] == 404


class TestGunicorn:
    def test_worker_that_hangs_is_shown(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The arbiter ends it as without bcd, and a snapshot shows where it hung (rule 28)."""
        said = []
        for where in ("", "import"):
            monkeypatch.setenv("WHERE", where)
            server = serve([*GUNICORN, "--timeout", "1", "signal_wsgi:app"], where or "bare")
            _request_hang(server)
            assert server.request("GET", "/")[0] == 200
            snapshots = server.stop()
            said.append(_words(server))
        assert said[0] == said[1]
        assert texts(snapshots) == ["aborted", "terminated"], "the latter of the next worker"
        (main,) = [thread for thread in snapshots[0]["threads"] if thread["faulted"]]
        assert main["name"] == "MainThread"
        (frame,) = [frame for frame in main["frames"] if frame["function"] == "hang"]
        assert "the supplier" in str(frame["locals"])

    @pytest.mark.parametrize("extra", [[], ["--preload"]], ids=["import", "preload"])
    def test_ends_as_before(
        self, serve: Any, monkeypatch: pytest.MonkeyPatch, extra: list[str]
    ) -> None:
        """Its handlers stay in force: it ends with the same words and the same status."""
        ends = []
        for where in ("", "import"):
            monkeypatch.setenv("WHERE", where)
            server = serve([*GUNICORN, *extra, "signal_wsgi:app"], where or "bare")
            assert server.request("GET", "/")[0] == 200
            server.stop()
            ends.append([server.process.returncode, *_words(server)])
        assert ends[0] == ends[1]

    def test_preloaded_worker_that_hangs(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """What gunicorn sets after the fork replaces our handler; the arbiter is not disturbed."""
        monkeypatch.setenv("WHERE", "import")
        server = serve([*GUNICORN, "--timeout", "1", "--preload", "signal_wsgi:app"])
        _request_hang(server)
        assert server.request("GET", "/")[0] == 200
        server.process.send_signal(signal.SIGABRT)
        (snapshot,) = server.snapshots(1)
        assert snapshot["process"]["pid"] == server.process.pid
        server.stop()
        assert server.process.returncode == 0


def _request_hang(server: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection), contextlib.suppress(http.client.HTTPException, OSError):
        connection.request("GET", "/hang")
        connection.getresponse().read()


def _words(server: Any) -> list[str]:
    """The lines of gunicorn's log without times, process ids and what a thread of it says."""
    lines = (line.split("] ", 2)[2] for line in server.lines if "] [" in line)
    return [re.sub(r"\d+", "N", line) for line in lines if "Control socket" not in line]


class TestCelery:
    """A worker with one child, asked to end while a task runs."""

    @pytest.mark.parametrize("where", ["import", "ready"])
    def test_warm_shutdown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        """SIGTERM lets the task end, wherever the program registers; the status is 0."""
        monkeypatch.setenv("WHERE", where)
        with _worker(tmp_path) as worker:
            assert worker.stdout is not None
            _read_until(worker.stdout, "working")
            worker.send_signal(signal.SIGTERM)
            _read_until(worker.stdout, "Warm shutdown")
            with (tmp_path / "gate").open("w"):
                assert worker.poll() is None
            _read_until(worker.stdout, "worked")
            assert worker.wait(PATIENCE) == 0

    def test_child_that_hangs_is_shown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SIGABRT ends the child by Celery's handler as ever, after a snapshot of its task."""
        monkeypatch.setenv("WHERE", "child")
        with _worker(tmp_path) as worker:
            assert worker.stdout is not None
            _read_until(worker.stdout, "working")
            (child,) = psutil.Process(worker.pid).children()
            child.send_signal(signal.SIGABRT)
            _read_until(worker.stdout, "exited with 'exitcode 70'")
            (path,) = poll(lambda: list(tmp_path.glob("snapshots/[!.]*.bcd.json*")), "a snapshot")
        data = path.read_bytes()
        snapshot = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
        (main,) = [thread for thread in snapshot["threads"] if thread["faulted"]]
        assert snapshot["process"]["pid"] == child.pid
        assert [frame for frame in main["frames"] if frame["function"] == "work"]


@contextlib.contextmanager
def _worker(folder: Path) -> Iterator[subprocess.Popen[str]]:
    os.mkfifo(folder / "gate")
    arguments = ["-A", "signal_celery", "worker", "--concurrency", "1", "--loglevel", "INFO"]
    with subprocess.Popen(
        [sys.executable, "-m", "celery", *arguments, "--without-gossip", "--without-mingle"],
        cwd=ROOT / PROGRAMS,
        env=os.environ
        | {"BCD_DIR": str(folder / "snapshots"), "GATE": str(folder / "gate"), "C_FORCE_ROOT": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as worker:
        try:
            yield worker
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)  # its session holds nothing else


def _read_until(lines: IO[str], words: str) -> None:
    said = []
    for line in lines:
        said.append(line)
        if words in line:
            return
    pytest.fail(f"it ended without {words!r}: {said}")
