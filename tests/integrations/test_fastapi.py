"""``bcd.integrations.starlette.instrument`` on FastAPI applications."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Host

from bcd.integrations.asgi import BcdMiddleware
from bcd.integrations.starlette import instrument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


async def fail() -> str:
    """An endpoint that fails."""
    raise Boom("deep")


async def work() -> str:
    """An endpoint that works."""
    return "tea"


def shop(**settings: Any) -> FastAPI:
    """An instrumented application whose ``/fail`` fails."""
    app = FastAPI(**settings)
    app.get("/fail")(fail)
    app.get("/work")(work)
    instrument(app)
    return app


def test_client_has_its_answer_and_the_error_goes_on(traced: Any, call_asgi: Any) -> None:
    """FastAPI's own 500 is sent unchanged, the server gets the error, one trace runs."""
    bare = FastAPI()
    bare.get("/fail")(fail)
    expected = call_asgi(bare, "/fail")
    answer = call_asgi(shop(), "/fail")
    assert answer.messages == expected.messages
    assert traced.errors == [answer.error]
    (attributes,) = traced.attributes
    assert attributes["http.route"] == "/fail"
    assert attributes["http.response.status_code"] == "500"
    assert "SECRET" not in str(attributes)


def test_endpoint_in_a_thread(traced: Any, call_asgi: Any) -> None:
    """An endpoint that is no coroutine runs in a thread; its error is seen as any other."""
    app = shop()

    @app.get("/sync/{number}")
    def sync(number: int) -> None:
        raise Boom(number)

    answer = call_asgi(app, "/sync/7")
    assert traced.errors == [answer.error]
    assert traced.attributes[0]["http.route"] == "/sync/{number}"


class TestRouters:
    @pytest.mark.parametrize(
        ("path", "template"),
        [
            ("/v1/RAW/cart/7", "/v1/{tenant}/cart/{number}"),
            ("/v2/RAW/cart/7", "/v2/{tenant}/cart/{number}"),
            ("/by-router/fail", "/by-router/fail"),
            ("/sub/SECRET/RAW/cart/7", "/sub/{shop}/{tenant}/cart/{number}"),
            ("/by-host/RAW/cart/7", "/by-host/{tenant}/cart/{number}"),
        ],
    )
    def test_route_is_the_template(
        self, traced: Any, call_asgi: Any, path: str, template: str
    ) -> None:
        """Prefixes, routers included in others or twice, mounts and hosts (trap 11)."""
        cart = APIRouter(prefix="/cart")
        cart.get("/{number}")(_raise)
        tenants = APIRouter()
        tenants.include_router(cart, prefix="/{tenant}")
        by_router = APIRouter(prefix="/by-router")
        by_router.get("/fail")(fail)
        app, mounted, hosted = FastAPI(), FastAPI(), FastAPI()
        for version in ("/v1", "/v2"):
            app.include_router(tenants, prefix=version)
        app.include_router(by_router)
        mounted.include_router(tenants)
        app.mount("/sub/{shop}", mounted)
        hosted.include_router(tenants, prefix="/by-host")
        app.router.routes.append(Host("tea.example", app=hosted))
        instrument(app)
        assert isinstance(call_asgi(app, path).error, Boom)
        assert traced.attributes[0]["http.route"] == template

    def test_application_in_an_application(self, traced: Any, call_asgi: Any) -> None:
        """Both have the hook, and a middleware more: the error is traced once."""
        inner, outer = shop(), shop()
        inner.add_middleware(BcdMiddleware)
        outer.mount("/inner", inner)
        answer = call_asgi(outer, "/inner/fail")
        assert traced.errors == [answer.error]
        assert answer.status == 500


def _raise(number: str) -> None:
    raise Boom(number)


class TestDependencies:
    @pytest.mark.parametrize("scope", ["function", "request"])
    @pytest.mark.parametrize("where", ["before", "after"])
    def test_that_fail_themselves(
        self, traced: Any, call_asgi: Any, where: str, scope: Any
    ) -> None:
        """The part before ``yield``, and the one after it."""

        async def dependency() -> AsyncIterator[str]:
            if where == "before":
                raise Boom(where)
            yield "tea"
            raise Boom(where)

        app = shop()
        app.get("/tea", dependencies=[Depends(dependency, scope=scope)])(work)
        answer = call_asgi(app, "/tea")
        assert answer.status == (200 if (where, scope) == ("after", "request") else 500)
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["http.route"] == "/tea"
        assert traced.attributes[0]["http.response.status_code"] == str(answer.status)

    @pytest.mark.parametrize("as_thread", [True, False])
    def test_that_see_the_error(self, traced: Any, call_asgi: Any, *, as_thread: bool) -> None:
        """A dependency rolls back and raises again: one error, traced once."""
        seen: list[BaseException] = []

        def in_thread() -> Iterator[None]:
            try:
                yield
            except Boom as error:
                seen.append(error)
                raise

        async def in_loop() -> AsyncIterator[None]:
            try:
                yield
            except Boom as error:
                seen.append(error)
                raise

        app = shop()
        app.get("/tea", dependencies=[Depends(in_thread if as_thread else in_loop)])(fail)
        answer = call_asgi(app, "/tea")
        assert seen == traced.errors == [answer.error]

    def test_that_turn_the_error_into_an_answer(self, traced: Any, call_asgi: Any) -> None:
        """A dependency that raises an ``HTTPException`` in its place has handled it."""

        async def dependency() -> AsyncIterator[None]:
            try:
                yield
            except Boom as error:
                raise HTTPException(409, "no tea") from error

        app = shop()
        app.get("/tea", dependencies=[Depends(dependency)])(fail)
        answer = call_asgi(app, "/tea")
        assert (answer.status, answer.error) == (409, None)
        assert traced.errors == []


class TestHandlers:
    def test_of_an_error(self, traced: Any, call_asgi: Any) -> None:
        """What a handler for its class answers is handled; one for all errors is a page."""
        app = shop()
        app.exception_handler(Boom)(sorry)
        assert call_asgi(app, "/fail").body == b"sorry"
        assert traced.errors == []
        app = shop()
        app.exception_handler(Exception)(sorry)
        answer = call_asgi(app, "/fail")
        assert (answer.status, answer.body) == (418, b"sorry")
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["http.response.status_code"] == "418"

    def test_that_fail(self, traced: Any, call_asgi: Any) -> None:
        """A handler that fails is an error of its own, with the first as its context."""

        async def broken(*_: Any) -> Any:
            raise ValueError("no page")

        app = shop()
        app.exception_handler(Boom)(broken)
        answer = call_asgi(app, "/fail")
        assert traced.errors == [answer.error]
        assert isinstance(answer.error, ValueError)
        assert isinstance(answer.error.__context__, Boom)

    @pytest.mark.parametrize("status", [404, 503])
    def test_of_answers(self, traced: Any, call_asgi: Any, status: int) -> None:
        """An ``HTTPException``, with FastAPI's handler or another, and a form that is wrong."""
        for handler in (None, sorry):
            app = shop()
            if handler is not None:
                app.exception_handler(HTTPException)(handler)

            @app.get("/refuse/{number}")
            async def refuse(number: int) -> None:
                raise HTTPException(status, str(number))

            assert call_asgi(app, "/refuse/7").status == (418 if handler else status)
            assert call_asgi(app, "/refuse/tea").status == 422
        assert traced.errors == []

    def test_of_answers_that_the_program_got_wrong(self, traced: Any, call_asgi: Any) -> None:
        """An answer that is not what its model says is an error of the program."""
        app = shop()
        app.get("/tea", response_model=int)(work)
        answer = call_asgi(app, "/tea")
        assert answer.status == 500
        assert [type(error).__name__ for error in traced.errors] == ["ResponseValidationError"]


async def sorry(*_: Any) -> PlainTextResponse:
    """A handler that answers."""
    return PlainTextResponse("sorry", 418)


class TestWhere:
    def test_background_task(self, traced: Any, call_asgi: Any) -> None:
        """Both kinds of tasks, after the answer; the second does not run, as ever."""

        async def view(tasks: BackgroundTasks) -> JSONResponse:
            tasks.add_task(fail)
            tasks.add_task(work)
            return JSONResponse("tea", 201)

        app = shop()
        app.post("/tea")(view)
        answer = call_asgi(app, "/tea", method="POST")
        assert (answer.status, answer.body) == (201, b'"tea"')
        assert traced.errors == [answer.error]

    def test_streamed_body(self, traced: Any, call_asgi: Any) -> None:
        """An error in the middle of a stream, which the server has to see (trap 6)."""

        async def pour() -> AsyncIterator[bytes]:
            yield b"te"
            raise Boom

        app = shop()

        @app.get("/half")
        async def half() -> StreamingResponse:
            return StreamingResponse(pour(), 206)

        answer = call_asgi(app, "/half")
        assert (answer.status, answer.body) == (206, b"te")
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["http.response.status_code"] == "206"

    @pytest.mark.parametrize("where", ["in", "out", "below"])
    def test_middleware(self, traced: Any, call_asgi: Any, where: str) -> None:
        """A function as a middleware, before and after the endpoint, and above one that fails."""
        app = shop()

        @app.middleware("http")
        async def middleware(request: Request, call_next: Any) -> Any:
            if where == "in":
                raise Boom(where)
            response = await call_next(request)
            if where == "out":
                raise Boom(where)
            return response

        answer = call_asgi(app, "/fail" if where == "below" else "/work")
        assert answer.status == 500
        assert traced.errors == [answer.error]
        assert isinstance(answer.error, Boom)

    @pytest.mark.parametrize("accepted", [True, False])
    def test_websocket(self, traced: Any, call_asgi: Any, *, accepted: bool) -> None:
        """A websocket, before and after it was accepted; one that the client closed is none."""
        app = shop()

        @app.websocket("/ws/{room}")
        async def talk(socket: WebSocket, room: str) -> None:
            if accepted:
                await socket.accept()
            raise Boom(room)

        @app.websocket("/listen")
        async def listen(socket: WebSocket) -> None:
            await socket.accept()
            await socket.receive_text()

        messages = {"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}
        call_asgi(app, "/listen", *messages, type="websocket", subprotocols=[])
        assert traced.errors == []
        answer = call_asgi(app, "/ws/7", *messages, type="websocket", subprotocols=[])
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["http.route"] == "/ws/{room}"

    def test_lifespan(self, traced: Any, call_asgi: Any) -> None:
        """An application that cannot start."""
        app = FastAPI(lifespan=lambda _: _Broken())
        instrument(app)
        answer = call_asgi(app, "", {"type": "lifespan.startup"}, type="lifespan")
        assert traced.errors == [answer.error]


class _Broken:
    async def __aenter__(self) -> None:
        raise Boom

    async def __aexit__(self, *_: object) -> None:
        """Never."""


class TestExpected:
    def test_client_that_leaves(self, traced: Any, call_asgi: Any) -> None:
        """A request whose body never comes, and whose answer is not taken."""
        app = shop()

        @app.post("/read")
        async def read(request: Request) -> None:
            await request.body()

        answer = call_asgi(app, "/read", {"type": "http.disconnect"}, method="POST")
        assert isinstance(answer.error, ClientDisconnect)
        assert traced.errors == []

    @pytest.mark.parametrize(
        ("errors", "traces"),
        [
            ([HTTPException(404), HTTPException(403)], 0),
            ([HTTPException(404), Boom("one")], 1),
            ([Boom("one"), ValueError("two")], 1),
        ],
    )
    def test_groups(
        self, traced: Any, call_asgi: Any, errors: list[Exception], traces: int
    ) -> None:
        """A group of errors is traced if one of them is unexpected."""
        app = shop()

        async def each(error: Exception) -> None:
            await asyncio.sleep(0)
            raise error

        @app.get("/group")
        async def group() -> None:
            async with asyncio.TaskGroup() as tasks:
                for error in errors:
                    tasks.create_task(each(error))

        answer = call_asgi(app, "/group")
        assert isinstance(answer.error, ExceptionGroup)
        assert len(traced.errors) == traces
