"""An error that is logged and also seen by another hook, or logged twice, is traced once."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

import flask
import pytest

from bcd.integrations import _capture, _logged, hooks
from bcd.integrations._suppressed import suppressed
from bcd.integrations.asgi import BcdMiddleware as AsgiMiddleware
from bcd.integrations.flask import Bcd
from bcd.integrations.wsgi import BcdMiddleware as WsgiMiddleware
from tests.unit.logged.fakes import TRACER, handler, raised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fake_trace import FakeTrace

MODULE_LEVEL = ValueError("the same object each time")


class TestOnce:
    def test_two_handlers(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """That of a logger and that of its parent."""
        logger.addHandler(handler())
        logger.error("failed", exc_info=raised(ValueError()))
        assert len(traced.errors) == 1

    def test_logged_again_on_its_way(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """Each layer that logs and raises again means the same error."""

        def inner() -> None:
            try:
                raise MODULE_LEVEL
            except ValueError:
                logger.exception("inner")
                raise

        for _ in range(2):
            try:
                inner()
            except ValueError:
                logger.exception("outer")
        assert traced.errors == [MODULE_LEVEL] * 2, "raised again it is a new error"
        assert [found["log.message"] for found in traced.attributes] == ["inner"] * 2

    @pytest.mark.parametrize("order", ["before", "after"])
    def test_in_an_asgi_request(
        self, traced: FakeTrace, logger: logging.Logger, order: str
    ) -> None:
        """Whoever sees it first, and it is said which request it was."""

        async def app(*_: Any) -> None:
            try:
                raise MODULE_LEVEL
            except ValueError:
                if order == "before":
                    logger.exception("in the application")
                raise

        traced_app = AsgiMiddleware(app, tracer=TRACER)
        for path in ("/1", "/2"):
            try:
                asyncio.run(traced_app({"type": "http", "path": path}, None, None))  # type: ignore[arg-type]  # unused
            except ValueError:
                if order == "after":
                    logger.exception("in the server")
        assert traced.errors == [MODULE_LEVEL] * 2
        assert [found["url.path"] for found in traced.attributes] == ["/1", "/2"]
        assert ["log.logger" in found for found in traced.attributes] == [order == "before"] * 2

    @pytest.mark.parametrize("where", ["call", "body", "close"])
    def test_in_a_wsgi_request(self, traced: FakeTrace, logger: logging.Logger, where: str) -> None:
        """In the call of the application, in its body, and when that is closed."""

        def fail(here: str) -> None:
            if here == where:
                try:
                    raise MODULE_LEVEL
                except ValueError:
                    logger.exception("failed")
                    raise

        class Body:
            def __iter__(self) -> Iterator[bytes]:
                fail("body")
                return iter(())

            def close(self) -> None:
                fail("close")

        def app(*_: Any) -> Any:
            fail("call")
            return Body()

        for path in ("/1", "/2"):
            with pytest.raises(ValueError, match="the same object"):
                _serve(WsgiMiddleware(app, tracer=TRACER), path)
        assert traced.errors == [MODULE_LEVEL] * 2
        assert [found["url.path"] for found in traced.attributes] == ["/1", "/2"]

    @pytest.mark.parametrize("logged", ["before", "after"])
    def test_counted_once(
        self,
        traced: FakeTrace,
        logger: logging.Logger,
        monkeypatch: pytest.MonkeyPatch,
        logged: str,
    ) -> None:
        """Where the rate limit lets it pass; nobody looks for the request then."""
        monkeypatch.setattr(_logged, "is_open", lambda: False)
        monkeypatch.setattr(_capture, "is_open", lambda: False)
        monkeypatch.setattr(_logged, "enclosing", pytest.fail)

        def app(*_: Any) -> Any:
            try:
                raise MODULE_LEVEL
            except ValueError:
                if logged == "before":
                    logger.exception("failed")
                raise

        for path in ("/1", "/2"):
            try:
                _serve(WsgiMiddleware(app, tracer=TRACER), path)
            except ValueError:
                if logged == "after":
                    logger.exception("failed")
        assert traced.errors == []
        assert suppressed.take("ValueError") == 2

    def test_flask_logs_what_its_views_raise(
        self, traced: FakeTrace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After its signal, by the application's own logger; what a view logs is traced too."""
        app = flask.Flask("shop")
        monkeypatch.setattr(app.logger, "handlers", [handler()])
        monkeypatch.setattr(app.logger, "propagate", False)

        @app.get("/fail/<what>")
        def fail(what: str) -> str:
            if what == "twice":
                app.logger.error("on the way", exc_info=MODULE_LEVEL)
            raise MODULE_LEVEL

        @app.get("/handle")
        def handle() -> str:
            app.logger.error("handled", exc_info=MODULE_LEVEL)
            return "done"

        Bcd(app, tracer=TRACER)
        client = app.test_client()
        assert [client.get(f"/fail/{what}").status_code for what in ("once", "twice")] == [500] * 2
        assert client.get("/handle").status_code == 200
        assert [found["http.route"] for found in traced.attributes] == [
            "/fail/<what>",
            "/fail/<what>",
            "/handle",
        ]
        logged = [found.get("log.message") for found in traced.attributes]
        assert logged == [None, "on the way", "handled"]

    def test_at_the_top_of_the_process(
        self, traced: FakeTrace, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hooks do not trace what was logged on its way up."""
        monkeypatch.setattr(sys, "excepthook", lambda *_: None)
        handle = hooks.install(TRACER, points=["excepthook"])
        try:
            try:
                raise MODULE_LEVEL
            except ValueError:
                logger.exception("failed")
                raise
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
        handle.uninstall()
        assert len(traced.errors) == 1

    def test_what_a_loop_reports(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """Asyncio's hook sees it before asyncio logs it; what only asyncio logs is traced."""
        loop_logger = logging.getLogger("asyncio")
        loop_logger.addHandler(logger.handlers[0])
        handle = hooks.install(TRACER, points=["asyncio"])
        loop = asyncio.new_event_loop()
        try:
            loop.call_exception_handler({"message": "m", "exception": raised(ValueError())})
            handle.uninstall()
            loop.call_exception_handler({"message": "m", "exception": raised(KeyError())})
        finally:
            loop_logger.removeHandler(logger.handlers[0])
            loop.close()
        assert [type(error) for error in traced.errors] == [ValueError, KeyError]
        assert [found["bcd.integration"] for found in traced.attributes] == ["hooks", "logging"]


def _serve(app: WsgiMiddleware, path: str) -> None:
    body = app({"PATH_INFO": path}, lambda *_: lambda _: None)
    try:
        list(body)
    finally:
        if hasattr(body, "close"):
            body.close()
