"""Integrations that are switched on for the whole process, with no change to the applications."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import flask
import pytest
from fastapi import FastAPI
from gunicorn.workers.base import Worker
from gunicorn.workers.sync import SyncWorker
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from uvicorn.config import Config

import bcd.integrations.flask
import bcd.integrations.gunicorn
import bcd.integrations.starlette
import bcd.integrations.uvicorn
from bcd.integrations import asgi, automatic, wsgi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from starlette.responses import PlainTextResponse


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


async def fail(_: Any) -> PlainTextResponse:
    """A view that fails."""
    raise Boom("deep")


def fail_in_flask() -> str:
    """The same."""
    raise Boom("deep")


def starlette_app() -> Starlette:
    """An application that fails."""
    return Starlette(routes=[Route("/fail", fail)])


def flask_app() -> flask.Flask:
    """The same."""
    app = flask.Flask("shop")
    app.logger.disabled = True
    app.add_url_rule("/fail", "fail", fail_in_flask)
    app.add_url_rule("/stream", "stream", lambda: flask.Response(failing_body()))
    return app


def failing_body() -> Iterator[bytes]:
    """A body that fails half-way."""
    yield b"te"
    raise Boom("half")


async def raw_asgi(_: Any, __: Any, ___: Any) -> None:
    """An application without a framework."""
    raise Boom("raw")


def raw_wsgi(_: Any, __: Any) -> Iterable[bytes]:
    """The same."""
    raise Boom("raw")


def call_wsgi(app: Any, path: str) -> BaseException | None:
    """Serve a request as a server does; returns what reached the server."""
    from wsgiref.util import setup_testing_defaults  # here alone

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ["PATH_INFO"] = path
    try:
        body = app(environ, lambda *_: None)
        list(body)
    except BaseException as error:  # noqa: BLE001 - whatever reaches the server
        return error
    return None


_ANY = 0  # blinker's key of receivers for all senders


def standing() -> list[object]:
    """What stands where integrations put something."""
    return [
        Starlette.__call__,
        flask.Flask.__call__,
        Config.load,
        Worker.load_wsgi,
        [of_all for of_all, sender in flask.got_request_exception.receivers if sender == _ANY],
    ]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Everything stands as before when a test is over."""
    before = standing()
    yield
    assert standing() == before


@pytest.fixture
def switched_on(traced: Any) -> Iterator[Callable[..., None]]:
    """Switches integrations on until the test is over."""
    handles = []
    del traced

    def switch_on(*names: str) -> None:
        handles.append(automatic.switch_on(names))

    yield switch_on
    for handle in handles:
        handle.uninstall()
        handle.uninstall()


class TestStarlette:
    """Of all applications, whenever they were made."""

    @pytest.mark.parametrize("kind", [Starlette, FastAPI])
    @pytest.mark.parametrize("late", [True, False])
    def test_every_application(
        self, traced: Any, switched_on: Any, call_asgi: Any, kind: Any, *, late: bool
    ) -> None:
        """Made before or after, serving already or not; the answer is the framework's own."""
        app = kind(routes=[Route("/fail", fail)])
        bare = call_asgi(app, "/fail")
        switched_on("starlette")
        if late:
            app = kind(routes=[Route("/fail", fail)])
        answer = call_asgi(app, "/fail")
        assert answer.messages == bare.messages
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["bcd.integration"] == "starlette"
        assert traced.attributes[0]["http.route"] == "/fail"
        assert traced.attributes[0]["http.response.status_code"] == "500"

    def test_mounted_in_each_other(self, traced: Any, switched_on: Any, call_asgi: Any) -> None:
        """The error goes through both, and is traced once with the whole route."""
        switched_on("starlette")
        app = Starlette(routes=[Mount("/t/{tenant}", app=starlette_app())])
        assert isinstance(call_asgi(app, "/t/x/fail").error, Boom)
        (found,) = traced.attributes
        assert found["http.route"] == "/t/{tenant}/fail"

    @pytest.mark.parametrize("outside", [True, False])
    def test_a_hook_of_its_own_keeps_its_settings(
        self, traced: Any, switched_on: Any, call_asgi: Any, *, outside: bool
    ) -> None:
        """Whether it stands further in or further out: one snapshot, edited as it says."""
        switched_on("starlette", "uvicorn")
        edited = {"before_trace": lambda _, found: {**found, "by": "hand"}}
        if outside:
            app: Any = asgi.BcdMiddleware(starlette_app(), **edited)  # type: ignore[arg-type]  # any
        else:
            app = Starlette(
                routes=[Route("/fail", fail)],
                middleware=[Middleware(asgi.BcdMiddleware, **edited)],  # type: ignore[arg-type]  # any
            )
        assert isinstance(call_asgi(loaded(app), "/fail").error, Boom)
        (found,) = traced.attributes
        assert found["by"] == "hand"

    def test_instrumented_too(self, traced: Any, switched_on: Any, call_asgi: Any) -> None:
        """The same by ``instrument``."""
        switched_on("starlette")
        app = starlette_app()
        bcd.integrations.starlette.instrument(app, ignore=[Boom])
        call_asgi(app, "/fail")
        assert [found["bcd.integration"] for found in traced.attributes] == ["starlette"]


def loaded(app: Any) -> Any:
    """The application as uvicorn serves it."""
    config = Config(app, proxy_headers=False, lifespan="off")
    config.load()
    return config.loaded_app


class TestFlask:
    """Of all applications, whenever they were made."""

    @pytest.mark.parametrize("path", ["/fail", "/stream"])
    @pytest.mark.parametrize("late", [True, False])
    def test_every_application(
        self, traced: Any, switched_on: Any, path: str, *, late: bool
    ) -> None:
        """What Flask answers itself, and what it does not."""
        app = flask_app()
        call_wsgi(app, path)
        switched_on("flask")
        app = flask_app() if late else app
        error = call_wsgi(app, path)
        assert isinstance(traced.errors[0], Boom)
        assert error is (traced.errors[0] if path == "/stream" else None)
        assert [found["http.route"] for found in traced.attributes] == [path]
        assert traced.attributes[0]["bcd.integration"] == "flask"

    @pytest.mark.parametrize("path", ["/fail", "/stream"])
    @pytest.mark.parametrize("first", [True, False])
    def test_a_hook_of_its_own_keeps_its_settings(
        self, traced: Any, switched_on: Any, path: str, *, first: bool
    ) -> None:
        """One snapshot, edited as it says."""
        app = flask_app()
        if first:
            bcd.integrations.flask.Bcd(app, before_trace=lambda _, found: {**found, "by": "hand"})
        switched_on("flask")
        if not first:
            bcd.integrations.flask.Bcd(app, before_trace=lambda _, found: {**found, "by": "hand"})
        call_wsgi(app, path)
        (found,) = traced.attributes
        assert found["by"] == "hand"

    def test_a_middleware_around_it_keeps_its_settings(self, traced: Any, switched_on: Any) -> None:
        """Of what reaches it."""
        switched_on("flask")
        app = wsgi.BcdMiddleware(flask_app(), before_trace=lambda _, found: {**found, "by": "hand"})
        call_wsgi(app, "/stream")
        (found,) = traced.attributes
        assert found["by"] == "hand"

    def test_again_and_again(self, traced: Any, switched_on: Any) -> None:
        """The newest alone traces, and nothing once all are uninstalled."""
        app = flask_app()
        for _ in range(2):
            switched_on("flask")
            switched_on("flask")
        call_wsgi(app, "/fail")
        assert len(traced.errors) == 1
        handle = bcd.integrations.flask.setup(ignore=[Boom])
        call_wsgi(app, "/fail")
        call_wsgi(app, "/stream")
        handle.uninstall()
        assert len(traced.errors) == 1
        call_wsgi(app, "/stream")
        assert len(traced.errors) == 2


class TestServers:
    """Applications without a framework that is known."""

    def test_uvicorn(self, traced: Any, switched_on: Any, call_asgi: Any) -> None:
        """Whatever it loads."""
        switched_on("uvicorn")
        answer = call_asgi(loaded(raw_asgi), "/pay")
        assert traced.errors == [answer.error]
        assert traced.attributes[0]["bcd.integration"] == "asgi"
        assert traced.attributes[0]["url.path"] == "/pay"

    def test_uvicorn_with_a_framework(self, traced: Any, switched_on: Any, call_asgi: Any) -> None:
        """That one's hook knows more, and comes first."""
        switched_on("uvicorn", "starlette")
        call_asgi(loaded(starlette_app()), "/fail")
        assert [found["http.route"] for found in traced.attributes] == ["/fail"]

    @pytest.mark.parametrize("kind", [SyncWorker, type("Own", (SyncWorker,), {})])
    def test_gunicorn(self, traced: Any, switched_on: Any, kind: type[Any]) -> None:
        """Whatever a worker for WSGI loads."""
        switched_on("gunicorn")
        error = call_wsgi(loaded_by(kind, raw_wsgi).wsgi, "/pay")
        assert traced.errors == [error]
        assert traced.attributes[0]["bcd.integration"] == "wsgi"

    def test_gunicorn_with_workers_of_others(self, switched_on: Any) -> None:
        """What they serve need not be WSGI, and is left alone."""
        switched_on("gunicorn")
        other = type("UvicornWorker", (Worker,), {"__module__": "uvicorn_worker"})
        assert loaded_by(other, raw_asgi).wsgi is raw_asgi

    def test_switched_off_while_it_serves(self, traced: Any, call_asgi: Any) -> None:
        """What was loaded only passes on."""
        handle = automatic.switch_on(["uvicorn", "gunicorn"])
        app, worker = loaded(raw_asgi), loaded_by(SyncWorker, raw_wsgi)
        handle.uninstall()
        assert isinstance(call_asgi(app, "/pay").error, Boom)
        assert isinstance(call_wsgi(worker.wsgi, "/pay"), Boom)
        assert traced.errors == []


def loaded_by(kind: type[Any], app: Any) -> Any:
    """A worker of gunicorn that has loaded an application."""
    worker = kind.__new__(kind)
    worker.app = type("FakeApplication", (), {"wsgi": lambda _: app})()
    worker.load_wsgi()
    return worker


def test_what_cannot_be_switched_on_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], switched_on: Any
) -> None:
    """A version of a framework that bcd does not know costs a line, not the program."""
    monkeypatch.setitem(sys.modules, "bcd.integrations.flask", None)
    switched_on("flask")
    assert "flask: the integration could not be switched on" in capsys.readouterr().err


def test_before_the_framework_is_imported(
    monkeypatch: pytest.MonkeyPatch, traced: Any, switched_on: Any
) -> None:
    """It is switched on by the import."""
    import gunicorn.workers.base as module  # the one that all others have

    monkeypatch.delitem(sys.modules, module.__name__)
    switched_on("gunicorn")
    from gunicorn.workers.base import Worker as Again  # a new class

    assert Again is not Worker
    assert Again.load_wsgi.__wrapped__.__module__ == module.__name__
    monkeypatch.undo()
    assert traced.errors == []
