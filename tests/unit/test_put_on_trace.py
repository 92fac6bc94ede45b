"""The upload that follows a trace: when, of what, and what a failure does."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx  # noqa: F401 - loaded before the first test takes its time
import pytest

import bcd
from bcd.config import GlobalConfig, current_config, update_config
from bcd.engine import is_open
from bcd.engine.attempt import GATE
from bcd.errors import ExitError, PutError
from bcd.tracer import LogPriority, TraceOptions
from bcd.tracers.backtrace import BTTracer
from tests.recording import RecordingProgram
from tests.upload_server import Conversation, UploadServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREVER = 30.0  # seconds that no test reaches
TOKEN = "s3cret"  # noqa: S105 - a token for tests


class FakeLog:
    """A log that keeps the errors."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep an error."""
        if level == LogPriority.ERROR:
            self.errors.append(format % args)

    def set_log_level(self, level: LogPriority) -> None:
        """Nothing is filtered here."""


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither a rate limit nor a proxy stands between; nothing is left under way."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    config = current_config()
    update_config(GlobalConfig(rate_limit=0))
    yield
    assert bcd.flush(FOREVER)
    assert not GATE.queue
    update_config(config)


@pytest.fixture
def server() -> Iterator[UploadServer]:
    """A server that accepts unless it is told otherwise."""
    with UploadServer() as server:
        yield server


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """The file that the tracer program says it wrote."""
    path = tmp_path / "a b.btt"
    path.write_bytes(b"snapshot")
    return path


@pytest.fixture
def program(tmp_path: Path, snapshot: Path) -> RecordingProgram:
    """A program that prints its path."""
    return RecordingProgram(tmp_path, "print some words", f"print {snapshot}", "print", "print  ")


@pytest.fixture
def log() -> FakeLog:
    """The errors that the tracer logged."""
    return FakeLog()


@pytest.fixture
def tracer(server: UploadServer, program: RecordingProgram, log: FakeLog) -> BTTracer:
    """A tracer that uploads and unlinks after each trace."""
    tracer = BTTracer(path=program.path)
    tracer.set_logger(log)
    tracer.configure_put(server.endpoint, TOKEN, unlink=True, on_trace=True)
    return tracer


def test_a_trace_is_followed_by_an_upload(
    tracer: BTTracer, server: UploadServer, snapshot: Path
) -> None:
    """The last line that is not empty is the path."""
    result = bcd.trace(tracer, ValueError("x"))
    assert result.ok
    assert server.bodies == [b"snapshot"]
    assert not snapshot.exists()


def test_only_where_it_is_wanted(tracer: BTTracer, server: UploadServer, snapshot: Path) -> None:
    """Without ``on_trace`` nothing is sent."""
    tracer.configure_put(server.endpoint, TOKEN, unlink=True)
    assert bcd.trace(tracer).ok
    assert server.conversations == []
    assert snapshot.exists()


def test_a_relative_path_is_that_of_the_program(
    tracer: BTTracer,
    server: UploadServer,
    program: RecordingProgram,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It starts from the folder in which the program ran."""
    program.do("print a b.btt")
    monkeypatch.chdir(tmp_path)
    assert bcd.trace(tracer).ok
    assert server.bodies == [b"snapshot"]


def test_a_failed_trace_is_not_uploaded(
    tracer: BTTracer, server: UploadServer, program: RecordingProgram, snapshot: Path
) -> None:
    """What a program printed before it failed may be half a snapshot."""
    program.do(f"print {snapshot}", "exit 1")
    assert isinstance(bcd.trace(tracer).error, ExitError)
    assert server.conversations == []


def test_a_failure_is_told_and_logged(
    tracer: BTTracer, server: UploadServer, snapshot: Path, log: FakeLog
) -> None:
    """It is the result's error; status, output and file are there all the same."""
    server.behave = answer(503)
    result = bcd.trace(tracer)
    assert isinstance(result.error, PutError)
    assert "503 Service Unavailable" in str(result.error)
    assert (result.exit_status, result.ok) == (0, False)
    assert str(snapshot) in result.stdout.decode()
    assert snapshot.read_bytes() == b"snapshot"
    assert log.errors == [f"trace failed: {result.error}"]


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([], "the tracer printed nothing, and its last line should be the path"),
        (["print", "print  "], "the tracer printed nothing"),
        (["write 1 65536"], "the tracer printed more than can be kept"),
        (["print /nowhere/x.btt"], "'/nowhere/x.btt' was not uploaded, for it cannot be read: No"),
        (["print done!"], "was not uploaded, for it cannot be read: No such file"),
    ],
)
def test_no_path(
    tracer: BTTracer,
    server: UploadServer,
    program: RecordingProgram,
    actions: list[str],
    message: str,
) -> None:
    """The error says why nothing was sent."""
    program.do(*actions)
    result = bcd.trace(tracer)
    assert isinstance(result.error, PutError)
    assert message in str(result.error)
    assert server.conversations == []


def test_output_that_goes_elsewhere(tracer: BTTracer, server: UploadServer) -> None:
    """The path is not known then, which the error says."""
    tracer.set_pipes(stdout=io.BytesIO())
    result = bcd.trace(tracer)
    assert isinstance(result.error, PutError)
    assert "standard output goes elsewhere" in str(result.error)
    assert server.conversations == []


@pytest.mark.parametrize("detach", [False, True])
def test_the_slot_is_free_during_the_upload(
    tracer: BTTracer,
    server: UploadServer,
    program: RecordingProgram,
    detach: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    """The next trace need not wait, and the rate limit counts from the tracer's end (rule 20)."""
    came, go_on = threading.Event(), threading.Event()

    def wait(conversation: Conversation) -> None:
        conversation.read_all()
        came.set()
        go_on.wait(FOREVER)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server.behave = wait
    thread = threading.Thread(target=bcd.trace, args=(tracer,), kwargs={"detach": detach})
    thread.start()
    try:
        assert came.wait(FOREVER)
        assert is_open()
        assert bcd.trace(BTTracer(path=program.path), wait=False).ok
        if detach:
            assert not bcd.flush(0)  # an upload is under way
    finally:
        go_on.set()
        thread.join()
    assert bcd.flush(FOREVER)


def test_a_detached_trace_uploads_too(
    tracer: BTTracer, server: UploadServer, snapshot: Path, log: FakeLog
) -> None:
    """``flush`` waits for it, and a failure is logged."""
    server.behave = answer(500)
    assert bcd.trace(tracer, detach=True).ok
    assert bcd.flush(FOREVER)
    assert len(log.errors) == 1
    assert "500 Internal Server Error" in log.errors[0]
    server.behave = answer(200)
    assert bcd.trace(tracer, detach=True).ok
    assert bcd.flush(FOREVER)
    assert not snapshot.exists()


def test_upload_and_tracer_share_the_time_out(
    tracer: BTTracer, server: UploadServer, snapshot: Path
) -> None:
    """Both together take no longer than the trace may (rule 15)."""
    server.behave = Conversation.stall
    before = time.monotonic()
    result = bcd.trace(tracer, options=TraceOptions(timeout=0.5))
    assert isinstance(result.error, PutError)
    assert "no answer within 0." in str(result.error)
    assert 0.4 < time.monotonic() - before < 10
    assert snapshot.exists()


class FakeUploader(BTTracer):
    """A tracer whose own upload fails as its author did not mean it to."""

    def put_on_trace(self) -> bool:
        """Always."""
        return True

    def put(self, snapshot: str | bytes | os.PathLike[str], timeout: float | None = None) -> None:
        """Fail."""
        assert timeout is not None
        assert 0 < timeout <= 120
        raise RuntimeError(f"cannot put {Path(os.fsdecode(snapshot)).name}")


def test_a_tracer_that_raises(program: RecordingProgram, log: FakeLog) -> None:
    """What it raises becomes the result's error, nothing is raised into the program."""
    tracer = FakeUploader(path=program.path)
    tracer.set_logger(log)
    result = bcd.trace(tracer)
    assert isinstance(result.error, PutError)
    said = "FakeUploader could not upload the snapshot: RuntimeError: cannot put a b.btt"
    assert str(result.error) == f"{__name__}.{said}"
