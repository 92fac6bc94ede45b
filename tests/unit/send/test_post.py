"""One POST to a server that accepts, refuses, is busy, slow or gone."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from bcd.errors import ConfigError, SendError
from bcd.send.post import Patience, post
from bcd.send.service import Address
from tests.upload_server import Conversation, UploadServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "s3cret-t0ken/+"  # noqa: S105 - a token for tests
QUOTED = "s3cret-t0ken%2F%2B"


@dataclass
class FakeClock:
    """Notes how long somebody would have slept, and what they said before."""

    slept: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def patience(self, timeout: float = 10) -> Patience:
        """As long as usual, without waiting."""
        return Patience(timeout=timeout, sleep=self.slept.append, say=self.said.append)


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


def to(server: UploadServer | str) -> Address:
    """An address with a secret in its path and one in its headers."""
    base = server if isinstance(server, str) else server.endpoint
    headers = {"X-Auth": f"key={SECRET}"}
    return Address(server=base, url=f"{base}/in/{QUOTED}", headers=headers, secrets=(SECRET,))


def in_turn(*behaviours: Callable[[Conversation], None]) -> Callable[[Conversation], None]:
    """A behaviour for each connection, the last one for all that follow."""
    left = list(behaviours)

    def behave(conversation: Conversation) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(conversation)

    return behave


def refused(server: UploadServer, clock: FakeClock, timeout: float = 10) -> SendError:
    """The error of a POST that fails; it is one line without secrets."""
    with pytest.raises(SendError) as caught:
        post(to(server), {}, b"body", clock.patience(timeout))
    for text in (str(caught.value), *clock.said):
        assert SECRET not in text
        assert QUOTED not in text
        assert "\n" not in text
    return caught.value


class TestAcceptance:
    @pytest.mark.parametrize("status", [200, 202, 204])
    def test_any_2xx(self, server: UploadServer, clock: FakeClock, status: int) -> None:
        """The answer is handed back, the request is what it was to be."""
        server.behave = answer(status, b'{"id":1}')
        headers = {"Content-Type": "application/json"}
        assert (
            post(to(server), headers, b"body", clock.patience())
            == b'{"id":1}'[: 8 * (status != 204)]
        )
        (request,) = server.conversations
        assert request.line == f"POST /in/{QUOTED} HTTP/1.1"
        assert request.headers["x-auth"] == f"key={SECRET}"
        assert request.headers["content-type"] == "application/json"
        assert request.body == b"body"
        assert clock.slept == []

    def test_endless_answers(self, server: UploadServer, clock: FakeClock) -> None:
        """Only so much of an answer is read."""

        def talk(conversation: Conversation) -> None:
            conversation.read_all()
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            conversation.send(b"x" * 200_000)

        server.behave = talk
        assert len(post(to(server), {}, b"", clock.patience())) < 200_000


class TestAgain:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_a_busy_server(self, server: UploadServer, clock: FakeClock, status: int) -> None:
        """It is asked again, each time after a longer wait."""
        server.behave = in_turn(answer(status), answer(status), answer(200, b"ok"))
        assert post(to(server), {}, b"body", clock.patience()) == b"ok"
        assert server.bodies == [b"body"] * 3
        assert clock.slept == [1, 2]
        assert f"answered {status}" in clock.said[0]
        assert clock.said[0].endswith("; trying again in 1 s")

    def test_for_so_long(self, server: UploadServer, clock: FakeClock) -> None:
        """At some time it is enough."""
        server.behave = answer(503)
        error = refused(server, clock)
        assert str(error) == f"{server.endpoint} answered 503 Service Unavailable"
        assert not error.of_one
        assert clock.slept == [1, 2, 4]

    def test_it_says_when(self, server: UploadServer, clock: FakeClock) -> None:
        """Retry-After in seconds or as a time is obeyed."""
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
        server.behave = in_turn(
            answer(429, b"", "Retry-After: 7"),
            answer(429, b"", f"Retry-After: {later}"),
            answer(429, b"", "Retry-After: soon"),
            answer(200),
        )
        post(to(server), {}, b"", clock.patience())
        first, second, third = clock.slept
        assert (first, third) == (7, 4)
        assert 10 < second <= 20

    def test_it_wants_too_much(self, server: UploadServer, clock: FakeClock) -> None:
        """Nobody waits for an hour."""
        server.behave = answer(429, b"", "Retry-After: 3600")
        assert str(refused(server, clock)).endswith("wants to be left alone for 3,600 s")
        assert clock.slept == []

    def test_a_dropped_connection(self, server: UploadServer, clock: FakeClock) -> None:
        """It is tried again: the id keeps a service from having it twice."""

        def drop(conversation: Conversation) -> None:
            conversation.read_head()
            conversation.reset()

        server.behave = in_turn(drop, answer(200, b"ok"))
        assert post(to(server), {}, b"body", clock.patience()) == b"ok"
        assert "broke off" in clock.said[0]


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "said", "of_one"),
        [
            (400, "answered 400 Bad Request", True),
            (401, "the key or token is not accepted; check it", False),
            (403, "the key or token is not accepted; check it", False),
            (404, "check the address", False),
            (413, "it is larger than the server takes", True),
            (418, "answered 418", False),
            (501, "answered 501 Not Implemented", False),
        ],
    )
    def test_statuses(
        self, server: UploadServer, clock: FakeClock, status: int, said: str, *, of_one: bool
    ) -> None:
        """They are not tried again, and say what to do; some are about the one snapshot."""
        server.behave = answer(status)
        error = refused(server, clock)
        assert said in str(error)
        assert error.of_one is of_one
        assert len(server.conversations) == 1

    def test_reasons(self, server: UploadServer, clock: FakeClock) -> None:
        """What the server says is repeated in one short line, without the secrets it repeats."""
        reason = f'{{"detail": "no project\nfor {SECRET} or {QUOTED}"}}' + "x" * 1000
        server.behave = answer(400, reason.encode())
        text = str(refused(server, clock))
        assert '{"detail": "no project for [redacted] or [redacted]"}' in text
        assert len(text) < 400

    def test_pages(self, server: UploadServer, clock: FakeClock) -> None:
        """A page of a proxy is no reason."""
        server.behave = answer(404, b"\n<html><h1>Nothing here</h1></html>")
        assert str(refused(server, clock)).endswith("answered 404 Not Found; check the address")

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirects(self, server: UploadServer, clock: FakeClock, status: int) -> None:
        """They are not followed: the secret is for nobody else."""
        server.behave = answer(status, b"", f"Location: {server.endpoint}/elsewhere")
        assert "redirects are not followed" in str(refused(server, clock))
        assert len(server.conversations) == 1

    def test_nobody_listens(self, clock: FakeClock) -> None:
        """The error says so at once."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(SendError, match=f"127.0.0.1:{port} cannot be reached: .*refused"):
            post(to(f"http://127.0.0.1:{port}"), {}, b"", clock.patience())
        assert clock.slept == []

    def test_silence(self, server: UploadServer, clock: FakeClock) -> None:
        """A server that never answers is left in time."""

        def keep_silent(conversation: Conversation) -> None:
            conversation.read_all()
            conversation.closing.wait()

        server.behave = keep_silent
        assert "gave no answer within 0.2 s" in str(refused(server, clock, timeout=0.2))

    def test_dripping(self, server: UploadServer, clock: FakeClock) -> None:
        """Nor does one that answers a byte at a time hold anybody up."""

        def drip(conversation: Conversation) -> None:
            conversation.read_all()
            conversation.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", 0.001)

        server.behave = drip
        assert "gave no answer within 0.3 s" in str(refused(server, clock, timeout=0.3))


class TestSettings:
    def test_a_wrong_proxy(
        self, server: UploadServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is refused in a line without its password."""
        monkeypatch.setenv("HTTP_PROXY", f"bad://user:{QUOTED}@proxy")
        with pytest.raises(ConfigError, match="the proxy that the environment names") as caught:
            post(to(server), {}, b"", clock.patience())
        assert QUOTED not in str(caught.value)

    def test_a_proxy(
        self, server: UploadServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The one of the environment is used."""
        monkeypatch.setenv("HTTP_PROXY", server.endpoint)
        post(to("http://sentry.example"), {}, b"", clock.patience())
        (request,) = server.conversations
        assert request.line == f"POST http://sentry.example/in/{QUOTED} HTTP/1.1"
