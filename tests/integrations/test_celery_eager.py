"""``bcd.integrations.celery`` in the process that calls a task: eager mode, ``apply``, by hand."""

from __future__ import annotations

import contextvars
import gc
import logging
import pickle
import threading
from typing import TYPE_CHECKING, Any

import celery
import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.exceptions import Ignore, Reject

import bcd
from bcd.engine import error_text
from bcd.errors import ConfigError
from bcd.integrations import automatic
from bcd.integrations._suppressed import suppressed
from bcd.integrations.celery import Handle, setup
from bcd.integrations.logging import BcdHandler
from bcd.integrations.wsgi import BcdMiddleware
from bcd.scope import MARK, already_seen, own_attributes, place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


def fail(*_: object) -> None:
    """Fail, whatever it is given."""
    raise Boom("deep")


@pytest.fixture
def app() -> celery.Celery:
    """An application that runs tasks at once."""
    app = celery.Celery("shop", broker="memory://", set_as_current=False)
    app.conf.task_always_eager = True
    return app


@pytest.fixture
def traced(traced: Any) -> Iterator[Any]:
    """What was traced in this test."""
    handle = setup()
    yield traced
    handle.uninstall()
    assert "bcd" not in str([signals.task_failure.receivers, signals.task_internal_error.receivers])


def task_of(app: celery.Celery, run: Any, name: str = "", **options: Any) -> Any:
    """A task of this application alone: Celery shares them between all that a process has."""
    return app.task(run, name=name or f"shop.{run.__name__}", shared=False, **options)


class TestEager:
    @pytest.mark.parametrize("propagates", [False, True])
    def test_failing_task(self, traced: Any, app: celery.Celery, *, propagates: bool) -> None:
        """It is traced once, and the caller sees what it would see without bcd."""
        app.conf.task_eager_propagates = propagates
        task = task_of(app, fail)
        if propagates:
            with pytest.raises(Boom) as caught:
                task.delay("SECRET")
            error: Any = caught.value
        else:
            result = task.delay("SECRET")
            assert result.state == "FAILURE"
            error = result.result
        assert traced.errors == [error]
        assert error.__context__ is None
        (attributes,) = traced.attributes
        assert attributes["celery.task_name"] == "shop.fail"
        assert attributes["celery.retries"] == "0"
        assert "SECRET" not in str(attributes)

    @pytest.mark.parametrize("propagates", [False, True])
    @pytest.mark.parametrize("error", [Ignore(), Reject("unwanted"), KeyError()])
    def test_expected(
        self, traced: Any, app: celery.Celery, error: Exception, *, propagates: bool
    ) -> None:
        """Celery's own control flow, and what the task has in its ``throws`` (trap 12)."""
        app.conf.task_eager_propagates = propagates

        def work() -> None:
            raise error

        task = task_of(app, work, throws=(LookupError,))
        try:
            task.delay()
        except type(error):
            assert propagates
        assert traced.errors == []

    @pytest.mark.parametrize("propagates", [False, True])
    def test_retry(self, traced: Any, app: celery.Celery, *, propagates: bool) -> None:
        """A retry is none, the end of all retries is one (trap 12)."""
        app.conf.task_eager_propagates = propagates

        def work(self: Any) -> None:
            raise self.retry(exc=Boom("at last"), countdown=0)

        task = task_of(app, work, bind=True, max_retries=1)
        if propagates:
            with pytest.raises(celery.exceptions.Retry):
                task.delay()
            assert traced.errors == []
        else:
            assert task.delay().state == "FAILURE"
            assert [str(error) for error in traced.errors] == ["at last"]
            assert traced.attributes[0]["celery.retries"] == "1"

    def test_end_of_retries_tells_no_arguments(self, traced: Any, app: celery.Celery) -> None:
        """Celery has them in the text of its own error."""

        def work(self: Any, _card: str) -> None:
            raise self.retry(countdown=0)

        task = task_of(app, work, bind=True, max_retries=0)
        assert "4111" in str(task.delay("4111").result)
        (error,) = traced.errors
        assert type(error) is celery.exceptions.MaxRetriesExceededError
        assert traced.attributes[0]["exception.message"].startswith("Can't retry shop.work[")
        assert "4111" not in str(traced.attributes) + error_text(error)

    def test_direct_call(self, traced: Any, app: celery.Celery) -> None:
        """A task that is called as a function fails as a function (trap 12)."""
        task = task_of(app, fail)
        for way in (task, task.run):
            with pytest.raises(Boom):
                way()
        assert traced.errors == []

    def test_groups_are_split(self, traced: Any, app: celery.Celery) -> None:
        """A group is expected where each of its errors is, by the task's rule too."""
        raised: list[Exception] = []

        def work() -> None:
            raise raised[-1]

        task = task_of(app, work, throws=(KeyError, IndexError))
        for errors in ([KeyError(), IndexError()], [KeyError(), Boom()]):
            raised.append(ExceptionGroup("both", errors))
            task.delay()
        assert traced.errors == raised[1:]

    def test_reused_error(self, traced: Any, app: celery.Celery) -> None:
        """The same object raised again in a later task is a new error."""
        boom = Boom("made once")

        def work() -> None:
            raise boom

        task = task_of(app, work)
        task.delay()
        task.delay()
        assert traced.errors == [boom, boom]

    @pytest.mark.parametrize("propagates", [False, True])
    def test_task_within_a_task(self, traced: Any, app: celery.Celery, *, propagates: bool) -> None:
        """One error that fails three tasks within each other is traced once, where it came up."""

        def around(task: Any, name: str) -> Any:
            def work() -> object:
                return task.apply(throw=True)

            return task_of(app, work, name)

        inner = task_of(app, fail, "shop.inner")
        outer = around(around(inner, "shop.middle"), "shop.outer")
        if propagates:
            with pytest.raises(Boom):
                outer.apply(throw=True)
        else:
            assert outer.apply().state == "FAILURE"
        assert [each["celery.task_name"] for each in traced.attributes] == ["shop.inner"]

    def test_unpicklable_error(self, traced: Any, app: celery.Celery) -> None:
        """The real error is traced, not what Celery can send in its place."""

        class Unpicklable(Boom):
            pass

        def work() -> None:
            raise Unpicklable(threading.Lock())

        result = task_of(app, work).delay()
        assert not isinstance(result.result, Unpicklable)
        assert [type(error) for error in traced.errors] == [Unpicklable]
        assert traced.attributes[0]["exception.type"].endswith("<locals>.Unpicklable")
        assert traced.attributes[0]["code.function.name"].endswith("<locals>.work")

    def test_handler_that_raises(self, traced: Any, app: celery.Celery) -> None:
        """Its own error is traced, of which the task's is the context."""

        class Handled(celery.Task):  # type: ignore[misc]  # has no types
            def on_failure(self, *_: object) -> None:
                raise LookupError("handler")

        task = task_of(app, fail, base=Handled)
        with pytest.raises(LookupError) as caught:
            task.delay()
        assert traced.errors == [caught.value]
        assert isinstance(caught.value.__context__, Boom)


class TestSetup:
    def test_takes_the_settings_of_all(self, traced: Any, app: celery.Celery) -> None:
        """``ignore`` and ``before_trace`` as for any integration."""
        task = task_of(app, fail)
        for settings in ({"ignore": [Boom]}, {"before_trace": lambda *_: None}):
            handle = setup(**settings)  # type: ignore[arg-type]  # they are two
            task.delay()
            handle.uninstall()
        assert traced.errors == []
        with pytest.raises(ConfigError, match="ignore"):
            setup(ignore=[3])  # type: ignore[list-item]
        task.delay()
        assert len(traced.errors) == 1

    def test_the_later_takes_over(self, traced: Any, app: celery.Celery) -> None:
        """Nothing is traced twice; uninstalling gives back, in any order and repeatedly."""
        task = task_of(app, fail)
        later = setup(before_trace=lambda *_: {"by": "later"})
        latest = setup(before_trace=lambda *_: {"by": "latest"})
        for handle in (None, later, later, latest, latest):
            if handle:
                handle.uninstall()
            task.delay()
        assert [each.get("by") for each in traced.attributes] == ["latest"] * 3 + [None] * 2

    def test_costs_nothing_unless_a_task_fails(self, traced: Any) -> None:
        """Celery runs no receiver for a task that succeeds."""
        del traced
        for signal in (signals.task_prerun, signals.task_postrun, signals.task_success):
            assert "bcd" not in str(signal.receivers)
        assert "bcd" in str(signals.task_failure.receivers)

    def test_what_the_program_sets_up_holds(self, traced: Any, app: celery.Celery) -> None:
        """``bcd.init`` stands below it, whichever came first."""
        task = task_of(app, fail)
        own = setup(before_trace=lambda *_: {"by": "own"})
        for_all = automatic.switch_on(["celery"])
        task.delay()
        own.uninstall()
        task.delay()
        for_all.uninstall()
        assert [each.get("by") for each in traced.attributes] == ["own", None]

    def test_is_switched_on_by_init(self, traced: Any, app: celery.Celery) -> None:
        """Alone it traces as any other."""
        handle = automatic.switch_on(["celery"])
        task_of(app, fail).delay()
        handle.uninstall()
        assert len(traced.errors) == 1


class TestAttributes:
    """``bcd.set_attribute`` in tasks that run at once."""

    @pytest.fixture(autouse=True)
    def _own_context(self, wanted: list[str]) -> Iterator[None]:
        """A context in which nothing was said, of a program that sets attributes."""
        wanted.append("set_attribute")
        token = place._place.set(None)
        yield
        place._place.reset(token)

    def test_go_with_the_task(self, traced: Any, app: celery.Celery) -> None:
        """They are of one task, whether it succeeds or fails; None takes one back."""

        def work(tenant: str | None, *, fails: bool) -> None:
            bcd.set_attribute("shop.tenant", tenant)
            if fails:
                fail()

        task = task_of(app, work)
        bcd.set_attribute("shop.branch", "Porto")  # in no task
        for tenant, fails in (("tea", True), ("coffee", False), (None, True)):
            task.delay(tenant, fails=fails)
        assert [each.get("shop.tenant") for each in traced.attributes] == ["tea", None]
        assert own_attributes() == {"shop.branch": "Porto"}

    def test_of_a_request_that_runs_tasks(self, traced: Any, app: celery.Celery) -> None:
        """Tasks that it runs at once are a part of it."""

        def work() -> None:
            bcd.set_attribute("shop.tenant", "tea")
            fail()

        def serve(_: object, __: object) -> list[bytes]:
            bcd.set_attribute("shop.page", "cart")
            task_of(app, work).delay()
            raise LookupError

        with pytest.raises(LookupError):
            BcdMiddleware(serve)({}, lambda *_: None)  # type: ignore[arg-type, return-value]
        both = {"shop.tenant": "tea", "shop.page": "cart"}
        assert [both.items() <= each.items() for each in traced.attributes] == [True, True]

    def test_of_a_thread_that_outlives_the_task(self, traced: Any, app: celery.Celery) -> None:
        """With a copy of its context it knows what the task said, until that is forgotten."""
        del traced
        ended, said = threading.Event(), []

        def look() -> None:
            said.append(own_attributes())
            ended.wait(60)
            gc.collect()
            said.append(own_attributes())

        threads = []

        def work() -> None:
            bcd.set_attribute("shop.tenant", "tea")
            thread = threading.Thread(target=contextvars.copy_context().run, args=(look,))
            thread.start()
            threads.append(thread)

        task_of(app, work).delay()
        ended.set()
        threads[0].join()
        assert said == [{"shop.tenant": "tea"}, {}]


class TestReceiver:
    def test_is_held(self, traced: Any, app: celery.Celery) -> None:
        """Nobody keeps the handle, and the signal still reaches its receiver (trap 7)."""
        handle = setup(before_trace=lambda *_: {"kept": "yes"})
        capture = handle._capture
        del handle
        gc.collect()
        task_of(app, fail).delay()
        assert traced.attributes == [{"kept": "yes"}]
        Handle(capture).uninstall()

    def test_never_harms_the_task(
        self,
        traced: Any,
        app: celery.Celery,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """What fails in it is a line on stderr, of which Celery learns nothing (trap 7)."""
        traced.failure = RuntimeError("bcd is broken")
        result = task_of(app, fail).delay()
        assert isinstance(result.result, Boom)
        assert result.result.__context__ is None
        assert "bcd is broken" in capsys.readouterr().err
        assert "Signal handler" not in caplog.text

    def test_never_harms_the_task_by_its_rules(
        self, traced: Any, app: celery.Celery, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A task whose ``throws`` makes no sense is traced no worse than it runs."""
        task = task_of(app, fail)
        task.throws = (3,)
        with pytest.raises(TypeError, match="isinstance"):  # of Celery itself
            task.delay()
        assert "ignore" in capsys.readouterr().err
        assert [type(error) for error in traced.errors] == []

    @pytest.mark.parametrize("sender", [None, "a name", object()])
    def test_signals_sent_by_hand(self, traced: Any, sender: object) -> None:
        """With a traceback it is traced, whoever sends it; without, there is nothing to see."""
        boom = Boom("sent")
        signals.task_failure.send(sender=sender, task_id="1", exception=boom, traceback="text")
        signals.task_failure.send(sender=sender, exception="no error")
        assert traced.errors == []
        try:
            raise boom
        except Boom as error:
            traceback = error.__traceback__
        signals.task_failure.send(sender=sender, task_id="2", exception=boom, traceback=traceback)
        assert traced.errors == [boom]


class TestLogged:
    """Errors that a task logs, with ``BcdHandler``."""

    @pytest.fixture
    def logger(self, traced: Any) -> Iterator[logging.Logger]:
        """A logger of the program, and that of Celery."""
        del traced
        handler = BcdHandler()
        logger, celery_own = logging.getLogger("shop"), logging.getLogger("celery")
        for each in (logger, celery_own):
            each.addHandler(handler)
        yield logger
        for each in (logger, celery_own):
            each.removeHandler(handler)

    def test_logged_and_raised(
        self, traced: Any, app: celery.Celery, logger: logging.Logger
    ) -> None:
        """It is traced once: neither the signal nor Celery's own record brings it again."""

        def work() -> None:
            try:
                fail()
            except Boom:
                logger.exception("it failed")
                raise

        task_of(app, work).delay()
        task_of(app, fail).delay()
        assert [str(error) for error in traced.errors] == ["deep", "deep"]
        logged, _ = traced.attributes
        assert (logged["log.message"], logged["celery.task_name"]) == ("it failed", "shop.work")

    def test_logged_by_what_the_task_calls(
        self, traced: Any, app: celery.Celery, logger: logging.Logger
    ) -> None:
        """The task is known that runs, also below one that is called like a function."""

        def look() -> None:
            try:
                fail()
            except Boom:
                logger.exception("never mind")

        called = task_of(app, look)
        called()

        def work() -> None:
            called()

        result = task_of(app, work).delay()
        outside, inside = traced.attributes
        assert "celery.task_name" not in outside
        assert inside["celery.task_name"] == "shop.work"
        assert inside["messaging.message.id"] == result.id


class TestReported:
    """Failures of which the worker tells and not the process of its pool, where the task ran."""

    def send(self, app: celery.Celery, error: Exception, traceback: object = "a text") -> None:
        """Report the failure of a task."""
        task = app.tasks["shop.fail"]
        signals.task_failure.send(
            sender=task, task_id="17", exception=error, traceback=traceback, einfo=None
        )

    @pytest.fixture(autouse=True)
    def _task(self, app: celery.Celery) -> None:
        task_of(app, fail)
        app.finalize()

    def test_is_counted_and_told(
        self, traced: Any, app: celery.Celery, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The next snapshot of this kind in this process has the count."""
        for _ in range(2):
            self.send(app, WorkerLostError("exitcode 3"))
        assert traced.errors == []
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 2
        assert said[0].endswith(
            "celery: task shop.fail[17] left nothing to take a snapshot of: "
            "billiard.exceptions.WorkerLostError: exitcode 3"
        )
        assert suppressed.take("billiard.exceptions.WorkerLostError") == 2

    def test_hard_time_limit_counts_once(self, traced: Any, app: celery.Celery) -> None:
        """Celery tells of it twice, in two forms; the next one counts again."""
        for _ in range(2):
            self.send(app, TimeLimitExceeded(1))
            self.send(app, TimeLimitExceeded(1), a_traceback_of("celery.worker.request"))
        assert traced.errors == []
        assert suppressed.take("billiard.exceptions.TimeLimitExceeded") == 2

    def test_what_the_pool_has_seen_is_not_told_again(
        self, traced: Any, app: celery.Celery, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An error that left the task in the process of the pool arrives with a mark."""
        error = Boom("seen")
        already_seen(error, "17")
        pid, *rest = error.__dict__[MARK]
        error.__dict__[MARK] = (pid + 1, *rest)
        self.send(app, pickle.loads(pickle.dumps(error)))  # noqa: S301 - our own
        assert (traced.errors, capsys.readouterr().err) == ([], "")

    @pytest.mark.parametrize("error", [Reject("unwanted"), Boom(), LookupError()])
    def test_expected(
        self, app: celery.Celery, error: Exception, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is expected is expected here too: by Celery, the task and the user."""
        app.tasks["shop.fail"].throws = (Boom,)
        handle = setup(ignore=["LookupError"])
        self.send(app, error)
        handle.uninstall()
        assert capsys.readouterr().err == ""


def a_traceback_of(module: str) -> TracebackType | None:
    """A traceback whose only frame is of that module."""
    with pytest.raises(ZeroDivisionError) as caught:
        exec("1 / 0", {"__name__": module})  # noqa: S102 - for its frame
    assert caught.value.__traceback__ is not None
    return caught.value.__traceback__.tb_next
