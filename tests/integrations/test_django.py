"""``bcd.integrations.django``: the signal, the middleware, and what stands around them."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper, setup_testing_defaults

import django
import pytest
from django.conf import settings
from django.core import exceptions
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception, request_finished, request_started
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path, re_path

from bcd.integrations import asgi, wsgi
from bcd.integrations.django import setup, setup_for_all
from bcd.integrations.django._around import HANDLERS, SIGNALS
from bcd.integrations.django._errors import Errors, request_failed
from bcd.integrations.logging import BcdHandler
from bcd.scope import own_attributes
from bcd.scope.attributes import set_attribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

if not settings.configured:
    settings.configure(INSTALLED_APPS=[], DATABASES={}, ALLOWED_HOSTS=["*"])
    django.setup()
settings.SECRET_KEY = "sesame"  # noqa: S105 - none; Django's page for developers asks for it

MIDDLEWARE = "bcd.integrations.django.BcdMiddleware"


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


# ------------------------------------------------------------------------------ a small project


def fail(_: Any, **__: Any) -> HttpResponse:
    """A view that fails."""
    raise Boom("deep")


async def fail_async(_: Any, **__: Any) -> HttpResponse:
    """An asynchronous view that fails."""
    await asyncio.sleep(0)
    raise Boom("deep")


def log(_: Any, how: str) -> HttpResponse:
    """A view that logs an error, and may raise it too."""
    try:
        return fail(None)
    except Boom:
        logging.getLogger(__name__).exception("no tea")
        if how == "raised":
            raise
    return HttpResponse("sorry")


def say(request: Any, item: str, rest: str) -> HttpResponse:
    """A view that sets an attribute, and goes on as another."""
    set_attribute("item", item)
    views = {str(route.pattern): route.callback for route in Urls.urlpatterns}
    answer: HttpResponse = views.get(rest, fail)(request)
    return answer


async def wait(_: Any) -> HttpResponse:
    """A view that never answers."""
    await asyncio.Event().wait()
    raise Boom("never")


def work(_: Any) -> HttpResponse:
    """A view that works."""
    return HttpResponse("tea", headers={"X-Shop": "tea"})


def refuse(_: Any, kind: str) -> HttpResponse:
    """A view that answers by an error."""
    raise REFUSALS[kind]


def refuse_half(_: Any, kind: str) -> StreamingHttpResponse:
    """A view whose body does."""

    def body() -> Iterator[bytes]:
        yield b"te"
        raise REFUSALS[kind]

    return StreamingHttpResponse(body())


REFUSALS = {
    "404": Http404("no tea"),
    "403": exceptions.PermissionDenied("no tea"),
    "400": exceptions.BadRequest("no tea"),
    "400, suspicious": exceptions.SuspiciousOperation("no tea"),
    "400, too big": exceptions.RequestDataTooBig("no tea"),
}


def pour(*parts: bytes) -> Iterator[bytes]:
    """A body that fails half-way."""
    yield from parts
    raise Boom("half")


async def pour_async(*parts: bytes) -> AsyncIterator[bytes]:
    """The same as an asynchronous iterator."""
    for part in parts:
        yield part
    raise Boom("half")


class BrokenFile(io.BytesIO):
    """A file that cannot be read."""

    def read(self, _: int | None = -1) -> bytes:
        """Fail."""
        raise Boom("half")


class BrokenTemplate(SimpleTemplateResponse):
    """A response that fails when it is rendered, after the view."""

    @property
    def rendered_content(self) -> str:
        """Fail."""
        raise Boom("deep")


class Urls:
    """The routes."""

    urlpatterns = (
        path("work", work),
        path("refuse/<kind>", refuse),
        path("refuse-half/<kind>", refuse_half),
        path("t/<tenant>/", include([path("cart/<int:number>", fail)])),
        path("async/<name>", fail_async),
        re_path(r"^any/(?P<rest>.*)$", fail),
        path("template", lambda _: BrokenTemplate("none")),
        path("none", lambda _: None),
        path("half", lambda _: StreamingHttpResponse(pour(b"te"), status=201)),
        path("half-async", lambda _: StreamingHttpResponse(pour_async(b"te"), status=201)),
        path("form", lambda request: HttpResponse(request.POST["tea"])),
        path("wait", wait),
        path("logs/<how>", log),
        path("said/<item>/<rest>", say),
        path("file", lambda _: FileResponse(io.BytesIO(b"tea"))),
        path("broken-file", lambda _: FileResponse(BrokenFile())),
    )


class UrlsWithBrokenPage(Urls):
    """The same, and the page for errors fails too."""

    @staticmethod
    def handler500(_: Any) -> HttpResponse:
        """Fail."""
        raise ValueError("no page")


class Passing:
    """A middleware that lets requests pass, and fails on the way in or out."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Fail as the path says."""
        if request.GET.get("fail") == f"{type(self).__name__}-in":
            raise Boom("in")
        response = self.get_response(request)
        if request.GET.get("fail") == f"{type(self).__name__}-out":
            raise Boom("out")
        return response


class Outer(Passing):
    """The first of them."""


class Inner(Passing):
    """The last of them."""


class Answering(Passing):
    """A middleware that answers errors of views."""

    def process_exception(self, _: Any, error: Exception) -> HttpResponse:
        """Answer."""
        return HttpResponse(f"sorry: {error}", status=503)


def named(*middlewares: type) -> list[str]:
    """Their names."""
    return [f"{one.__module__}.{one.__qualname__}" for one in middlewares]


# ------------------------------------------------------------------------------ what tests share


@pytest.fixture(autouse=True)
def _project() -> Iterator[None]:
    """The project without bcd; whatever a test installs is gone afterwards."""
    with override_settings(ROOT_URLCONF=Urls, MIDDLEWARE=[], ALLOWED_HOSTS=["*"]):
        yield
    while (capture := Errors.captures.newest) is not None:
        for point in SIGNALS + HANDLERS:
            point.remove(capture)
        Errors.captures.remove(capture)
    got_request_exception.disconnect(request_failed)


HOOKS: dict[str, tuple[list[str], bool]] = {
    "the middleware first": ([MIDDLEWARE, *named(Outer, Inner)], False),
    "the middleware last": ([*named(Outer, Inner), MIDDLEWARE], False),
    "setup": (named(Outer, Inner), True),
    "all": ([MIDDLEWARE, *named(Outer), MIDDLEWARE, *named(Inner), MIDDLEWARE], True),
}


@pytest.fixture(params=HOOKS)
def hooked(request: pytest.FixtureRequest, traced: Any) -> Iterator[Any]:  # noqa: ARG001 - first
    """The project with each of the hooks, and with all of them."""
    middleware, is_set_up = HOOKS[request.param]
    if is_set_up:
        setup()
    with override_settings(MIDDLEWARE=middleware):
        yield request.param


@pytest.fixture(params=["WSGI", "ASGI"])
def get(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Send a request to the project."""
    if request.param == "WSGI":
        return Client(raise_request_exception=False).get
    client = AsyncClient(raise_request_exception=False)
    return lambda where: asyncio.run(client.get(where))


def serve_wsgi(app: Any, where: str, **environ: Any) -> bytes:
    """Serve one request as a server does: call, iterate, close."""
    environ |= {"PATH_INFO": where, "QUERY_STRING": "key=SECRET", "HTTP_COOKIE": "SECRET"}
    setup_testing_defaults(environ)
    sent = b""
    body = app(environ, lambda *_: None)
    try:
        for chunk in body:
            sent += chunk
    except Boom as error:
        error.add_note(sent.decode())
        raise
    finally:
        body.close()
    return sent


class Handler(ASGIHandler):  # type: ignore[misc]  # Django has no types
    """Django's, whose file of the request's body stays open when an error leaves it."""

    async def read_body(self, receive: Any) -> io.BytesIO:
        """Read it, and keep nothing."""
        await receive()
        return io.BytesIO()


def connect(signal: Any, receiver: Any, request: pytest.FixtureRequest) -> None:
    """Connect a receiver for the time of a test."""
    signal.connect(receiver, weak=False)
    request.addfinalizer(partial(signal.disconnect, receiver))


# ------------------------------------------------------------------------------ the tests


class TestWhere:
    """Errors from everywhere are seen, once, and Django answers as ever."""

    @pytest.mark.parametrize(
        ("where", "route"),
        [
            ("/t/SECRET/cart/7?key=SECRET", "t/<tenant>/cart/<int:number>"),
            ("/async/tea", "async/<name>"),
        ],
    )
    @pytest.mark.usefixtures("hooked")
    def test_view(self, traced: Any, get: Any, where: str, route: str) -> None:
        """A view, of either kind, under either server."""
        answer = get(where)
        assert (answer.status_code, b"Server Error (500)" in answer.content) == (500, True)
        (attributes,) = traced.attributes
        assert attributes["http.route"] == route
        assert attributes["http.request.method"] == "GET"
        assert attributes["url.path"] == where.partition("?")[0]
        assert attributes["bcd.integration"] == "django"
        assert attributes["exception.type"] == f"{__name__}.Boom"
        assert "http.response.status_code" not in attributes
        del attributes["url.path"]
        assert "SECRET" not in str(attributes)

    @pytest.mark.parametrize("where", ["Outer-in", "Outer-out", "Inner-in", "Inner-out"])
    @pytest.mark.usefixtures("hooked")
    def test_middleware(self, traced: Any, get: Any, where: str) -> None:
        """A middleware, wherever it stands, before and after the view."""
        assert get(f"/work?fail={where}").status_code == 500
        (error,) = traced.errors
        assert str(error) == where.partition("-")[2]
        route = traced.attributes[0].get("http.route")
        assert route == ("work" if where.endswith("out") else None)

    @pytest.mark.parametrize(("where", "kind"), [("/template", "Boom"), ("/none", "ValueError")])
    @pytest.mark.usefixtures("hooked")
    def test_after_the_view(self, traced: Any, get: Any, where: str, kind: str) -> None:
        """A template that fails, and a view that returns nothing."""
        assert get(where).status_code == 500
        assert [type(error).__name__ for error in traced.errors] == [kind]

    @pytest.mark.usefixtures("hooked")
    def test_body(self, traced: Any) -> None:
        """An iterator that fails half-way, which the server has to see (trap 6)."""
        with pytest.raises(Boom) as caught:
            serve_wsgi(WSGIHandler(), "/half")
        assert caught.value.__notes__ == ["te"]
        assert traced.errors == [caught.value]
        (attributes,) = traced.attributes
        assert attributes["http.response.status_code"] == "201"
        assert attributes["http.route"] == "half"
        assert "SECRET" not in str(attributes)

    @pytest.mark.usefixtures("hooked")
    def test_body_in_loop(self, traced: Any, call_asgi: Any) -> None:
        """The same for an asynchronous iterator."""
        answer = call_asgi(Handler(), "/half-async")
        assert (answer.status, answer.body) == (201, b"te")
        assert traced.errors == [answer.error]
        assert isinstance(answer.error, Boom)
        assert traced.attributes[0]["http.response.status_code"] == "201"
        assert traced.attributes[0]["http.route"] == "half-async"

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
    @pytest.mark.usefixtures("hooked")
    def test_body_of_the_other_kind(self, traced: Any, call_asgi: Any) -> None:
        """An iterator that Django has to convert for the server."""
        with pytest.raises(Boom):
            serve_wsgi(WSGIHandler(), "/half-async")
        assert isinstance(call_asgi(Handler(), "/half").error, Boom)
        assert len(traced.errors) == 2

    @pytest.mark.usefixtures("hooked")
    def test_file(self, traced: Any, call_asgi: Any) -> None:
        """A file is read by us unless the server sends it in its own way (trap 5)."""
        made: list[FileWrapper] = []

        def wrap(file: Any, size: int = 8192) -> FileWrapper:
            made.append(FileWrapper(file, size))
            return made[-1]

        assert serve_wsgi(WSGIHandler(), "/file", **{"wsgi.file_wrapper": wrap}) == b"tea"
        assert len(made) == 1
        assert serve_wsgi(WSGIHandler(), "/file") == b"tea"
        assert traced.errors == []
        with pytest.raises(Boom):
            serve_wsgi(WSGIHandler(), "/broken-file")
        assert len(traced.errors) == 1
        with pytest.warns(Warning, match="consume synchronous iterators"):
            answer = call_asgi(Handler(), "/broken-file")
        assert traced.errors[1:] == [answer.error]

    @pytest.mark.parametrize("signal", ["request_started", "request_finished"])
    @pytest.mark.usefixtures("hooked")
    def test_receiver(
        self, traced: Any, call_asgi: Any, request: pytest.FixtureRequest, signal: str
    ) -> None:
        """A receiver that fails around the request, which the server has to see; once."""

        def broken(**_: Any) -> None:
            raise Boom

        connect({"request_started": request_started}.get(signal, request_finished), broken, request)
        for app in (WSGIHandler(), wsgi.BcdMiddleware(WSGIHandler())):
            with pytest.raises(Boom):
                serve_wsgi(app, "/work")
        for app in (Handler(), asgi.BcdMiddleware(Handler())):
            assert isinstance(call_asgi(app, "/work").error, Boom)
        assert len(traced.errors) == 4
        assert {found["bcd.hook"] for found in traced.attributes} == {signal}

    @pytest.mark.usefixtures("hooked")
    def test_page_for_errors(self, traced: Any) -> None:
        """A page for errors that fails is an error more, the first stays the first."""
        broken = override_settings(ROOT_URLCONF=UrlsWithBrokenPage)
        with broken, pytest.raises(ValueError, match="no page"):
            serve_wsgi(WSGIHandler(), "/any/thing")
        assert isinstance(traced.errors[0], Boom)
        assert {str(error) for error in traced.errors[1:]} <= {"no page"}


class TestExpected:
    @pytest.mark.parametrize("kind", REFUSALS)
    def test_errors_below_500(self, traced: Any, get: Any, kind: str) -> None:
        """What Django answers with a status below 500, raised by a view or by a body."""
        setup()
        assert get(f"/refuse/{kind}").status_code == int(kind[:3])
        assert get("/nowhere").status_code == 404
        with pytest.raises(type(REFUSALS[kind])):
            serve_wsgi(WSGIHandler(), f"/refuse-half/{kind}")
        assert traced.errors == []

    def test_body_that_the_client_did_not_send(self, traced: Any) -> None:
        """A client that goes away while Django reads its form."""

        class Gone:
            def read(self, *_: int) -> bytes:
                raise OSError("gone")

            readline = read

        setup()
        form = {"CONTENT_LENGTH": "100", "CONTENT_TYPE": "application/x-www-form-urlencoded"}
        environ = {"REQUEST_METHOD": "POST", "wsgi.input": Gone(), **form}
        assert b"500" in serve_wsgi(WSGIHandler(), "/form", **environ)
        assert traced.errors == []

    def test_handled_by_a_middleware(self, traced: Any, get: Any) -> None:
        """An error that ``process_exception`` answers."""
        with override_settings(MIDDLEWARE=[MIDDLEWARE, *named(Answering)]):
            for where in ("/any/thing", "/async/tea", "/template"):
                answer = get(where)
                assert (answer.status_code, answer.content) == (503, b"sorry: deep")
        assert traced.errors == []

    @pytest.mark.parametrize(("status", "traces"), [(409, 0), (503, 0), (None, 1)])
    def test_handled_by_a_view(
        self, traced: Any, get: Any, status: int | None, traces: int
    ) -> None:
        """REST framework: what its handler answers is handled, the rest goes on to Django."""
        from rest_framework.exceptions import APIException  # reads the settings
        from rest_framework.views import APIView

        class Cart(APIView):  # type: ignore[misc]  # has no types
            authentication_classes = permission_classes = ()

            def get(self, _: Any) -> HttpResponse:
                error = Boom() if status is None else APIException()
                error.status_code = status  # type: ignore[union-attr]  # of the second one
                raise error

        class Rest:
            urlpatterns = (path("cart", Cart.as_view()),)

        setup()
        anonymous = {"UNAUTHENTICATED_USER": None}
        with override_settings(ROOT_URLCONF=Rest, REST_FRAMEWORK=anonymous):
            assert get("/cart").status_code == (status or 500)
        assert len(traced.errors) == traces

    def test_client_that_leaves(self, traced: Any, call_asgi: Any) -> None:
        """A request that is cancelled because its client went away."""
        gone = {"type": "http.disconnect"}
        body = {"type": "http.request", "body": b""}
        setup()
        assert call_asgi(ASGIHandler(), "/wait", gone).error is None
        if django.VERSION >= (5,):  # before, the view goes on
            assert call_asgi(ASGIHandler(), "/wait", body, gone).error is None
        assert traced.errors == []


class TestUnchanged:
    """What Django does with the error is what it does without bcd."""

    @pytest.mark.parametrize("wants", [[], ["set_attribute"]])
    def test_page_of_debug(
        self, traced: Any, get: Any, wanted: list[str], wants: list[str]
    ) -> None:
        """The page with the traceback, its variables too."""

        def page() -> str:
            text = get("/any/thing").content.decode()
            return re.sub(r"0x[0-9a-f]+|\d\d:\d\d:\d\d|\d{9,}|Task-\d+", "…", text)

        with override_settings(DEBUG=True):
            bare = page()
            wanted += wants
            setup()
            assert page() == bare
        assert "Boom" in bare
        assert len(traced.errors) == 1

    @pytest.mark.parametrize("where", ["/any/thing", "/async/tea"])
    def test_error_in_the_test_client(self, traced: Any, where: str) -> None:
        """The client of tests raises the view's own error, which is traced once."""
        with override_settings(MIDDLEWARE=[MIDDLEWARE]):
            for get in (Client().get, lambda where: asyncio.run(AsyncClient().get(where))):
                with pytest.raises(Boom) as caught:
                    get(where)
                assert caught.value.__context__ is None
                assert traced.errors.pop() is caught.value
        assert traced.errors == []

    @pytest.mark.parametrize("outside", [True, False])
    def test_error_that_propagates(self, traced: Any, *, outside: bool) -> None:
        """``DEBUG_PROPAGATE_EXCEPTIONS``: each middleware sees it, it is traced once."""
        middleware = [MIDDLEWARE, *named(Outer), MIDDLEWARE]
        setup()
        with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True, MIDDLEWARE=middleware):
            app = wsgi.BcdMiddleware(WSGIHandler()) if outside else WSGIHandler()
            with pytest.raises(Boom) as caught:
                serve_wsgi(app, "/any/thing")
        assert traced.errors == [caught.value]

    def test_half_a_body(self, traced: Any, call_asgi: Any) -> None:
        """With wrappers around Django too, an error of a body is traced once."""
        setup()
        with override_settings(MIDDLEWARE=[MIDDLEWARE]):
            with pytest.raises(Boom):
                serve_wsgi(wsgi.BcdMiddleware(WSGIHandler()), "/half")
            call_asgi(asgi.BcdMiddleware(Handler()), "/half-async")
        assert len(traced.errors) == 2

    def test_body_of_a_class_of_its_own(
        self, traced: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A response that cannot be watched is sent as it is, and one line says so."""

        class Own(StreamingHttpResponse):  # type: ignore[misc]  # Django has no types
            streaming_content = property(lambda _: [b"tea"], lambda *_: None)

            def __iter__(self) -> Iterator[bytes]:
                return iter([b"tea"])

            is_async = property(lambda _: 1 / 0)

        class Owns:
            urlpatterns = (path("own", lambda _: Own()),)

        setup()
        with override_settings(ROOT_URLCONF=Owns):
            assert serve_wsgi(WSGIHandler(), "/own") == b"tea"
        assert "a body could not be watched: ZeroDivisionError" in capsys.readouterr().err
        assert traced.errors == []

    def test_body_that_is_dropped(self, traced: Any) -> None:
        """The view's iterator is closed as ever when the client leaves (trap 5)."""
        closed: list[str] = []

        def body() -> Iterator[bytes]:
            try:
                yield b"te"
                yield b"a"
            finally:
                closed.append("closed")

        class Drops:
            urlpatterns = (path("drop", lambda _: StreamingHttpResponse(body())),)

        setup()
        with override_settings(ROOT_URLCONF=Drops):
            environ: dict[str, Any] = {"PATH_INFO": "/drop"}
            setup_testing_defaults(environ)
            response = WSGIHandler()(environ, lambda *_: None)
            assert next(iter(response)) == b"te"
            response.close()
        assert closed == ["closed"]
        assert traced.errors == []


@pytest.mark.usefixtures("hooked")
class TestAttributes:
    """What the program says by ``set_attribute`` is told with its request, and with no other."""

    @pytest.fixture(autouse=True)
    def _wanted(self, wanted: list[str]) -> None:
        wanted.append("set_attribute")

    def test_of_a_view(self, traced: Any, get: Any) -> None:
        """The first request says so and fails, the second one does not, the third fails."""
        for where in ("/said/tea/fail", "/said/mate/work", "/any/thing"):
            get(where)
        assert [found.get("item") for found in traced.attributes] == ["tea", None]
        assert own_attributes() == {}

    def test_of_a_body(self, traced: Any, call_asgi: Any) -> None:
        """It holds to the end of the body, from the view and from the body itself."""
        with pytest.raises(Boom):
            serve_wsgi(WSGIHandler(), "/said/tea/half")
        call_asgi(Handler(), "/said/tea/half-async")
        assert [found["item"] for found in traced.attributes] == ["tea", "tea"]
        assert own_attributes() == {}

    @pytest.mark.parametrize("where", ["/said/tea/half", "/said/tea/file"])
    def test_of_a_body_that_is_not_sent(self, traced: Any, where: str) -> None:
        """HEAD: the server closes the response at once, and the next request has nothing."""
        environ: dict[str, Any] = {"PATH_INFO": where, "wsgi.file_wrapper": FileWrapper}
        setup_testing_defaults(environ)
        WSGIHandler()(environ, lambda *_: None).close()
        assert own_attributes() == {}
        assert traced.errors == []

    def test_with_hooks_outside(self, traced: Any, call_asgi: Any) -> None:
        """A hook around Django has it as well."""
        with pytest.raises(Boom):
            serve_wsgi(wsgi.BcdMiddleware(WSGIHandler()), "/said/tea/half")
        call_asgi(asgi.BcdMiddleware(Handler()), "/said/tea/half-async")
        assert [found["item"] for found in traced.attributes] == ["tea", "tea"]
        assert own_attributes() == {}


@pytest.fixture
def handler() -> Iterator[BcdHandler]:
    """All that is logged leads to bcd too."""
    made = BcdHandler()
    logging.getLogger().addHandler(made)
    yield made
    logging.getLogger().removeHandler(made)


class TestLogged:
    """With ``BcdHandler`` too, to which the logger ``django.request`` leads."""

    @pytest.mark.parametrize("where", ["/any/thing", "/async/tea", "/work?fail=Outer-out"])
    @pytest.mark.usefixtures("hooked", "handler")
    def test_error_is_traced_once(self, traced: Any, get: Any, where: str) -> None:
        """Django logs what it has answered, after it told by its signal."""
        assert get(where).status_code == 500
        assert [found["bcd.integration"] for found in traced.attributes] == ["django"]

    @pytest.mark.parametrize("kind", REFUSALS)
    @pytest.mark.usefixtures("handler")
    def test_expected_error_is_not_traced(self, traced: Any, get: Any, kind: str) -> None:
        """Django logs suspicious requests as errors, with the exception."""
        setup()
        assert get(f"/refuse/{kind}").status_code == int(kind[:3])
        assert traced.errors == []

    @pytest.mark.parametrize("where", ["/logs/handled", "/logs/raised"])
    @pytest.mark.usefixtures("hooked", "handler")
    def test_error_that_a_view_logs(self, traced: Any, get: Any, where: str) -> None:
        """Where it is logged; once if it is raised as well."""
        assert get(where).status_code == (500 if "raised" in where else 200)
        (attributes,) = traced.attributes
        assert attributes["bcd.integration"] == "logging"
        assert attributes["log.message"] == "no tea"

    @pytest.mark.usefixtures("hooked", "handler")
    def test_error_that_a_view_logs_has_its_request(self, traced: Any) -> None:
        """What is known of the request is there, where it is served by the thread that logs."""
        Client().get("/logs/handled?key=SECRET")
        (attributes,) = traced.attributes
        assert attributes["http.request.method"] == "GET"
        assert attributes["http.route"] == "logs/<how>"
        assert "SECRET" not in str(attributes)


class TestPath:
    @pytest.mark.parametrize("where", ["/any/%00%ff", "/any/%ed%a0%80", "/any/" + "x" * 50_000])
    def test_survives_bad_bytes(self, traced: Any, get: Any, where: str) -> None:
        """Bytes that are no text and endless paths reach the tracer as clean text (trap 8)."""
        setup()
        assert get(where).status_code == 500
        (attributes,) = traced.attributes
        assert attributes["http.route"] == "^any/(?P<rest>.*)$"
        assert attributes["url.path"].startswith("/any/")
        assert "\x00" not in attributes["url.path"]
        assert len(attributes["url.path"].encode()) <= 1024


class TestHook:
    def test_is_held(self, traced: Any, get: Any) -> None:
        """Nobody keeps what ``setup`` returned, and the signal still reaches it (trap 7)."""
        setup()
        gc.collect()
        get("/any/thing")
        assert len(traced.errors) == 1

    def test_never_replaces_the_users_error(
        self, traced: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A receiver that fails would; this one says a line instead (trap 7)."""
        traced.failure = RuntimeError("bcd is broken")
        setup()
        with pytest.raises(Boom) as caught:
            Client().get("/any/thing")
        assert caught.value.__context__ is None
        assert "bcd is broken" in capsys.readouterr().err

    def test_takes_the_settings_of_setup(self, traced: Any, get: Any) -> None:
        """The middleware goes by them, whichever comes first."""
        with override_settings(MIDDLEWARE=[MIDDLEWARE]):
            get("/any/thing")
            handle = setup(ignore=[Boom])
            get("/any/thing")
            assert len(traced.errors) == 1
            handle.uninstall()
            get("/any/thing")
            assert len(traced.errors) == 2

    def test_of_setup_holds_over_bcd_init(self, traced: Any, get: Any) -> None:
        """What the program sets up itself keeps its settings, and goes on when ``init`` stops."""
        handle = setup(ignore=[Boom])
        for_all = setup_for_all()
        get("/any/thing")
        assert traced.errors == []
        handle.uninstall()
        get("/any/thing")
        assert len(traced.errors) == 1
        with override_settings(MIDDLEWARE=[MIDDLEWARE]):
            client = Client(raise_request_exception=False)
            client.get("/work")
            for_all.uninstall()
            client.get("/any/thing")
        assert len(traced.errors) == 2

    def test_of_setup_goes_without_a_trace(self, traced: Any, get: Any) -> None:
        """Uninstalled, twice even, it restores what stood before, and sees nothing."""
        before = [vars(point.owner).get(point.name) for point in SIGNALS + HANDLERS]
        first, second = setup(), setup()
        for handle in (first, second, second):
            handle.uninstall()
        assert [vars(point.owner).get(point.name) for point in SIGNALS + HANDLERS] == before
        assert not got_request_exception.has_listeners()
        get("/any/thing")
        assert traced.errors == []

    def test_works_for_a_handler_that_is_there(self, traced: Any) -> None:
        """``setup`` after the application was made, as with ``bcd.init()`` at its end."""
        app = WSGIHandler()
        setup()
        with pytest.raises(Boom):
            serve_wsgi(app, "/half")
        serve_wsgi(app, "/any/thing")
        assert len(traced.errors) == 2

    def test_works_for_a_signal_without_a_request(self, traced: Any) -> None:
        """Somebody sends the signal by hand: no request, or no error, and no failure."""
        setup()
        got_request_exception.send(sender=None)
        assert traced.errors == []
        for request in (None, HttpRequest()):
            try:
                fail(request)
            except Boom:
                got_request_exception.send(sender=None, request=request)
        assert len(traced.errors) == 2

    def test_sees_the_same_error_in_the_next_request(self, traced: Any, get: Any) -> None:
        """One object that two requests raise is two errors."""
        error = Boom("the same object each time")

        def view(_: Any) -> HttpResponse:
            raise error

        class Same:
            urlpatterns = (path("same", view),)

        setup()
        with override_settings(ROOT_URLCONF=Same, MIDDLEWARE=[MIDDLEWARE]):
            get("/same")
            get("/same")
        assert traced.errors == [error, error]
