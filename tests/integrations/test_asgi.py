"""``bcd.integrations.asgi.BcdMiddleware`` around plain ASGI applications."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bcd.integrations.asgi import BcdMiddleware

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-shop", b"tea")]}
BODY = {"type": "http.response.body", "body": b"tea"}


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


def failing(*messages: dict[str, Any], error: BaseException | None = None) -> Any:
    """An application that sends messages and fails."""
    problem = Boom("deep") if error is None else error

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
        for message in messages:
            await send(message)
        raise problem

    return app


async def working(_scope: Any, _receive: Any, send: Any) -> None:
    """An application that works."""
    await send(START)
    await send(BODY)


def test_leaves_a_request_that_succeeds_alone(traced: Any, call_asgi: Any) -> None:
    """The application gets the server's own scope, receive and send, which costs least."""
    seen = []

    async def app(*arguments: Any) -> None:
        seen.extend(arguments)
        await working(*arguments)

    scope, receive, send = {"type": "http"}, object(), _keep([])
    asyncio.run(BcdMiddleware(app)(scope, receive, send))  # type: ignore[arg-type]  # any do
    assert seen == [scope, receive, send]
    assert call_asgi(BcdMiddleware(working)).messages == [START, BODY]
    assert traced.errors == []


def _keep(messages: list[Any]) -> Any:
    async def send(message: Any) -> None:
        messages.append(message)

    return send


def test_traces_and_raises_the_same_error(traced: Any, call_asgi: Any) -> None:
    """The error goes on as it was: same object, its traceback grown by one frame only."""
    error = Boom()
    answer = call_asgi(BcdMiddleware(failing(error=error)), "/pay")
    assert answer.error is error
    assert traced.errors == [error]
    assert answer.messages == []
    names = []
    traceback = error.__traceback__
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert names[-2:] == ["__call__", "app"]
    assert error.__context__ is None


def test_describes_the_request_without_secrets(traced: Any, call_asgi: Any) -> None:
    """Method and path are told; query, headers, cookies and the client's address are not."""
    call_asgi(BcdMiddleware(failing()), "/pay", method="POST")
    (attributes,) = traced.attributes
    assert attributes["http.request.method"] == "POST"
    assert attributes["url.path"] == "/pay"
    assert attributes["bcd.integration"] == "asgi"
    assert "http.response.status_code" not in attributes
    assert "SECRET" not in str(attributes)


@pytest.mark.parametrize("path", ["/\x00\xff", "/\udcff\udc80", "/" + "x" * 100_000])
def test_survives_bad_paths(traced: Any, call_asgi: Any, path: str) -> None:
    """Bytes that are no text and endless paths reach the tracer as clean text (trap 8)."""
    assert isinstance(call_asgi(BcdMiddleware(failing()), path).error, Boom)
    path_told = traced.attributes[0]["url.path"]
    assert path_told.startswith("/")
    assert path_told.encode().isascii() or "\x00" not in path_told
    assert len(path_told.encode()) <= 1024


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_sees_every_kind_of_scope(traced: Any, call_asgi: Any, kind: str) -> None:
    """Errors of websockets and of the lifespan are traced, too."""
    answer = call_asgi(BcdMiddleware(failing()), type=kind)
    assert traced.errors == [answer.error]


@pytest.mark.parametrize("reraise", [True, False])
def test_application_without_lifespan(traced: Any, call_asgi: Any, *, reraise: bool) -> None:
    """One that raises without having asked for an event says that it does not know them."""

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        if asks:
            await receive()
        raise Boom

    for asks in (False, True):
        answer = call_asgi(BcdMiddleware(BcdMiddleware(app), reraise=reraise), type="lifespan")
        assert isinstance(answer.error, Boom)
        assert len(traced.errors) == asks


def test_chain_is_as_it_was(traced: Any, call_asgi: Any) -> None:
    """What the program was handling when it failed is still part of its error (trap 10)."""

    async def app(*_: Any) -> None:
        try:
            raise KeyError("context")  # noqa: TRY301 - the point
        except KeyError:
            raise Boom  # noqa: B904 - its context is the point

    error = call_asgi(BcdMiddleware(app)).error
    assert traced.errors == [error]
    assert str(error.__context__) == "'context'"
    assert not error.__suppress_context__


def test_lets_other_scopes_pass(traced: Any, call_asgi: Any) -> None:
    """A scope of a type that does not exist yet passes through, its errors too (trap 11)."""

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        assert scope == {"type": "gopher"}
        raise Boom

    with pytest.raises(Boom):
        asyncio.run(BcdMiddleware(app)({"type": "gopher"}, None, None))  # type: ignore[arg-type]
    assert traced.errors == []
    assert call_asgi(BcdMiddleware(failing(), reraise=False), type="gopher").error is not None


def test_traces_once_where_a_middleware_passes_a_copy_on(traced: Any, call_asgi: Any) -> None:
    """What is left in the copy by the inner one, the outer one finds in the state they share."""
    inner = BcdMiddleware(failing())

    async def copying(scope: Any, receive: Any, send: Any) -> None:
        await inner(dict(scope), receive, send)

    for number in (1, 2):
        call_asgi(BcdMiddleware(copying), state={})
        assert len(traced.errors) == number


def test_traces_once_however_often_it_is_installed(traced: Any, call_asgi: Any) -> None:
    """Two middlewares of one request give one trace; the next request gives another."""
    error = Boom("the same object each time")
    app = BcdMiddleware(BcdMiddleware(failing(error=error)))
    call_asgi(app)
    call_asgi(app)
    assert traced.errors == [error, error]


def test_knows_that_the_client_went_away(traced: Any) -> None:
    """A connection error after the server saw the client leave is no error of the program."""

    class FakeCycle:
        disconnected = True

        async def send(self, _: Any) -> None:
            raise BrokenPipeError

    app = BcdMiddleware(failing(START))
    with pytest.raises(BrokenPipeError):
        asyncio.run(app({"type": "http"}, None, FakeCycle().send))  # type: ignore[arg-type]
    assert traced.errors == []


def test_cancellation_passes_untraced(traced: Any) -> None:
    """A cancelled request stays cancelled."""

    async def serve(*, reraise: bool) -> None:
        async def app(*_: Any) -> None:
            await asyncio.Event().wait()

        middleware = BcdMiddleware(app, reraise=reraise)
        serving = asyncio.create_task(middleware({"type": "http"}, None, None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(serve(reraise=True))
    asyncio.run(serve(reraise=False))
    assert traced.errors == []


class TestWithoutReraise:
    def test_answers_where_nothing_was_sent(self, traced: Any, call_asgi: Any) -> None:
        """The client gets a plain 500 and the server no error."""
        answer = call_asgi(BcdMiddleware(failing(), reraise=False))
        assert answer.error is None
        assert (answer.status, answer.body) == (500, b"Internal Server Error")
        assert len(traced.errors) == 1

    def test_raises_once_the_response_has_started(self, traced: Any, call_asgi: Any) -> None:
        """Half a response is never made to look whole (trap 6); its status is told."""
        answer = call_asgi(BcdMiddleware(failing(START, BODY), reraise=False))
        assert isinstance(answer.error, Boom)
        assert answer.messages == [START, BODY]
        assert traced.attributes[0]["http.response.status_code"] == "200"

    def test_raises_in_lifespan(self, traced: Any, call_asgi: Any) -> None:
        """A server has to know that the start failed."""
        answer = call_asgi(BcdMiddleware(failing(), reraise=False), type="lifespan")
        assert isinstance(answer.error, Boom)
        assert answer.messages == []
        assert len(traced.errors) == 1

    def test_answers_a_websocket_that_can_take_it(self, traced: Any, call_asgi: Any) -> None:
        """Before the handshake a server with the extension sends the 500, others the error."""
        app = BcdMiddleware(failing(), reraise=False)
        extensions: dict[str, Any] = {"websocket.http.response": {}}
        answer = call_asgi(app, type="websocket", extensions=extensions)
        assert answer.error is None
        assert answer.messages[0]["type"] == "websocket.http.response.start"
        assert isinstance(call_asgi(app, type="websocket").error, Boom)
        assert len(traced.errors) == 2

    def test_raises_its_own_error_when_the_client_is_gone(self, traced: Any) -> None:
        """A 500 that cannot be sent leaves the program's error, not the server's."""

        async def send(_: Any) -> None:
            raise BrokenPipeError

        app = BcdMiddleware(failing(), reraise=False)
        with pytest.raises(Boom):
            asyncio.run(app({"type": "http"}, None, send))  # type: ignore[arg-type]
        assert len(traced.errors) == 1
