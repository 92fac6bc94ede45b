"""``bcd.integrations.wsgi.BcdMiddleware`` around plain WSGI applications."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import SimpleHandler
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from bcd.integrations.wsgi import BcdMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


class FakeServer:
    """Starts responses as a server does that keeps the status beside, like gunicorn."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.headers_sent = False
        self.sent = b""

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """See PEP 3333; raises the application's error once headers were sent."""
        if exc_info and self.headers_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        self.status, self.headers = status, headers

    def serve(self, app: Any, **environ: Any) -> None:
        """Serve one request: call, iterate, close."""
        setup_testing_defaults(environ)
        body = app(environ, self.start_response)
        try:
            for chunk in body:
                self.headers_sent = True
                self.sent += chunk
        finally:
            if hasattr(body, "close"):
                body.close()


class Body:
    """An application's iterable that counts how often it is closed."""

    def __init__(self, *chunks: bytes | Exception, close: Exception | None = None) -> None:
        self.chunks = list(chunks)
        self.closed = 0
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def close(self) -> None:
        """Count, and fail if told to."""
        self.closed += 1
        if self._close is not None:
            raise self._close


def answering(body: Any, status: str = "200 OK") -> Any:
    """An application that answers with a body, or fails with an error."""

    def app(_environ: Any, start_response: Any) -> Any:
        if isinstance(body, BaseException):
            raise body
        start_response(status, [("Content-Type", "text/plain")])
        return body

    return app


ENVIRON = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "/shop",
    "PATH_INFO": "/pay",
    "QUERY_STRING": "key=SECRET",
    "HTTP_COOKIE": "SECRET",
    "REMOTE_ADDR": "SECRET",
}


class TestHappyPath:
    @pytest.mark.parametrize("body", [[b"tea"], (b"te", b"a")], ids=["list", "tuple"])
    def test_returns_what_cannot_fail_as_it_is(self, traced: Any, body: Any) -> None:
        """Lists and tuples are not wrapped, which costs least."""
        app = BcdMiddleware(answering(body))
        assert app({}, lambda *_: None) is body  # type: ignore[arg-type, return-value]
        assert traced.errors == []

    def test_keeps_the_length(self, traced: Any) -> None:
        """A server may make the Content-Length from a body that tells its length."""

        class Sized(Body):
            def __len__(self) -> int:
                return len(self.chunks)

        sized = BcdMiddleware(answering(Sized(b"tea")))({}, FakeServer().start_response)
        plain = BcdMiddleware(answering(Body(b"tea")))({}, FakeServer().start_response)
        assert len(sized) == 1  # type: ignore[arg-type]
        assert not hasattr(plain, "__len__")
        assert traced.errors == []

    @pytest.mark.parametrize("wrapper", [FileWrapper, lambda file, _size=8192: file])
    def test_passes_files_through(self, traced: Any, wrapper: Any) -> None:
        """What ``wsgi.file_wrapper`` made is known again by the server, class or function."""
        made = wrapper(io.BytesIO(b"tea"))
        app = BcdMiddleware(answering(made))
        environ = {"wsgi.file_wrapper": wrapper}
        assert app(environ, FakeServer().start_response) is made
        assert traced.errors == []

    def test_guards_files_that_no_server_wrapped(self, traced: Any) -> None:
        """Without a file wrapper a file is a body like any other."""

        class Broken(io.BytesIO):
            def __next__(self) -> bytes:
                raise Boom

        with pytest.raises(Boom):
            FakeServer().serve(BcdMiddleware(answering(Broken())))
        assert len(traced.errors) == 1

    def test_keeps_to_the_specification(self, traced: Any) -> None:
        """``wsgiref.validate`` finds nothing wrong on either side."""
        output = io.BytesIO()
        environ: dict[str, Any] = {"QUERY_STRING": ""}
        setup_testing_defaults(environ)
        handler = SimpleHandler(io.BytesIO(), output, sys.stderr, environ)
        handler.run(validator(BcdMiddleware(validator(answering(Body(b"te", b"a"))))))
        assert output.getvalue().endswith(b"\r\n\r\ntea")
        assert traced.errors == []


class TestWhere:
    def test_call(self, traced: Any) -> None:
        """The error of the call goes on unchanged, described without secrets."""
        error = Boom()
        with pytest.raises(Boom) as caught:
            FakeServer().serve(BcdMiddleware(answering(error)), **ENVIRON)
        assert caught.value is error
        assert traced.errors == [error]
        (attributes,) = traced.attributes
        assert attributes["http.request.method"] == "POST"
        assert attributes["url.path"] == "/shop/pay"
        assert attributes["bcd.integration"] == "wsgi"
        assert "http.response.status_code" not in attributes
        assert "SECRET" not in str(attributes)

    def test_each_step(self, traced: Any) -> None:
        """An error in the middle of a stream is seen, goes on, and the body is closed (trap 6)."""
        server, error = FakeServer(), Boom()
        body = Body(b"te", error)
        with pytest.raises(Boom):
            server.serve(BcdMiddleware(answering(body, "201 Created")))
        assert server.sent == b"te"
        assert traced.errors == [error]
        assert traced.attributes[0]["http.response.status_code"] == "201"
        assert body.closed == 1

    def test_close(self, traced: Any) -> None:
        """An error of ``close`` is seen after everything was sent."""
        server, error = FakeServer(), Boom()
        with pytest.raises(Boom):
            server.serve(BcdMiddleware(answering(Body(b"tea", close=error))))
        assert server.sent == b"tea"
        assert traced.errors == [error]

    @pytest.mark.parametrize("where", ["call", "body", "close"])
    def test_chain_is_as_it_was(self, traced: Any, where: str) -> None:
        """What the program was handling when it failed is still part of its error (trap 10)."""

        class Failing:
            def __iter__(self) -> Iterator[bytes]:
                fail("body")
                yield b"tea"

            def close(self) -> None:
                fail("close")

        def fail(step: str) -> None:
            try:
                if step == where:
                    raise KeyError("context")  # noqa: TRY301 - the point
            except KeyError:
                raise Boom  # noqa: B904 - its context is the point

        def app(*_: Any) -> Any:
            fail("call")
            return Failing()

        with pytest.raises(Boom) as caught:
            FakeServer().serve(BcdMiddleware(app))
        assert traced.errors == [caught.value]
        assert str(caught.value.__context__) == "'context'"
        assert not caught.value.__suppress_context__

    def test_twice_is_one_error(self, traced: Any) -> None:
        """Two middlewares trace once; the same object in the next request is a new error."""
        error = Boom()
        app = BcdMiddleware(BcdMiddleware(answering(Body(b"te", error))))
        for _ in range(2):
            with pytest.raises(Boom):
                FakeServer().serve(app)
        assert traced.errors == [error, error]

    def test_expected(self, traced: Any) -> None:
        """A server that ends its worker passes through untraced."""
        with pytest.raises(SystemExit):
            FakeServer().serve(BcdMiddleware(answering(SystemExit(1)), reraise=False))
        assert traced.errors == []


class TestClose:
    def test_happens_once(self, traced: Any) -> None:
        """However often the server closes, the application's iterable is closed once."""
        body = Body(b"tea")
        guarded = BcdMiddleware(answering(body))({}, FakeServer().start_response)
        assert list(guarded) == [b"tea"]
        for _ in range(3):
            guarded.close()  # type: ignore[attr-defined]
        assert body.closed == 1
        assert traced.errors == []

    @pytest.mark.parametrize("steps", [0, 1])
    def test_happens_without_iteration(self, traced: Any, steps: int) -> None:
        """HEAD requests and clients that leave early: the body is closed all the same (trap 5)."""
        body = Body(b"te", b"a")
        guarded = BcdMiddleware(answering(body))({}, FakeServer().start_response)
        iterator = iter(guarded)
        for _ in range(steps):
            next(iterator)
        guarded.close()  # type: ignore[attr-defined]
        del iterator
        assert body.closed == 1
        assert traced.errors == []

    def test_reaches_generators(self, traced: Any) -> None:
        """A generator's ``finally`` runs when the server drops it."""
        ended = []

        def pour() -> Iterator[bytes]:
            try:
                yield b"te"
                yield b"a"
            finally:
                ended.append("closed")

        guarded = BcdMiddleware(answering(pour()))({}, FakeServer().start_response)
        next(iter(guarded))
        guarded.close()  # type: ignore[attr-defined]
        assert ended == ["closed"]
        assert traced.errors == []


class TestPath:
    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("/%00\x00", "/%00"),
            ("/\xc3\xa9", "/é"),  # UTF-8, handed over as PEP 3333 wants it
            ("/\xff", "/\ufffd"),
            ("/\u20ac", "/?"),  # against PEP 3333
        ],
    )
    def test_survives_bad_bytes(self, traced: Any, path: str, told: str) -> None:
        """Bytes that are no text reach the tracer as clean text (trap 8)."""
        with pytest.raises(Boom):
            FakeServer().serve(BcdMiddleware(answering(Boom())), SCRIPT_NAME="", PATH_INFO=path)
        assert traced.attributes[0]["url.path"] == told


class TestWithoutReraise:
    def test_answers_where_nothing_was_sent(self, traced: Any) -> None:
        """The client gets a plain 500, for an error of the call and of the first step."""
        for app in (answering(Boom()), answering(Body(Boom()))):
            server = FakeServer()
            server.serve(BcdMiddleware(app, reraise=False))
            assert server.status == "500 Internal Server Error"
            assert server.sent == b"Internal Server Error"
        assert len(traced.errors) == 2

    @pytest.mark.parametrize(
        "body", [Body(b"te", Boom()), Body(b"tea", close=Boom())], ids=["step", "close"]
    )
    def test_raises_once_the_response_has_started(self, traced: Any, body: Any) -> None:
        """Half a response is never made to look whole (trap 6)."""
        server = FakeServer()
        with pytest.raises(Boom):
            server.serve(BcdMiddleware(answering(body), reraise=False))
        assert server.status == "200 OK"
        assert len(traced.errors) == 1

    def test_raises_after_a_chunk_that_the_server_still_holds(self, traced: Any) -> None:
        """A server that would let the answer be replaced gets the error all the same."""
        app = BcdMiddleware(answering(Body(b"te", Boom())), reraise=False)
        iterator = iter(app({}, FakeServer().start_response))
        assert next(iterator) == b"te"
        with pytest.raises(Boom):
            next(iterator)
        assert len(traced.errors) == 1

    def test_raises_what_the_server_refuses_to_replace(self, traced: Any) -> None:
        """An application that used ``write`` has started its response."""

        def app(_: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            server.headers_sent = True
            raise Boom

        server = FakeServer()
        with pytest.raises(Boom):
            server.serve(BcdMiddleware(app, reraise=False))
        assert server.status == "200 OK"
        assert len(traced.errors) == 1


def test_failure_of_bcd_is_not_the_programs(traced: Any) -> None:
    """When the engine itself breaks the program's error still goes on."""
    traced.failure = RuntimeError("bcd is broken")
    with contextlib.redirect_stderr(io.StringIO()), pytest.raises(Boom):
        FakeServer().serve(BcdMiddleware(answering(Boom())))
