"""``bcd.integrations.starlette.instrument``: outside of everything that Starlette runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute

from bcd.integrations.asgi import BcdMiddleware
from bcd.integrations.starlette import instrument

if TYPE_CHECKING:
    from starlette.requests import Request


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


async def fail(_: Any) -> Response:
    """A view that fails."""
    raise Boom("deep")


def shop(*routes: BaseRoute, **settings: Any) -> Starlette:
    """An instrumented application."""
    app = Starlette(routes=routes or [Route("/fail", fail)])
    instrument(app, **settings)
    return app


def test_client_has_its_answer_and_the_error_goes_on(traced: Any, call_asgi: Any) -> None:
    """Starlette's own 500 is sent unchanged, the server gets the error, one trace runs."""
    bare = call_asgi(Starlette(routes=[Route("/fail", fail)]), "/fail")
    answer = call_asgi(shop(), "/fail")
    assert answer.messages == bare.messages
    assert answer.status == 500
    assert traced.errors == [answer.error]
    assert isinstance(answer.error, Boom)
    assert traced.attributes[0]["http.response.status_code"] == "500"
    assert traced.attributes[0]["http.route"] == "/fail"
    assert traced.attributes[0]["bcd.integration"] == "starlette"
    assert "SECRET" not in str(traced.attributes)


def test_leaves_a_request_that_succeeds_alone(traced: Any, call_asgi: Any) -> None:
    """The answer is the same, and nothing is traced."""

    async def view(_: Any) -> Response:
        return PlainTextResponse("tea")

    bare = call_asgi(Starlette(routes=[Route("/", view)]))
    assert call_asgi(shop(Route("/", view))).messages == bare.messages
    assert traced.errors == []


@pytest.mark.parametrize("status", [404, 422, 503])
def test_http_exceptions_are_answers(traced: Any, call_asgi: Any, status: int) -> None:
    """What Starlette turns into an answer never reaches the hook."""

    async def view(_: Any) -> Response:
        raise HTTPException(status)

    assert call_asgi(shop(Route("/", view))).status == status
    assert traced.errors == []


class TestWhere:
    """Errors from everywhere are seen, with the status that the client got."""

    def test_background_task(self, traced: Any, call_asgi: Any) -> None:
        """An error after the response."""

        def pack() -> None:
            raise Boom

        async def view(_: Any) -> Response:
            return PlainTextResponse("tea", 201, background=BackgroundTask(pack))

        answer = call_asgi(shop(Route("/", view)))
        assert (answer.status, answer.body) == (201, b"tea")
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["http.response.status_code"] == "201"

    def test_streamed_body(self, traced: Any, call_asgi: Any) -> None:
        """An error in the middle of a stream, which the server has to see (trap 6)."""

        async def pour() -> Any:
            yield b"te"
            raise Boom

        async def view(_: Any) -> Response:
            return StreamingResponse(pour())

        answer = call_asgi(shop(Route("/", view), reraise=False))
        assert (answer.status, answer.body) == (200, b"te")
        assert traced.attributes[0]["http.response.status_code"] == "200"
        assert answer.error is not None
        assert len(traced.errors) == 1

    def test_middleware(self, traced: Any, call_asgi: Any) -> None:
        """An error of a middleware, and one that passes through a ``BaseHTTPMiddleware``."""

        class Broken(BaseHTTPMiddleware):
            async def dispatch(self, request: Request, call_next: Any) -> Response:
                if request.url.path == "/early":
                    raise Boom("early")
                response: Response = await call_next(request)
                return response

        app = Starlette(routes=[Route("/fail", fail)], middleware=[Middleware(Broken)])
        instrument(app)
        answers = [call_asgi(app, path) for path in ("/early", "/fail")]
        assert [answer.status for answer in answers] == [500, 500]
        assert [str(error) for error in traced.errors] == ["early", "deep"]

    def test_thread(self, traced: Any, call_asgi: Any) -> None:
        """An error of a view that Starlette runs in a thread."""

        def view(_: Any) -> Response:
            raise Boom

        answer = call_asgi(shop(Route("/{name}", view)), "/tea")
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["http.route"] == "/{name}"

    def test_websocket(self, traced: Any, call_asgi: Any) -> None:
        """An error of a websocket."""
        app = shop(WebSocketRoute("/ws/{room}", fail))
        answer = call_asgi(app, "/ws/7", {"type": "websocket.connect"}, type="websocket")
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["http.route"] == "/ws/{room}"

    def test_lifespan(self, traced: Any, call_asgi: Any) -> None:
        """An error while the application starts."""

        def lifespan(_: Starlette) -> Any:
            raise Boom

        app = Starlette(lifespan=lifespan)
        instrument(app)
        answer = call_asgi(app, "", {"type": "lifespan.startup"}, type="lifespan")
        assert traced.errors == [answer.error]


class Odd(BaseRoute):
    """A route of one's own, without path or regular expression."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """It matches always."""
        return Match.FULL, {"endpoint": self.app, "path_params": scope.get("path_params", {})}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the application do it."""
        await self.app(scope, receive, send)


async def fail_raw(*_: Any) -> None:
    """An ASGI application that fails."""
    raise Boom


TENANTS = [
    Mount(
        "/t/{tenant}",
        routes=[
            Route("/cart/{id:int}", fail),
            Mount("/deep", app=Router([Route("/{rest:path}", fail)])),
        ],
    ),
    Mount("/other/{tenant}", routes=[Route("/cart/{id:int}", fail)]),
    Mount("/raw", app=fail_raw),
    Host(
        "{shop}.example",
        app=Router(
            [
                Route("/by-host/{id}", fail),
                Mount("", routes=[Route("/mounted-at-root", fail)]),
            ]
        ),
    ),
]


@pytest.mark.parametrize("old", [False, True], ids=["route in scope", "older Starlette"])
@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/t/SECRET/cart/7", "/t/{tenant}/cart/{id:int}"),
        ("/t/SECRET/deep/a/b", "/t/{tenant}/deep/{rest:path}"),
        ("/other/SECRET/cart/7", "/other/{tenant}/cart/{id:int}"),
        ("/by-host/7", "/by-host/{id}"),
        ("/mounted-at-root", "/mounted-at-root"),
    ],
)
def test_route_is_the_template(
    traced: Any, call_asgi: Any, path: str, template: str, *, old: bool
) -> None:
    """Templates of mounts are put together; their raw values are not told (trap 11)."""
    answer = call_asgi(_forgetting(shop(*TENANTS), "route" if old else None), path)
    assert isinstance(answer.error, Boom)
    assert traced.attributes[0]["http.route"] == template


def _forgetting(app: Starlette, key: str | None) -> Any:
    """The application, whose routers do not note the route, as before 1.0."""
    original = app.middleware_stack or app.build_middleware_stack()
    middleware: Any = original
    inner = middleware.app

    async def forget(scope: Any, receive: Any, send: Any) -> None:
        try:
            await inner(scope, receive, send)
        finally:
            if key is not None:
                scope.pop(key, None)

    middleware.app = forget
    return middleware


@pytest.mark.parametrize("root", ["", "/api"])
def test_route_is_below_the_servers_root(traced: Any, call_asgi: Any, root: str) -> None:
    """The root path of the server is no part of the template."""
    call_asgi(shop(*TENANTS), f"{root}/t/x/cart/7", root_path=root)
    assert traced.attributes[0]["http.route"] == "/t/{tenant}/cart/{id:int}"


def test_route_of_a_mounted_application(traced: Any, call_asgi: Any) -> None:
    """A mount of something that is no router ends the template."""
    call_asgi(shop(*TENANTS), "/raw/SECRET")
    assert traced.attributes[0]["http.route"] == "/raw"


def test_odd_routes_do_not_disturb(traced: Any, call_asgi: Any) -> None:
    """A route without path, an unmatched path and a router in itself give what they can."""
    call_asgi(shop(Odd(fail_raw)), "/x")
    looping = Router([Route("/fail", fail)])
    looping.routes.insert(0, Mount("/x", app=looping))
    call_asgi(shop(Mount("/m", app=looping)), "/m/x/x/fail")
    assert "http.route" not in traced.attributes[0]
    assert traced.attributes[1]["http.route"] == "/m/x/x/fail"


class FakeIncludedRouter(BaseRoute):
    """Keeps a router and its prefix, as FastAPI's ``include_router`` does since 2026."""

    def __init__(self, prefix: str, router: Router) -> None:
        self.original_router = router
        self.include_context = SimpleNamespace(prefix=prefix)
        self._mount = Mount(prefix, app=router)

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """As a mount does."""
        return self._mount.matches(scope)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """As a mount does."""
        await self._mount.handle(scope, receive, send)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_route_of_an_included_router(traced: Any, call_asgi: Any, version: str) -> None:
    """A router that was included twice is told under the prefix of the request (trap 11)."""
    cart = Router([Route("/{id}", fail)])
    items = Router([FakeIncludedRouter("/{shop}/cart", cart)])
    app = shop(*(FakeIncludedRouter(f"/v{number}", items) for number in (1, 2)))
    call_asgi(app, f"/{version}/tea/cart/7")
    assert traced.attributes[0]["http.route"] == f"/{version}/{{shop}}/cart/{{id}}"


def test_plain_middleware_knows_the_route_too(traced: Any, call_asgi: Any) -> None:
    """``add_middleware(BcdMiddleware)`` works, and beside ``instrument`` traces once."""
    app = shop(Mount("/t/{tenant}", routes=[Route("/fail", fail)]))
    app.add_middleware(BcdMiddleware)
    call_asgi(app, "/t/x/fail")
    (attributes,) = traced.attributes
    assert attributes["bcd.integration"] == "asgi"
    assert attributes["http.route"] == "/t/{tenant}/fail"


class TestWithoutReraise:
    def test_keeps_an_answered_error_from_the_server(self, traced: Any, call_asgi: Any) -> None:
        """Starlette answered, bcd traced: the server need not log it as well."""
        answer = call_asgi(shop(reraise=False), "/fail")
        assert (answer.status, answer.error) == (500, None)
        assert traced.attributes[0]["http.response.status_code"] == "500"

    def test_error_handlers_answer_counts(self, traced: Any, call_asgi: Any) -> None:
        """The application's own handler for errors is an answer like Starlette's."""

        async def sorry(_: Any, __: Any) -> Response:
            return PlainTextResponse("sorry", 502)

        app = Starlette(routes=[Route("/fail", fail)], exception_handlers={Exception: sorry})
        instrument(app, reraise=False)
        answer = call_asgi(app, "/fail")
        assert (answer.status, answer.body, answer.error) == (502, b"sorry", None)
        assert traced.attributes[0]["http.response.status_code"] == "502"


class TestInstrument:
    def test_twice_replaces_the_settings(self, traced: Any, call_asgi: Any) -> None:
        """The second call wins, and there is still one trace."""
        app = shop(before_trace=lambda *_: None)
        instrument(app)
        call_asgi(app, "/fail")
        assert len(traced.errors) == 1
        instrument(app, ignore=[Boom])
        call_asgi(app, "/fail")
        assert len(traced.errors) == 1

    def test_works_after_the_application_has_started(self, traced: Any, call_asgi: Any) -> None:
        """The stack that serves already is wrapped as well."""
        app = Starlette(routes=[Route("/fail", fail)])
        call_asgi(app, "/fail")
        instrument(app)
        call_asgi(app, "/fail")
        assert len(traced.errors) == 1

    def test_keeps_what_stood_before(self, traced: Any, call_asgi: Any) -> None:
        """Another tool's replacement of ``build_middleware_stack`` is called, not lost."""
        app = Starlette(routes=[Route("/fail", fail)])
        build, calls = app.build_middleware_stack, []

        def other_tool() -> Any:
            calls.append("called")
            return build()

        app.build_middleware_stack = other_tool  # type: ignore[method-assign]  # as tools do
        instrument(app)
        call_asgi(app, "/fail")
        assert calls == ["called"]
        assert len(traced.errors) == 1
