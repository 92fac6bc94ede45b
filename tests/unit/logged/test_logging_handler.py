"""``BcdHandler``: which records are traced, and that nobody is hurt."""

from __future__ import annotations

import asyncio
import gc
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from bcd.errors import ConfigError
from bcd.integrations._capture import Capture
from bcd.integrations._suppressed import suppressed
from bcd.integrations.asgi import BcdMiddleware as AsgiMiddleware
from bcd.integrations.wsgi import BcdMiddleware as WsgiMiddleware
from bcd.tracer import TraceOptions
from tests.unit.logged.fakes import (
    LIVE_TRACER,
    FakeTracer,
    handler,
    logger_called,
    raised,
    record,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.settings import Ignore
    from bcd.tracer import Tracer
    from tests.fake_trace import FakeTrace


class TestWhich:
    def test_an_error_that_is_logged(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """``logger.exception`` in an ``except`` clause, with what the record says."""
        error = raised(ValueError("boom"))
        try:
            raise error
        except ValueError:
            logger.exception("order %d", 5)
        assert traced.errors == [error]
        found = traced.attributes[0]
        assert (found["log.logger"], found["log.level"]) == ("shop", "ERROR")
        assert found["log.message"] == "order 5"
        assert (found["bcd.integration"], found["exception.message"]) == ("logging", "boom")
        assert "bcd.hook" not in found

    def test_an_error_that_is_given(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """``exc_info=error``, also long after it was raised, and without it ever having been."""
        errors = [raised(ValueError()), ValueError("never raised")]
        for error in errors:
            logger.critical("failed", exc_info=error)
        assert traced.errors == errors
        assert "code.line.number" not in traced.attributes[1]

    @pytest.mark.parametrize(
        "log",
        [
            lambda logger: logger.error("no error"),
            lambda logger: logger.error("no error", exc_info=True),  # noqa: LOG014 - three None
            lambda logger: logger.error("no error", exc_info=False),
            lambda logger: logger.error({"event": "no error"}),
            lambda logger: logger.warning("retried", exc_info=ValueError()),
            lambda logger: logger.error("end", exc_info=SystemExit()),
            lambda logger: logger.error("end", exc_info=asyncio.CancelledError()),
            lambda logger: logger.handle(record("no error", exc_info=(ValueError, None, None))),
            lambda logger: logger.handle(record("no error", exc_info=1)),
        ],
    )
    def test_what_is_no_error(
        self, traced: FakeTrace, logger: logging.Logger, log: Callable[[logging.Logger], None]
    ) -> None:
        """No error in the record, a level below ERROR, or what is no ``Exception``."""
        log(logger)
        assert traced.errors == []

    @pytest.mark.parametrize("level", [logging.WARNING, "WARNING"])
    def test_level(self, traced: FakeTrace, level: int | str) -> None:
        """Another lowest level may be chosen, as a number or by name."""
        logger = logger_called("shop")
        logger.addHandler(handler(level=level))
        logger.info("below", exc_info=KeyError())
        logger.warning("retried", exc_info=ValueError())
        assert [type(error) for error in traced.errors] == [ValueError]

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"level": "LOUD"}, "level is 'LOUD'; accepted are"),
            ({"level": 4.5}, "level is 4.5; accepted are"),
            ({"ignore": [3]}, "ignore is "),
        ],
    )
    def test_wrong_settings(self, wrong: dict[str, Any], said: str) -> None:
        """They are named when the handler is made."""
        with pytest.raises(ConfigError, match=said):
            handler(**wrong)

    @pytest.mark.parametrize("ignore", [[LookupError], ["KeyError"]])
    def test_ignored(self, traced: FakeTrace, ignore: Ignore) -> None:
        """What the user does not want is not traced."""
        logger = logger_called("shop")
        logger.addHandler(handler(ignore=ignore))
        logger.error("no", exc_info=KeyError())
        assert traced.errors == []

    def test_filters(self, traced: FakeTrace, capsys: pytest.CaptureFixture[str]) -> None:
        """They hold as for any handler; one that fails does not hurt the program."""
        logger = logger_called("shop")
        one = handler()
        logger.addHandler(one)
        one.addFilter(lambda record: record.lineno != 0 and "noise" not in record.msg)
        logger.error("noise", exc_info=ValueError())
        assert traced.errors == []
        logger.error("signal", exc_info=ValueError())
        assert len(traced.errors) == 1
        one.addFilter(lambda record: record.nothing)  # type: ignore[attr-defined]  # it fails
        logger.error("signal", exc_info=ValueError())
        assert len(traced.errors) == 1
        assert "a filter of BcdHandler failed: AttributeError" in capsys.readouterr().err

    def test_filter_that_makes_a_record(
        self, traced: FakeTrace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That record is traced, which filters may make from Python 3.12 on."""
        one, error = handler(), ValueError()
        made = record("made", exc_info=(ValueError, error, None))
        monkeypatch.setattr(one, "filter", lambda _: made)
        assert one.handle(record("filtered"))
        assert traced.errors == [error]

    def test_nothing_of_bcd(self, traced: FakeTrace) -> None:
        """What bcd itself logs, as by ``LoggingLog``, does not lead back (trap 13)."""
        for name in ("bcd", "bcd.tracer", "bcdx"):
            logger = logger_called(name)
            logger.addHandler(handler())
            logger.error("failed", exc_info=ValueError(name))
        assert [str(error) for error in traced.errors] == ["bcdx"]

    @pytest.mark.parametrize(
        ("name", "make"),
        [
            ("uvicorn.error", lambda: AsgiMiddleware(cast("Any", None))),
            ("gunicorn.error", lambda: WsgiMiddleware(lambda *_: [])),
            ("uvicorn.error", lambda: Capture("django")),
            ("gunicorn.error", lambda: Capture("django")),
            ("celery.app.trace", lambda: Capture("celery")),
            ("celery.worker.request", lambda: Capture("celery")),
        ],
    )
    def test_server_that_bcd_stands_in(
        self, traced: FakeTrace, name: str, make: Callable[[], object]
    ) -> None:
        """Its logger is passed over as long as the integration is there."""
        logger = logger_called(name)
        logger.addHandler(handler())
        integration = [make()]
        logger.error("seen by the integration", exc_info=ValueError())
        assert traced.errors == []
        integration.clear()
        gc.collect()
        logger.error("seen by nobody", exc_info=ValueError())
        assert len(traced.errors) == 1


class TestRecursion:
    def test_before_trace_that_logs(self, traced: FakeTrace) -> None:
        """Its errors are counted, and do not lead back (trap 13)."""
        logger = logger_called("shop")

        def edit(error: BaseException, attributes: dict[str, str]) -> dict[str, str]:
            logger.error("again", exc_info=raised(KeyError()))
            assert isinstance(error, ValueError)
            return attributes

        logger.addHandler(handler(before_trace=edit))
        logger.error("failed", exc_info=ValueError())
        assert len(traced.errors) == 1
        assert suppressed.take("KeyError") == 1

    def test_tracer_that_logs(self, traced: FakeTrace) -> None:
        """Even where it does so before the slot is taken."""
        logger = logger_called("shop")

        class Talking(FakeTracer):
            def options(self) -> list[str]:
                logger.error("again", exc_info=raised(KeyError()))
                return []

        logger.addHandler(handler(tracer=cast("Tracer", Talking())))
        for _ in range(2):
            logger.error("failed", exc_info=ValueError())
        assert len(traced.errors) == 2
        assert suppressed.take("KeyError") == 2

    def test_nobody_waits_for_a_lock(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """While one thread traces, others log through the same handler at once (trap 13)."""
        tracing, go_on = threading.Event(), threading.Event()

        def during() -> None:
            tracing.set()
            assert go_on.wait(30)
            traced.busy = False

        traced.during = during
        slow = threading.Thread(
            target=logger.error, args=("slow",), kwargs={"exc_info": KeyError()}
        )
        slow.start()
        assert tracing.wait(30)
        traced.busy = True
        logger.error("meanwhile", exc_info=ValueError())  # would wait for ever
        logger.error("without an error")
        go_on.set()
        slow.join()
        assert [type(error) for error in traced.errors] == [KeyError]
        assert suppressed.take("ValueError") == 1

    def test_logging_can_shut_it_down(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """Its handler has no lock, which ``logging`` allows; what is logged then is traced."""
        one = logger.handlers[0]
        assert one.lock is None
        logging.shutdown([lambda: one])
        logger.error("failed", exc_info=ValueError())
        assert len(traced.errors) == 1

    def test_failure_is_a_line(
        self, traced: FakeTrace, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Neither raised nor logged, whatever ``logging.raiseExceptions`` says."""

        def fail() -> None:
            raise RuntimeError("no luck")

        traced.during = fail
        logger.error("failed", exc_info=ValueError())
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("logging: an error could not be traced: RuntimeError: no luck")


class TestThreads:
    def test_the_thread_that_logs(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """Is the one in trouble, and waits for a tracer that reads the live process."""
        logger.handlers[:] = [handler(tracer=LIVE_TRACER)]
        logger.error("failed", exc_info=ValueError())
        (call,) = traced.calls
        assert (call["thread"], call["detach"]) == (None, False)
        assert call["options"].timeout == 10.0

    def test_an_event_loop_is_not_held_up(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """Such a tracer is left to itself there (trap 9)."""
        logger.handlers[:] = [handler(tracer=LIVE_TRACER)]

        async def fail() -> None:
            logger.error("failed", exc_info=ValueError())

        asyncio.run(fail())
        assert traced.calls[0]["detach"]

    def test_a_record_from_another_thread(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """As a queue brings it: the thread that made it is in trouble, if it is there still."""
        made: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        end = threading.Event()

        def work() -> None:
            made.put(record("failed", exc_info=(None, ValueError(), None)))
            assert end.wait(30)

        worker = threading.Thread(target=work)
        worker.start()
        logger.handle(made.get())
        end.set()
        worker.join()
        assert traced.calls[0]["thread"] == worker.native_id
        assert traced.calls[0]["options"] is None

    @pytest.mark.parametrize("more", [{"thread": 1}, {"process": 1}, {"thread": 1, "process": 1}])
    def test_a_thread_that_has_ended(
        self, traced: FakeTrace, logger: logging.Logger, more: dict[str, int]
    ) -> None:
        """Nobody is blamed then, and no thread is left out."""
        logger.handle(record("failed", exc_info=(None, ValueError(), None), **more))
        assert traced.calls[0]["thread"] == 0
        assert traced.calls[0]["options"] == TraceOptions(err_classification=True)

    @pytest.mark.parametrize("more", [{"thread": None}, {"process": None}])
    def test_records_without_threads_and_processes(
        self, traced: FakeTrace, logger: logging.Logger, more: dict[str, Any]
    ) -> None:
        """``logging.logThreads`` may be off."""
        logger.handle(record("failed", exc_info=(None, ValueError(), None), **more))
        assert traced.calls[0]["thread"] is None
