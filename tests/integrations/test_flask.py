"""``bcd.integrations.flask.Bcd``: the signal and the WSGI wrapper together see everything."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import flask
import pytest
from werkzeug.exceptions import BadGateway, InternalServerError
from werkzeug.test import EnvironBuilder
from werkzeug.wsgi import ClosingIterator

from bcd.integrations.flask import Bcd

if TYPE_CHECKING:
    from collections.abc import Iterator


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


def fail() -> str:
    """A view that fails."""
    raise Boom("deep")


def shop(view: Any = fail, rule: str = "/fail", **settings: Any) -> flask.Flask:
    """An application with the hook and one view."""
    app = bare_shop(view, rule)
    Bcd(app, **settings)
    return app


def bare_shop(view: Any = fail, rule: str = "/fail") -> flask.Flask:
    """The same without the hook."""
    app = flask.Flask("shop")
    app.add_url_rule(rule, "view", view)
    return app


def streaming() -> flask.Response:
    """A view whose body fails half-way."""

    def pour() -> Iterator[bytes]:
        yield b"te"
        raise Boom

    return flask.Response(pour())


class TestWhere:
    def test_view(self, traced: Any) -> None:
        """The client gets Flask's own 500 unchanged, and one trace runs."""
        bare, answer = (app.test_client().get("/fail") for app in (bare_shop(), shop()))
        assert (answer.status, answer.data) == (bare.status, bare.data)
        assert list(answer.headers) == list(bare.headers)
        (error,) = traced.errors
        assert isinstance(error, Boom)
        (attributes,) = traced.attributes
        assert attributes["http.route"] == "/fail"
        assert attributes["http.request.method"] == "GET"
        assert attributes["url.path"] == "/fail"
        assert attributes["bcd.integration"] == "flask"

    def test_view_that_propagates(self, traced: Any) -> None:
        """In test mode the error reaches both hooks, and is traced once."""
        app = shop()
        app.testing = True
        with pytest.raises(Boom):
            app.test_client().get("/fail")
        assert len(traced.errors) == 1

    def test_body(self, traced: Any) -> None:
        """The signal misses the error of a generator; the wrapper does not."""
        with pytest.raises(Boom):
            _ = shop(streaming).test_client().get("/fail").data
        assert len(traced.errors) == 1
        assert traced.attributes[0]["http.route"] == "/fail"

    def test_call_on_close(self, traced: Any) -> None:
        """An error of a function that runs after the response was sent."""

        def view() -> flask.Response:
            response = flask.Response("tea")
            response.call_on_close(fail)
            return response

        with pytest.raises(Boom):
            shop(view).test_client().get("/fail").close()
        assert len(traced.errors) == 1

    def test_teardown(self, traced: Any) -> None:
        """An error of a teardown function, which leaves the application itself."""
        app = shop(lambda: "tea")

        @app.teardown_request
        def broken(_: BaseException | None) -> None:
            raise Boom

        with pytest.raises(Boom):
            app.test_client().get("/fail")
        assert len(traced.errors) == 1

    def test_response_class_with_a_close_of_its_own(self, traced: Any) -> None:
        """A subclass may do anything when it is closed, so it is guarded."""

        class Custom(flask.Response):
            def close(self) -> None:
                raise Boom

        with pytest.raises(Boom):
            shop(lambda: Custom("tea")).test_client().get("/fail").close()
        assert len(traced.errors) == 1

    def test_asynchronous_view(self, traced: Any) -> None:
        """A coroutine, which Flask runs in an event loop of its own (asgiref)."""

        async def view() -> str:
            await asyncio.sleep(0)
            raise Boom("deep")

        assert shop(view).test_client().get("/fail").status_code == 500
        (attributes,) = traced.attributes
        assert attributes["http.route"] == "/fail"
        assert attributes["code.function.name"].endswith("view")

    def test_body_with_context(self, traced: Any) -> None:
        """A generator that keeps the request to its end (``stream_with_context``)."""

        def view() -> flask.Response:
            def pour() -> Iterator[str]:
                yield flask.request.path
                raise Boom(flask.request.path)

            return flask.Response(flask.stream_with_context(pour()))

        answer = shop(view).test_client().get("/fail", buffered=False)
        chunks = iter(answer.response)
        assert next(chunks) == b"/fail"
        with pytest.raises(Boom):
            next(chunks)
        answer.close()
        (attributes,) = traced.attributes
        assert attributes["http.route"] == "/fail"

    @pytest.mark.parametrize("where", ["before_request", "after_request", "teardown_appcontext"])
    def test_functions_around_the_view(self, traced: Any, where: str) -> None:
        """Flask answers what those around it raise, save a teardown's error."""

        def broken(_: object = None) -> flask.Response:
            raise Boom(where)

        app = shop(lambda: "tea")
        getattr(app, where)(broken)
        if where == "teardown_appcontext":
            with pytest.raises(Boom):
                app.test_client().get("/fail")
        else:
            assert app.test_client().get("/fail").status_code == 500
        assert [str(error) for error in traced.errors] == [where]


class TestHandlers:
    """What the program's own handlers answer is handled; what they raise is an error."""

    def test_of_a_class(self, traced: Any) -> None:
        """A handler for the class of the error, or for all classes."""
        for kind in (Boom, Exception):
            app = shop()
            app.register_error_handler(kind, lambda error: (f"sorry: {error}", 418))
            answer = app.test_client().get("/fail")
            assert (answer.status_code, answer.data) == (418, b"sorry: deep")
        assert traced.errors == []

    @pytest.mark.parametrize("key", [500, InternalServerError])
    def test_of_the_status(self, traced: Any, key: Any) -> None:
        """A page for 500s is a page: the error was not handled."""
        app = shop()
        app.register_error_handler(key, lambda error: (f"sorry: {error.original_exception}", 500))
        assert app.test_client().get("/fail").data == b"sorry: deep"
        assert [str(error) for error in traced.errors] == ["deep"]

    def test_that_fail(self, traced: Any) -> None:
        """The handler's error, with the first as its context."""
        app = shop()
        app.register_error_handler(Boom, lambda _: 1 / 0)
        assert app.test_client().get("/fail").status_code == 500
        (error,) = traced.errors
        assert isinstance(error, ZeroDivisionError)
        assert isinstance(error.__context__, Boom)

    def test_of_a_blueprint(self, traced: Any) -> None:
        """A blueprint's handler answers for its own views alone."""
        app = bare_shop()
        cart = flask.Blueprint("cart", "shop", url_prefix="/cart")
        inner = flask.Blueprint("inner", "shop", url_prefix="/inner")
        cart.add_url_rule("/fail", "fail", fail)
        inner.add_url_rule("/fail/<int:number>", "fail", lambda **_: fail())
        inner.register_error_handler(Boom, lambda _: ("sorry", 418))
        cart.register_blueprint(inner)
        app.register_blueprint(cart)
        Bcd(app)
        assert app.test_client().get("/cart/inner/fail/7").status_code == 418
        assert traced.errors == []
        assert app.test_client().get("/cart/fail").status_code == 500
        assert traced.attributes[0]["http.route"] == "/cart/fail"

    def test_error_that_propagates(self, traced: Any) -> None:
        """``PROPAGATE_EXCEPTIONS``: the server gets the error, its chain as it was (trap 10)."""

        def view() -> str:
            try:
                return fail()
            except Boom as cause:
                raise ValueError("effect") from cause

        app = shop(view)
        app.config["PROPAGATE_EXCEPTIONS"] = True
        with pytest.raises(ValueError, match="effect") as caught:
            app.test_client().get("/fail")
        assert str(caught.value.__cause__) == "deep"
        assert caught.value.__suppress_context__
        assert traced.errors == [caught.value]


class TestHappyPath:
    def test_returns_a_complete_response_as_it_is(self, traced: Any) -> None:
        """What cannot fail any more is not wrapped, which costs least."""
        environ = EnvironBuilder("/fail").get_environ()
        body = shop(lambda: "tea").wsgi_app(environ, lambda *_: None)  # type: ignore[arg-type, return-value]
        assert type(body) is ClosingIterator
        assert b"".join(body) == b"tea"
        assert traced.errors == []

    @pytest.mark.parametrize("status", [400, 404, 500, 502])
    def test_aborting_is_answering(self, traced: Any, status: int) -> None:
        """What Flask turns into an answer is no unhandled error."""
        assert shop(lambda: flask.abort(status)).test_client().get("/fail").status_code == status
        assert shop().test_client().get("/nowhere").status_code == 404
        assert traced.errors == []

    def test_client_errors_that_leave_the_application_are_expected(self, traced: Any) -> None:
        """With propagation on, 4xx stay expected and 5xx do not."""
        app = shop(lambda: flask.abort(404))
        app.config["TRAP_HTTP_EXCEPTIONS"] = app.config["PROPAGATE_EXCEPTIONS"] = True
        with pytest.raises(Exception, match="404"):
            app.test_client().get("/fail")
        assert traced.errors == []
        app.view_functions["view"] = lambda: flask.abort(502)
        with pytest.raises(BadGateway):
            app.test_client().get("/fail")
        assert len(traced.errors) == 1


class TestRoute:
    def test_is_the_template(self, traced: Any) -> None:
        """Blueprints' prefixes are in it, the values and the mount point are not."""
        app = flask.Flask("shop")
        cart = flask.Blueprint("cart", "shop", url_prefix="/t/<tenant>")
        cart.add_url_rule("/cart/<int:number>", "view", lambda **_: fail())
        app.register_blueprint(cart)
        Bcd(app)
        app.test_client().get(
            "/t/SECRET/cart/7?key=SECRET", environ_overrides={"SCRIPT_NAME": "/SECRET"}
        )
        (attributes,) = traced.attributes
        assert attributes["http.route"] == "/t/<tenant>/cart/<int:number>"
        assert "SECRET" not in attributes["http.route"]

    @pytest.mark.parametrize("path", ["/%00%ff", "/%ed%a0%80", "/" + "x" * 50_000])
    def test_survives_bad_paths(self, traced: Any, path: str) -> None:
        """Bytes that are no text and endless paths change nothing (trap 8)."""
        answer = shop(lambda **_: fail(), "/<path:rest>").test_client().get(path)
        assert answer.status_code == 500
        assert traced.attributes[0]["http.route"] == "/<path:rest>"
        assert "\x00" not in traced.attributes[0]["url.path"]

    def test_may_be_missing(self, traced: Any) -> None:
        """An error before the routing has none."""
        app = shop()

        @app.before_request
        def broken() -> None:
            raise Boom

        assert app.test_client().get("/nowhere").status_code == 500
        assert "http.route" not in traced.attributes[0]


class TestHook:
    def test_is_held(self, traced: Any) -> None:
        """Nobody else keeps the hook, and the signal still reaches it (trap 7)."""
        app = shop()
        app.extensions.clear()
        del app.wsgi_app  # as a tool that puts the original back
        gc.collect()
        app.test_client().get("/fail")
        assert len(traced.errors) == 1

    def test_never_replaces_the_users_error(
        self, traced: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A receiver that fails would; this one says a line instead (trap 7)."""
        traced.failure = RuntimeError("bcd is broken")
        app = shop()
        app.testing = True
        with pytest.raises(Boom) as caught:
            app.test_client().get("/fail")
        assert caught.value.__context__ is None
        assert "bcd is broken" in capsys.readouterr().err

    def test_works_for_a_signal_without_a_request(self, traced: Any) -> None:
        """Somebody sends the signal by hand: no request, no failure."""
        app = shop()
        flask.got_request_exception.send(app, exception=Boom())
        assert "url.path" in traced.attributes[0]
        assert "http.route" not in traced.attributes[0]

    def test_is_installed_once(self, traced: Any) -> None:
        """A second ``Bcd`` on the same application replaces the settings of the first."""
        app = shop(before_trace=lambda *_: None)
        Bcd(app)
        app.test_client().get("/fail")
        assert len(traced.errors) == 1
        Bcd(app, ignore=[Boom])
        app.test_client().get("/fail")
        assert len(traced.errors) == 1

    def test_serves_several_applications(self, traced: Any) -> None:
        """One ``Bcd`` for two applications, each of which is traced once for its own errors."""
        bcd = Bcd()
        apps = [bare_shop(), bare_shop()]
        for app in apps:
            bcd.init_app(app)
        for app in apps:
            app.test_client().get("/fail")
        assert len(traced.errors) == 2

    def test_answers_what_would_leave_the_application(self, traced: Any) -> None:
        """``reraise=False`` gives a plain 500 where nothing was sent yet."""
        app = shop(reraise=False)
        app.testing = True
        statuses: list[str] = []
        environ = EnvironBuilder("/fail").get_environ()
        body = app.wsgi_app(environ, lambda status, *_: statuses.append(status))  # type: ignore[arg-type, return-value]
        assert (statuses, [*body]) == (["500 Internal Server Error"], [b"Internal Server Error"])
        assert len(traced.errors) == 1
