"""Uploads to a real server on loopback that fails in every way: nothing is lost."""

from __future__ import annotations

import logging
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx  # noqa: F401 - loaded before the first test counts descriptors
import pytest

import bcd
from bcd import _greenlets
from bcd.errors import ConfigError, PutError
from bcd.tracers._put import _Upload
from bcd.tracers.backtrace import BTTracer
from tests.leftovers import nothing_left
from tests.upload_server import ACCEPTED, Conversation, UploadServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.tracer import LogPriority

TOKEN = "s3cret&/+ä"  # noqa: S105 - a token for tests
QUOTED = "s3cret%26%2F%2B%C3%A4"
SMALL = b"\x00snapshot\xff" * 10
LARGE = b"snapshot" * 1_000_000  # more than the buffers of a connection hold


class FakeLog:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the line."""
        self.lines.append(f"{level.name} {format % args}")

    def set_log_level(self, level: LogPriority) -> None:
        """Nothing is filtered here."""


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy stands between, and no test may leave a descriptor or a thread."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with nothing_left():  # a late upload ends as soon as its connection was shut down
        yield


@pytest.fixture
def server() -> Iterator[UploadServer]:
    """A server that accepts unless it is told otherwise."""
    with UploadServer() as server:
        yield server


@pytest.fixture
def log() -> FakeLog:
    """What the tracer said."""
    return FakeLog()


@pytest.fixture
def tracer(server: UploadServer, log: FakeLog) -> BTTracer:
    """A tracer that uploads to the server and unlinks what was accepted."""
    tracer = BTTracer()
    tracer.set_logger(log)
    tracer.configure_put(server.endpoint, TOKEN, unlink=True)
    return tracer


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A small file."""
    path = tmp_path / "one.btt"
    path.write_bytes(SMALL)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that no connection takes in one go."""
    path = tmp_path / "large.btt"
    path.write_bytes(LARGE)
    return path


def failed_put(tracer: BTTracer, path: Path) -> str:
    """Upload in vain: the file stays as it was, the error tells it and keeps the token."""
    content = path.read_bytes()
    with pytest.raises(PutError) as caught:
        tracer.put(path)
    error: BaseException | None = caught.value
    assert path.read_bytes() == content
    assert str(error).startswith(f"{str(path)!r} was not uploaded to http://127.0.0.1:")
    assert error.__context__ is None  # type: ignore[union-attr]  # nor in what led to it
    assert not mentions_token(str(error))
    return str(error)


def mentions_token(text: str) -> bool:
    """Whether a text has the token, or the telling part of it."""
    return "s3cret" in text


class TestRequest:
    @pytest.mark.parametrize("kind", [str, os.fsencode, Path])
    def test_path_of_any_kind(
        self,
        tracer: BTTracer,
        server: UploadServer,
        snapshot: Path,
        kind: Callable[[Path], str | bytes | Path],
    ) -> None:
        """The file is sent as it is, as octets, with the token in the query."""
        tracer.put(kind(snapshot))
        (request,) = server.conversations
        assert request.line == f"POST /post?token={QUOTED} HTTP/1.1"
        assert request.headers["content-type"] == "application/octet-stream"
        assert request.headers["content-length"] == str(len(SMALL))
        assert request.headers["host"] == server.endpoint.removeprefix("http://")
        assert request.body == SMALL
        assert not snapshot.exists()

    def test_large_file_is_streamed(
        self, tracer: BTTracer, server: UploadServer, large: Path
    ) -> None:
        """It arrives whole."""
        tracer.put(large)
        assert server.bodies == [LARGE]
        assert not large.exists()

    def test_output_of_the_program_is_a_path(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path
    ) -> None:
        """``put(result.stdout)`` works: the end of the line is no part of the path."""
        tracer.put(os.fsencode(snapshot) + b"\n")
        assert server.bodies == [SMALL]

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_any_2xx_is_acceptance(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path, status: int
    ) -> None:
        """The file goes then."""
        server.behave = answer(status)
        tracer.put(snapshot)
        assert not snapshot.exists()

    def test_without_unlink_the_file_stays(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path
    ) -> None:
        """That is the default."""
        tracer.configure_put(server.endpoint, TOKEN)
        tracer.put(snapshot)
        assert server.bodies == [SMALL]
        assert snapshot.read_bytes() == SMALL

    def test_endpoint_with_a_path(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path
    ) -> None:
        """``/post`` is appended."""
        tracer.configure_put(f"{server.endpoint}/some/where/", "t")
        tracer.put(snapshot)
        assert server.conversations[0].line == "POST /some/where/post?token=t HTTP/1.1"

    def test_proxy_of_the_environment(
        self, server: UploadServer, snapshot: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is used for what ``no_proxy`` does not name."""
        monkeypatch.setenv("http_proxy", server.endpoint.removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "other.test")
        tracer = BTTracer()
        tracer.configure_put("http://backtrace.test", "t")
        tracer.put(snapshot)
        (request,) = server.conversations
        assert request.line == "POST http://backtrace.test:6098/post?token=t HTTP/1.1"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        tracer.configure_put(server.endpoint, "t")
        tracer.put(snapshot)
        assert server.conversations[1].line == "POST /post?token=t HTTP/1.1"


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (500, "the server answered 500 Internal Server Error; try again"),
            (599, "the server answered 599; try again"),
            (403, "the server answered 403 Forbidden; check the token"),
            (404, "the server answered 404 Not Found; check the endpoint"),
            (413, "it is larger than the server takes"),
            (304, "redirects are not followed"),
        ],
    )
    def test_status(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path, status: int, said: str
    ) -> None:
        """Anything but 2xx is a failure, and the file stays."""
        server.behave = answer(status)
        assert said in failed_put(tracer, snapshot)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path, status: int
    ) -> None:
        """Snapshot and token go to nobody but the endpoint."""
        server.behave = answer(status, b"", f"Location: {server.endpoint}/post?token={QUOTED}")
        assert "redirects are not followed" in failed_put(tracer, snapshot)
        assert len(server.conversations) == 1

    def test_refusal_before_the_body_was_read(
        self, tracer: BTTracer, server: UploadServer, large: Path
    ) -> None:
        """The answer counts even if the server reads no further."""

        def refuse(conversation: Conversation) -> None:
            conversation.read_head()
            conversation.send(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
            conversation.connection.shutdown(socket.SHUT_WR)

        server.behave = refuse
        failed_put(tracer, large)

    def test_acceptance_of_a_part_is_none(
        self, tracer: BTTracer, server: UploadServer, large: Path
    ) -> None:
        """A 200 of a server that stopped reading does not cost the file."""

        def accept_early(conversation: Conversation) -> None:
            conversation.read_head()
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            conversation.connection.shutdown(socket.SHUT_RD)
            conversation.read_body()

        server.behave = accept_early
        failed_put(tracer, large)

    def test_nobody_listens(self, tracer: BTTracer, snapshot: Path) -> None:
        """The error says so."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        tracer.configure_put(f"http://127.0.0.1:{port}", TOKEN, unlink=True)
        assert "Connection refused" in failed_put(tracer, snapshot)


def dropped(conversation: Conversation) -> None:
    """Drop the connection before anything was read."""
    conversation.reset()


def dropped_after_head(conversation: Conversation) -> None:
    """Drop it before the body."""
    conversation.read_head()
    conversation.reset()


def dropped_in_body(conversation: Conversation) -> None:
    """Drop it in the body."""
    conversation.read_head()
    conversation.read_body(0.5)
    conversation.reset()


def closed_in_body(conversation: Conversation) -> None:
    """Close it in the body."""
    conversation.read_head()
    conversation.read_body(0.5)


def sends(data: bytes) -> Callable[[Conversation], None]:
    """Read all, send something, close."""

    def behave(conversation: Conversation) -> None:
        conversation.read_all()
        conversation.send(data)

    behave.__name__ = re.sub(r"\W+", "-", data[:30].decode("latin-1")).lower()
    return behave


def dropped_after_body(conversation: Conversation) -> None:
    """Drop it where the answer should come."""
    conversation.read_all()
    conversation.reset()


def dropped_in_answer(conversation: Conversation) -> None:
    """Drop it in the body of the answer, which said 200."""
    conversation.read_all()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500_000)
    conversation.reset()


BROKEN = [
    dropped,
    dropped_after_head,
    dropped_in_body,
    closed_in_body,
    dropped_after_body,
    dropped_in_answer,
    sends(b""),
    sends(b"HTTP/1.1 2"),
    sends(b"HTTP/1.1 200 OK\r\nContent-Le"),
    sends(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + ACCEPTED),
    sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n" + ACCEPTED),
    sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    sends(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
    sends(b"HTTP/1.1 OK\r\n\r\n"),
    sends(b"HTTP/1.1 100 Continue\r\n\r\n"),
    sends(b"HTTP/1.1 101 Switching\r\n\r\n"),
    sends(b"220 mail.test ESMTP\r\n"),
    sends(b"\x16\x03\x01\x00\xff" * 100),
    sends(b"200 OK\r\n\r\n" + ACCEPTED),
    sends(b"x" * 1_000_000),
]


@pytest.mark.parametrize("behave", BROKEN, ids=lambda behave: behave.__name__)
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_broken_connections(
    tracer: BTTracer,
    server: UploadServer,
    snapshot: Path,
    behave: Callable[[Conversation], None],
    content: bytes,
) -> None:
    """Dropped at any stage, truncated or no HTTP at all: a failure, and the file stays."""
    server.behave = behave
    snapshot.write_bytes(content)
    failed_put(tracer, snapshot)


def reads_nothing(conversation: Conversation) -> None:
    """Stall at once."""
    conversation.stall()


def stalls_in_body(conversation: Conversation) -> None:
    """Stall in the body."""
    conversation.read_head()
    conversation.read_body(0.3)
    conversation.stall()


def drips_in(conversation: Conversation) -> None:
    """Read the body a few bytes at a time."""
    conversation.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    conversation.read_head()
    while not conversation.closing.wait(0.01):
        conversation.connection.recv(1000)


def no_answer(conversation: Conversation) -> None:
    """Stall where the answer should come."""
    conversation.read_all()
    conversation.stall()


def drips_headers(conversation: Conversation) -> None:
    """Send the head of an answer for ever, each byte well in time."""
    conversation.read_all()
    conversation.drip(b"HTTP/1.1 200 OK\r\nX: x")


def drips_body(conversation: Conversation) -> None:
    """Send an accepting answer that has no end."""
    conversation.read_all()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    conversation.drip(b"x")


def keeps_open(conversation: Conversation) -> None:
    """Send an accepting answer of unknown length and keep the connection open."""
    conversation.read_all()
    conversation.send(b"HTTP/1.1 200 OK\r\n\r\n" + ACCEPTED)
    conversation.stall()


def floods(conversation: Conversation) -> None:
    """Send an accepting answer as fast as it can, without an end."""
    conversation.read_all()
    conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while not conversation.closing.is_set():
        conversation.send(b"x" * 65536)


SLOW = [
    reads_nothing,
    stalls_in_body,
    drips_in,
    no_answer,
    drips_headers,
    drips_body,
    keeps_open,
    floods,
]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the thread of an upload has ended."""
    event, work = threading.Event(), _Upload._work

    def watched(self: _Upload) -> None:
        work(self)
        event.set()

    monkeypatch.setattr(_Upload, "_work", watched)
    return event


@pytest.mark.parametrize("behave", SLOW, ids=lambda behave: behave.__name__)
def test_slow_servers(
    tracer: BTTracer,
    server: UploadServer,
    large: Path,
    behave: Callable[[Conversation], None],
    ended: threading.Event,
) -> None:
    """The whole upload is bounded, however often the server moves; the file stays."""
    server.behave = behave
    tracer.configure_put(server.endpoint, TOKEN, unlink=True, timeout=0.3)
    before = time.monotonic()
    assert failed_put(tracer, large).endswith(": no answer within 0.3 s")
    assert time.monotonic() - before < 10
    assert ended.wait(10)  # its thread too, while the server goes on


def test_the_callers_time_counts_where_it_is_less(
    tracer: BTTracer, server: UploadServer, snapshot: Path
) -> None:
    """Neither it nor that of the configuration is exceeded."""
    server.behave = no_answer
    with pytest.raises(PutError, match=r"no answer within 0\.1 s"):
        tracer.put(snapshot, timeout=0.1)
    tracer.configure_put(server.endpoint, TOKEN, timeout=0.1)
    with pytest.raises(PutError, match=r"no answer within 0\.1 s"):
        tracer.put(snapshot, timeout=1000)


def test_the_search_for_the_address_is_bounded_too(
    tracer: BTTracer, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that does not answer holds nobody."""
    answered = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        answered.wait()
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    tracer.configure_put("http://backtrace.test", TOKEN, timeout=0.1)
    try:
        with pytest.raises(PutError, match=r"no answer within 0\.1 s"):
            tracer.put(snapshot)
    finally:
        answered.set()


def test_an_upload_that_ends_without_a_word_is_none(
    tracer: BTTracer, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends its thread, acceptance has to be said."""

    def ends(_: _Upload) -> str | None:
        raise SystemExit

    monkeypatch.setattr(_Upload, "_post", ends)
    assert failed_put(tracer, snapshot).endswith("it did not come to an end")


def test_without_threads_it_is_uploaded_all_the_same(
    tracer: BTTracer, server: UploadServer, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number may be limited, or the interpreter be shutting down."""
    begin = _greenlets.start_new_thread

    def refused(function: Any, *arguments: Any) -> int:
        if getattr(function, "__self__", None).__class__ is _Upload:
            raise RuntimeError("can't start new thread")
        return begin(function, *arguments)

    monkeypatch.setattr(_greenlets, "start_new_thread", refused)
    tracer.put(snapshot)
    assert server.bodies == [SMALL]
    assert not snapshot.exists()


class TestEncrypted:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """A certificate of loopback that nobody has signed, with its key."""
        path = tmp_path / "both.pem"
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
            f" -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt"
        )
        subprocess.run(command.split(), check=True, capture_output=True)
        path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
        return path

    @pytest.fixture
    def server(self, certificate: Path) -> Iterator[UploadServer]:
        """A server with that certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with UploadServer(context=context) as server:
            yield server

    @pytest.fixture
    def _trusted(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    @pytest.mark.usefixtures("_trusted")
    def test_trusted(self, tracer: BTTracer, server: UploadServer, large: Path) -> None:
        """The file arrives."""
        tracer.put(large)
        assert server.bodies == [LARGE]
        assert not large.exists()

    def test_not_trusted(self, tracer: BTTracer, server: UploadServer, snapshot: Path) -> None:
        """Neither the file nor the token is sent."""
        with pytest.raises(PutError, match=r"CERTIFICATE_VERIFY_FAILED"):
            tracer.put(snapshot)
        assert snapshot.exists()
        assert [conversation.line for conversation in server.conversations] == [""]

    @pytest.mark.parametrize("behave", SLOW, ids=lambda behave: behave.__name__)
    @pytest.mark.usefixtures("_trusted")
    def test_slow(
        self,
        tracer: BTTracer,
        server: UploadServer,
        large: Path,
        behave: Callable[[Conversation], None],
        ended: threading.Event,
    ) -> None:
        """The whole upload is bounded, the handshake included."""
        server.behave = behave
        with pytest.raises(PutError, match=r"no answer within 0\.3 s"):
            tracer.put(large, timeout=0.3)
        assert large.exists()
        assert ended.wait(10)


class TestUnlink:
    def test_another_file_at_the_path_stays(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path, log: FakeLog
    ) -> None:
        """Only what was uploaded goes; a warning says so."""

        def replace(conversation: Conversation) -> None:
            conversation.read_all()
            snapshot.rename(snapshot.with_name("moved"))
            snapshot.write_bytes(b"another")
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        server.behave = replace
        tracer.put(snapshot)
        assert snapshot.read_bytes() == b"another"
        assert any(line.startswith("WARNING uploaded ") for line in log.lines)

    def test_a_file_that_grew_meanwhile_stays(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path
    ) -> None:
        """What came later was not uploaded."""

        def grow(conversation: Conversation) -> None:
            conversation.read_all()
            with snapshot.open("ab") as file:
                file.write(b"more")
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        server.behave = grow
        tracer.put(snapshot)
        assert server.bodies == [SMALL]
        assert snapshot.read_bytes() == SMALL + b"more"

    def test_a_file_that_shrinks_meanwhile_is_a_failure(
        self, tracer: BTTracer, server: UploadServer, large: Path
    ) -> None:
        """Not all that was announced could be sent."""

        def shrink(conversation: Conversation) -> None:
            conversation.read_head()
            os.truncate(large, 10)
            conversation.read_body()

        server.behave = shrink
        with pytest.raises(PutError):
            tracer.put(large)
        assert large.exists()

    def test_a_link_stays_with_its_file(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path, log: FakeLog
    ) -> None:
        """The link is not what was uploaded, and the file is not what was named."""
        link = snapshot.with_name("link")
        link.symlink_to(snapshot)
        tracer.put(link)
        assert server.bodies == [SMALL]
        assert link.is_symlink()
        assert snapshot.exists()
        assert log.lines[-1].endswith("its path leads to another file, or is a symbolic link")

    def test_a_file_that_is_gone_already_is_no_failure(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path, log: FakeLog
    ) -> None:
        """Somebody else removed it."""

        def remove(conversation: Conversation) -> None:
            conversation.read_all()
            snapshot.unlink()
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        server.behave = remove
        tracer.put(snapshot)
        assert not any(line.startswith("WARNING") for line in log.lines)


class TestWhatCannotBeSent:
    def test_missing_folder_empty_fifo(
        self, tracer: BTTracer, server: UploadServer, tmp_path: Path
    ) -> None:
        """The error names the path and the reason; no connection is made."""
        (tmp_path / "empty").touch()
        os.mkfifo(tmp_path / "fifo")
        reasons = {
            "missing": "it cannot be read: No such file or directory",
            ".": "it is no regular file",
            "empty": "it is empty",
            "fifo": "it is no regular file",
            "a\0b": "it cannot be read: ",
        }
        for name, reason in reasons.items():
            path = f"{tmp_path}/{name}"
            message = f"{path!r} was not uploaded, for {reason}"
            with pytest.raises(PutError, match=f"^{re.escape(message)}"):
                tracer.put(path)
        assert server.conversations == []

    def test_not_set_up(self, snapshot: Path) -> None:
        """The error says what to call."""
        tracer = BTTracer()
        assert not tracer.put_on_trace()
        with pytest.raises(PutError, match=r"call configure_put\(endpoint, token\) before"):
            tracer.put(snapshot)


class TestFolder:
    def test_each_snapshot_directly_in_it(
        self, tracer: BTTracer, server: UploadServer, tmp_path: Path
    ) -> None:
        """Regular files that end in .btt, by name; all else stays."""
        for name in ("b.btt", "a.btt", "note.txt", "sub.btt/deep.btt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(name.encode())
        (tmp_path / "link.btt").symlink_to(tmp_path / "note.txt")
        assert tracer.put_dir(tmp_path) == [str(tmp_path / "a.btt"), str(tmp_path / "b.btt")]
        assert server.bodies == [b"a.btt", b"b.btt"]
        left = sorted(path.name for path in tmp_path.iterdir())
        assert left == ["link.btt", "note.txt", "sub.btt"]

    def test_a_failure_does_not_stop_the_others(
        self, tracer: BTTracer, server: UploadServer, tmp_path: Path
    ) -> None:
        """What failed is named and stays, what was accepted goes."""
        for name in "abcde":
            (tmp_path / f"{name}.btt").write_bytes(name.encode())

        def refuse_some(conversation: Conversation) -> None:
            conversation.read_all()
            status = 500 if conversation.body in b"abce" else 200
            conversation.send(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)

        server.behave = refuse_some
        with pytest.raises(PutError, match=r"^4 of 5 snapshots were not uploaded: ") as caught:
            tracer.put_dir(tmp_path)
        assert [f"{name}.btt" in str(caught.value) for name in "abcde"] == [1, 1, 1, 0, 0]
        assert str(caught.value).endswith("; …")
        assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "b", "c", "e"]

    def test_empty_and_missing(self, tracer: BTTracer, tmp_path: Path) -> None:
        """Nothing to do is no failure, a missing folder is one."""
        assert tracer.put_dir(tmp_path) == []
        with pytest.raises(PutError, match=r"/none' cannot be listed: No such file or directory$"):
            tracer.put_dir(tmp_path / "none")


class TestSettings:
    @pytest.mark.parametrize(
        ("endpoint", "server"),
        [
            ("you.sp.backtrace.io", "https://you.sp.backtrace.io:6098"),
            ("https://you.sp.backtrace.io", "https://you.sp.backtrace.io:6098"),
            ("https://you.sp.backtrace.io/", "https://you.sp.backtrace.io:6098"),
            ("you.sp.backtrace.io:443", "https://you.sp.backtrace.io:443"),
            ("http://localhost", "http://localhost:6098"),
            ("HTTP://LOCALHOST:80/x", "http://localhost:80"),
            ("[::1]", "https://[::1]:6098"),
            ("http://[::1]:80", "http://[::1]:80"),
        ],
    )
    def test_scheme_and_port_where_they_are_left_out(self, endpoint: str, server: str) -> None:
        """They are https and 6098."""
        tracer = BTTracer()
        tracer.configure_put(endpoint, "t", on_trace=True)
        assert tracer._destination is not None
        assert tracer._destination.server == server
        assert tracer.put_on_trace()

    @pytest.mark.parametrize(
        "endpoint",
        [
            "",
            "https://",
            "ftp://host",
            "http://host:port",
            "http://host:99999",
            "http://[::1",
            "http://s3cret:s3cret@host",
            "http://host/post?token=s3cret",
            "http://host#s3cret",
            "http:/host",
            "ho st",
            "host\n",
            "host\\s3cret",
            None,
            b"host",
        ],
    )
    def test_bad_endpoints(self, tracer: BTTracer, endpoint: Any) -> None:
        """The error says what is accepted and shows nothing that may be secret."""
        before = tracer._destination
        with pytest.raises(ConfigError, match=r"^endpoint .* accepted is ") as caught:
            tracer.configure_put(endpoint, "t")
        assert not mentions_token(str(caught.value))
        assert tracer._destination is before

    @pytest.mark.parametrize("token", ["", "s3cret s3cret", "s3cret\n", b"s3cret", None])
    def test_bad_tokens(self, token: Any) -> None:
        """Likewise."""
        with pytest.raises(ConfigError, match=r"^token cannot be used: pass ") as caught:
            BTTracer().configure_put("host", token)
        assert not mentions_token(str(caught.value))

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"timeout": 0}, r"timeout is 0; accepted are seconds above 0"),
            ({"timeout": -1.5}, r"timeout is -1\.5"),
            ({"timeout": float("nan")}, r"timeout is nan"),
            ({"timeout": "3"}, r"timeout is '3'"),
            ({"unlink": "no"}, r"unlink is 'no'; accepted are True and False"),
            ({"on_trace": 1}, r"on_trace is 1; accepted are True and False"),
        ],
    )
    def test_bad_settings(self, setting: dict[str, Any], message: str) -> None:
        """The error names the setting, the value and what is accepted."""
        with pytest.raises(ConfigError, match=message):
            BTTracer().configure_put("host", "t", **setting)

    def test_durations(self) -> None:
        """A ``timedelta`` is accepted."""
        tracer = BTTracer()
        tracer.configure_put("host", "t", timeout=timedelta(seconds=2))
        assert tracer._destination is not None
        assert tracer._destination.timeout == 2

    def test_httpx_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error says what to install."""
        monkeypatch.setitem(sys.modules, "httpx", None)
        with pytest.raises(ConfigError, match=r"pip install 'bcd\[upload\]'"):
            BTTracer().configure_put("host", "t")

    def test_httpx_went_missing(
        self, tracer: BTTracer, snapshot: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An installation that broke later is a failure like any other."""
        monkeypatch.setitem(sys.modules, "httpx", None)
        assert "import of httpx halted" in failed_put(tracer, snapshot)


class TestSecrecy:
    def test_a_server_that_sends_the_token_back(
        self, tracer: BTTracer, server: UploadServer, snapshot: Path
    ) -> None:
        """What httpx quotes of it has no token."""

        def echo(conversation: Conversation) -> None:
            conversation.read_all()
            conversation.send(f"{conversation.line}\r\n{TOKEN}\r\n\r\n".encode())

        server.behave = echo
        assert "[token]" in failed_put(tracer, snapshot)

    def test_no_log_has_the_token(
        self,
        tracer: BTTracer,
        server: UploadServer,
        snapshot: Path,
        log: FakeLog,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Neither the tracer's nor those of the libraries, which say a lot."""
        caplog.set_level(logging.DEBUG)
        server.behave = answer(500)
        failed_put(tracer, snapshot)
        server.behave = answer(200)
        tracer.put(snapshot)
        assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
        assert log.lines[-1] == f"DEBUG uploaded {snapshot}"
        assert not mentions_token(caplog.text)
        assert not mentions_token("\n".join(log.lines))

    def test_the_tracer_does_not_show_it(self, tracer: BTTracer) -> None:
        """Neither in words nor in what it is made of."""
        assert not mentions_token(f"{tracer} {tracer!r} {tracer._destination!r}")
        assert not mentions_token(str(tracer.options()))


def test_httpx_is_loaded_by_the_first_upload() -> None:
    """Setting it up is cheap."""
    script = (
        "import sys, bcd; t = bcd.BTTracer(); t.configure_put('host', 't');"
        "assert 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_it_is_public() -> None:
    """Uploads belong to ``bcd.BTTracer``."""
    assert {"configure_put", "put", "put_dir", "put_on_trace"} <= set(dir(bcd.BTTracer))
