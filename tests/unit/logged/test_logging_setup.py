"""``BcdHandler`` as programs set it up, and the hook that needs no handler."""

from __future__ import annotations

import io
import logging
import logging.config
import logging.handlers
import queue
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import loguru
import pytest
import structlog

from bcd.errors import ConfigError
from bcd.integrations import hooks
from tests.unit.logged.fakes import LIVE_TRACER, TRACER, handler, logger_called, raised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fake_trace import FakeTrace


CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "bcd": {
            "class": "bcd.integrations.logging.BcdHandler",
            "level": "ERROR",
            "ignore": ["KeyError"],
            "before_trace": f"ext://{__name__}.mark",
        }
    },
    "loggers": {"shop.config": {"handlers": ["bcd"], "propagate": False}},
}


def mark(_: BaseException, attributes: dict[str, str]) -> dict[str, str]:
    """Edits the attributes."""
    return attributes | {"marked": "yes"}


@pytest.fixture
def configured(traced: FakeTrace, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """A logger that the test configures; logging is as before afterwards."""
    del traced
    monkeypatch.setitem(sys.modules, __name__, sys.modules[mark.__module__])
    monkeypatch.setattr("bcd.tracers._default", {"tracer": TRACER})
    logger = logging.getLogger("shop.config")
    yield logger
    logger.handlers.clear()
    logger.propagate = True


class TestConfiguration:
    @pytest.mark.parametrize("key", ["class", "()"])
    def test_dict_config(self, traced: FakeTrace, configured: logging.Logger, key: str) -> None:
        """By its class or as a factory, with settings."""
        handlers = CONFIG["handlers"]["bcd"]
        made = {name: value for name, value in handlers.items() if name != "class"}
        made[key] = handlers["class"]
        logging.config.dictConfig(CONFIG | {"handlers": {"bcd": made}})
        configured.error("ignored", exc_info=KeyError())
        configured.error("failed", exc_info=ValueError())
        assert [found["marked"] for found in traced.attributes] == ["yes"]

    def test_wrong_dict_config(self, configured: logging.Logger) -> None:
        """What is wrong is said, by logging's error and its cause."""
        wrong = {"class": "bcd.integrations.logging.BcdHandler", "ignore": [3]}
        with pytest.raises(ValueError, match="Unable to configure handler 'bcd'") as caught:
            logging.config.dictConfig(CONFIG | {"handlers": {"bcd": wrong}})
        assert isinstance(caught.value.__cause__, ConfigError)
        assert configured.handlers == []

    def test_file_config(self, traced: FakeTrace, configured: logging.Logger) -> None:
        """As an .ini file."""
        text = """
            [loggers]
            keys=root,shop
            [handlers]
            keys=bcd
            [formatters]
            keys=
            [logger_root]
            handlers=
            [logger_shop]
            qualname=shop.config
            handlers=bcd
            propagate=0
            [handler_bcd]
            class=bcd.integrations.logging.BcdHandler
            level=CRITICAL
            args=()
            kwargs={"ignore": ["KeyError"]}
        """
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        try:
            file = io.StringIO("\n".join(line.strip() for line in text.splitlines()))
            logging.config.fileConfig(file, disable_existing_loggers=False)
        finally:
            root.handlers[:], root.level = handlers, level
        configured.critical("ignored", exc_info=KeyError())
        configured.error("below", exc_info=ValueError())
        configured.critical("failed", exc_info=ValueError())
        assert len(traced.errors) == 1

    def test_queue(
        self, traced: FakeTrace, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Behind a ``QueueHandler`` there is no error any more, which is told once."""
        passed: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        behind = logging.handlers.QueueListener(passed, handler())
        logger.handlers[:] = [logging.handlers.QueueHandler(passed)]
        behind.start()
        logger.error("only text")
        for _ in range(2):
            logger.error("failed", exc_info=raised(ValueError()))
        behind.stop()
        assert traced.errors == []
        (line,) = capsys.readouterr().err.splitlines()
        assert "add BcdHandler to the logger, beside the QueueHandler" in line

    def test_beside_a_queue(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """The handler of the logger sees the error, in whatever order they stand."""
        passed: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        for place in (0, 2):
            logger.handlers.insert(place, logging.handlers.QueueHandler(passed))
        logger.error("failed", exc_info=raised(ValueError()))
        assert len(traced.errors) == 1
        assert passed.qsize() == 2

    def test_queue_that_keeps_errors(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """The listener is not the thread in trouble; it heeds no level by itself."""

        class Keeping(logging.handlers.QueueHandler):
            def prepare(self, record: logging.LogRecord) -> Any:
                return record

        passed: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        behind = logging.handlers.QueueListener(passed, handler())
        logger.handlers[:] = [Keeping(passed)]
        behind.start()
        logger.warning("below", exc_info=KeyError())
        logger.error("failed", exc_info=raised(ValueError()))
        behind.stop()
        assert [type(error) for error in traced.errors] == [ValueError]
        assert traced.calls[0]["thread"] == threading.get_native_id()

    def test_memory(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """A ``MemoryHandler`` passes on what it kept, also below the level."""
        logger.handlers[:] = [logging.handlers.MemoryHandler(10, target=handler())]
        logger.warning("below", exc_info=KeyError())
        logger.error("failed", exc_info=raised(ValueError()))
        assert [type(error) for error in traced.errors] == [ValueError]

    def test_nobody_waits_while_a_lock_is_held(
        self, traced: FakeTrace, logger: logging.Logger
    ) -> None:
        """A ``MemoryHandler`` has its own then, so a slow tracer is left to itself (trap 13)."""
        logger.handlers[:] = [
            logging.handlers.MemoryHandler(10, target=handler(tracer=LIVE_TRACER))
        ]
        logger.error("failed", exc_info=raised(ValueError()))
        assert [call["detach"] for call in traced.calls] == [True]

    def test_adapter(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """A ``LoggerAdapter`` makes ordinary records."""
        logging.LoggerAdapter(logger, {"order": 5}).error("failed", exc_info=ValueError())
        assert len(traced.errors) == 1

    def test_warnings(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """``logging.captureWarnings`` logs no errors."""
        told = logging.getLogger("py.warnings")
        told.addHandler(logger.handlers[0])
        logging.captureWarnings(capture=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.warn("old", stacklevel=1)
        finally:
            logging.captureWarnings(capture=False)
            told.removeHandler(logger.handlers[0])
        assert traced.errors == []


class TestStructlog:
    """Through the standard library, where an error is where its processors leave it."""

    @pytest.mark.parametrize(
        "last",
        [
            structlog.stdlib.render_to_log_kwargs,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )
    @pytest.mark.parametrize("given", [True, None])
    def test_traced(
        self, traced: FakeTrace, logger: logging.Logger, last: Any, given: object
    ) -> None:
        """As keywords of the standard call, or in the event that a formatter is to read."""
        log = structlog.wrap_logger(logger, [last], structlog.stdlib.BoundLogger)
        try:
            int("order")
        except ValueError as caught:
            log.exception("order failed", order=5, exc_info=given or caught)
            error = caught
        assert traced.errors == [error]
        assert traced.attributes[0]["log.message"] == "order failed"

    def test_rendered_before(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """What ``format_exc_info`` has made text of is no error any more."""
        processors: list[Any] = [
            structlog.processors.format_exc_info,
            structlog.stdlib.render_to_log_kwargs,
        ]
        log = structlog.wrap_logger(logger, processors, structlog.stdlib.BoundLogger)
        log.error("failed", exc_info=raised(ValueError()))
        assert traced.errors == []


class TestLoguru:
    """``logger.exception`` of loguru, which has no error where the standard library looks."""

    @pytest.fixture
    def log(self) -> Iterator[Any]:
        """Its one logger, which says nothing and goes on as before."""
        loguru.logger.remove()
        yield loguru.logger
        loguru.logger.remove()

    def test_as_a_sink(self, traced: FakeTrace, log: Any) -> None:
        """The handler can be added there too; loguru holds a lock, so nobody waits."""
        log.add(handler(tracer=LIVE_TRACER), format="{message}")
        error = raised(ValueError("no rate"))
        log.opt(exception=error).error("order {} failed", 5)
        log.opt(exception=error).warning("below")
        assert traced.errors == [error]
        assert traced.attributes[0]["log.message"] == "order 5 failed", (
            "without values of variables"
        )
        assert traced.attributes[0]["log.logger"] == __name__
        assert [call["detach"] for call in traced.calls] == [True]

    def test_through_the_standard_library(
        self, traced: FakeTrace, log: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As loguru's manual has it: a sink that hands its records to the standard loggers."""

        class Propagating(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                logging.getLogger(record.name).handle(record)

        monkeypatch.setattr(logging.getLogger(__name__), "handlers", [handler()])
        log.add(Propagating(), format="{message}")
        try:
            int("order")
        except ValueError as caught:
            log.exception("order failed")
            error = caught
        assert traced.errors == [error]

    def test_in_a_queue(self, traced: FakeTrace, log: Any) -> None:
        """With ``enqueue=True`` another thread gets what is left of it after pickling."""
        log.add(handler(), format="{message}", enqueue=True)
        log.opt(exception=raised(ValueError("no rate"))).error("failed")
        log.complete()
        log.remove()
        assert [str(error) for error in traced.errors] == ["no rate"]


class TestHook:
    """``hooks.install(points=["logging"])``: all loggers, without a handler."""

    @pytest.fixture
    def handle(self, traced: FakeTrace) -> Iterator[hooks.Handle]:
        """The hook, installed."""
        del traced
        handle = hooks.install(TRACER, points=["logging"])
        yield handle
        handle.uninstall()

    def test_traces_whatever_the_handlers(self, traced: FakeTrace, handle: hooks.Handle) -> None:
        """Also a logger that hands nothing to others; until it is uninstalled."""
        logger = logger_called("alone")
        logger.warning("below", exc_info=KeyError())
        logger.error("failed %s", 5, exc_info=ValueError())
        handle.uninstall()
        logger.error("failed", exc_info=ValueError())
        (found,) = traced.attributes
        assert (found["bcd.integration"], found["bcd.hook"]) == ("hooks", "logging")
        assert (found["log.logger"], found["log.message"]) == ("alone", "failed 5")

    @pytest.mark.usefixtures("handle")
    def test_logging_prints_as_without_it(
        self, monkeypatch: pytest.MonkeyPatch, traced: FakeTrace
    ) -> None:
        """A handler of bcd would end what ``logging`` prints by itself, and ``basicConfig``."""
        printed = io.StringIO()
        monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(printed))
        logger_called("alone").error("failed", exc_info=raised(ValueError()))
        assert printed.getvalue().startswith("failed\nTraceback")
        assert len(traced.errors) == 1

    @pytest.mark.usefixtures("handle")
    def test_what_is_filtered_out(self, traced: FakeTrace) -> None:
        """A logger's own filters and level hold, and who logs is found as ever."""
        logger = logger_called("quiet")
        seen: list[logging.LogRecord] = []

        def refuse(record: logging.LogRecord) -> bool:
            seen.append(record)
            return False

        logger.addFilter(refuse)
        logger.error("failed", exc_info=ValueError())
        assert traced.errors == []
        assert seen[0].funcName == "test_what_is_filtered_out"

    @pytest.mark.usefixtures("handle")
    def test_with_a_handler_too(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """One trace."""
        logger.error("failed", exc_info=raised(ValueError()))
        assert len(traced.errors) == 1

    @pytest.mark.usefixtures("handle")
    def test_of_another_class(self, traced: FakeTrace) -> None:
        """Loggers of the program's own class are loggers."""

        class Loud(logging.Logger):
            def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802
                super().callHandlers(record)

        Loud("loud").error("failed", exc_info=ValueError())
        assert len(traced.errors) == 1
