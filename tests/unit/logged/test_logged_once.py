"""An error that is logged and also seen by another hook, or logged twice, is traced once."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import flask
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from bcd.integrations import _capture, _logged, hooks
from bcd.integrations._enclosing import want_requests
from bcd.integrations._suppressed import suppressed
from bcd.integrations.asgi import BcdMiddleware as AsgiMiddleware
from bcd.integrations.flask import Bcd
from bcd.integrations.starlette import instrument
from bcd.integrations.wsgi import BcdMiddleware as WsgiMiddleware
from bcd.scope import WANTED
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
        for path, status in (("/fail/once", 500), ("/fail/twice", 500), ("/handle", 200)):
            assert client.get(path, buffered=True).status_code == status  # closed, as by a server
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


class TestBesideTheRequest:
    """Errors that are logged in threads and tasks which a request started."""

    @pytest.fixture(autouse=True)
    def wanted(self, logger: logging.Logger) -> Iterator[None]:
        """What wants the requests: the handler alone."""
        del logger
        before, WANTED[:] = WANTED[:], []
        want_requests("logging")
        yield
        WANTED[:] = before

    def test_sync_endpoint(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """Starlette calls it in a thread; the route is known, and the error is traced once."""

        def cart(_: object) -> None:
            try:
                raise MODULE_LEVEL
            except ValueError:
                logger.exception("in a thread")
                raise

        app = Starlette(routes=[Route("/cart/{owner}", cart)])
        instrument(app, tracer=TRACER)

        async def send(_: object) -> None:
            """Swallow an answer."""

        for owner in ("ada", "bob"):
            scope = {"type": "http", "method": "GET", "path": f"/cart/{owner}", "headers": []}
            with pytest.raises(ValueError, match="the same object"):
                asyncio.run(app(scope, None, send))  # type: ignore[arg-type]  # unused
        assert [found["log.message"] for found in traced.attributes] == ["in a thread"] * 2
        assert [found["http.route"] for found in traced.attributes] == ["/cart/{owner}"] * 2

    @pytest.mark.parametrize("how", ["thread", "task", "executor", "late"])
    def test_as_far_as_the_context_goes(
        self, traced: FakeTrace, logger: logging.Logger, how: str
    ) -> None:
        """``to_thread`` and tasks have it while the request lasts, an executor not (trap 15)."""

        def log() -> None:
            logger.error("beside", exc_info=raised(ValueError()))

        async def in_task(over: asyncio.Event) -> None:
            await over.wait()
            log()

        async def app(*_: Any) -> None:
            if how == "thread":
                await asyncio.to_thread(log)
            elif how == "executor":
                await asyncio.get_running_loop().run_in_executor(None, log)
            else:
                over = asyncio.Event()
                tasks.append(asyncio.create_task(in_task(over)))
                events.append(over)
                if how == "task":
                    over.set()
                    await tasks[0]

        async def main() -> None:
            await AsgiMiddleware(app, tracer=TRACER)({"type": "http", "path": "/1"}, None, None)  # type: ignore[arg-type]  # unused
            for over, task in zip(events, tasks, strict=True):
                over.set()
                await task

        tasks: list[asyncio.Task[None]] = []
        events: list[asyncio.Event] = []
        asyncio.run(main())
        (found,) = traced.attributes
        assert found.get("url.path") == ("/1" if how in ("thread", "task") else None)

    def test_copy_of_a_context(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """In a WSGI application it goes with the copy that a thread is given."""

        def app(*_: Any) -> list[bytes]:
            copy = contextvars.copy_context()
            thread = threading.Thread(
                target=copy.run,
                args=(logger.error, "beside"),
                kwargs={"exc_info": raised(ValueError())},
            )
            thread.start()
            thread.join()
            return []

        wrapped = WsgiMiddleware(app, tracer=TRACER)
        wrapped({"PATH_INFO": "/1"}, lambda *_: None)  # type: ignore[arg-type]  # unused
        assert [found["url.path"] for found in traced.attributes] == ["/1"]

    def test_response_that_nobody_closes(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """What the thread of the server logs after that is of no request."""

        def left() -> None:
            app = WsgiMiddleware(lambda *_: iter([b"tea"]), tracer=TRACER)
            app({"PATH_INFO": "/1"}, lambda *_: None)  # type: ignore[arg-type]  # unused
            logger.error("later", exc_info=raised(ValueError()))

        contextvars.copy_context().run(left)
        assert ["url.path" in found for found in traced.attributes] == [False]

    def test_nothing_is_kept(self, logger: logging.Logger) -> None:
        """What is known of a request goes with it, whatever copies of its context stay."""
        del logger

        class Scope(dict[str, Any]):
            """One that can be referred to weakly."""

        async def app(*_: Any) -> None:
            copies.append(contextvars.copy_context())

        async def main(scope: Scope) -> None:
            await AsgiMiddleware(app, tracer=TRACER)(scope, None, None)  # type: ignore[arg-type]  # unused

        copies: list[contextvars.Context] = []
        scope = Scope(type="http")
        known = weakref.ref(scope)
        asyncio.run(main(scope))
        del scope
        gc.collect()
        assert known() is None
        assert len(copies) == 1
