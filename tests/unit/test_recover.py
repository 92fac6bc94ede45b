"""Tracing what leaves a block or a function (rules 25 and 26 of the engine's design)."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from bcd.config import GlobalConfig, current_config, update_config
from bcd.engine import TraceResult, flush
from bcd.engine.attempt import GATE
from bcd.errors import ConfigError
from bcd.integrations._capture import Capture
from bcd.recover import recover
from bcd.scope import open_scope
from bcd.scope.attributes import set_attribute
from bcd.tracer import Command, LogPriority, Memory, TraceOptions
from bcd.tracers._options import OptionList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tracers run on Linux")

FOREVER = 30.0  # seconds that no test reaches


class FakeTracer(OptionList):
    """A tracer that keeps the options of each trace and runs a program of the shell."""

    def __init__(self, script: str = "exit 0") -> None:
        super().__init__()
        self.script, self.stdin = script, b""
        self.traced: list[list[str]] = []
        self.lines: list[tuple[LogPriority, str]] = []
        self.started = threading.Event()

    def default_trace_options(self) -> TraceOptions:
        """Name the error and its type."""
        return TraceOptions(err_classification=True, timeout=FOREVER)

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the message."""
        self.lines.append((level, format % args))

    def set_log_level(self, level: LogPriority) -> None:
        """Nothing is filtered here."""

    def finalize(self, options: list[str]) -> Command:
        """Run the script."""
        self.traced.append(options)
        self.started.set()
        return Command(argv=["/bin/sh", "-c", self.script], stdin=self.stdin)


class FakeMemoryTracer(FakeTracer):
    """The same for frozen memory."""

    def finalize_memory(
        self, options: list[str], memory: Memory, error: BaseException | None, started: float
    ) -> Command:
        """Run the script."""
        assert memory.descriptor >= 0
        assert error is not None
        assert started > 0
        return self.finalize(options)


@pytest.fixture(autouse=True)
def _no_limit() -> Iterator[None]:
    config = current_config()
    update_config(GlobalConfig(rate_limit=0))
    yield
    assert flush(FOREVER)
    update_config(config)


@pytest.fixture
def tracer() -> FakeTracer:
    """A tracer."""
    return FakeTracer()


BOOM = ["--kv", "error:boom", "--classifier", "ValueError"]


def test_the_error_is_traced_and_goes_on_unchanged(tracer: FakeTracer) -> None:
    """With its text and type, and the very same object is raised (rule 25)."""
    error = ValueError("boom")
    with pytest.raises(ValueError, match="boom") as caught, recover(tracer):
        raise error

    assert caught.value is error
    assert caught.value.__context__ is None
    assert tracer.traced == [BOOM]


def test_the_traceback_stays_intact(tracer: FakeTracer) -> None:
    """It ends where the error was raised, and no frame of bcd is in a block's (rule 25)."""

    def fail() -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught, recover(tracer):
        fail()

    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames] == ["test_the_traceback_stays_intact", "fail"]


def test_the_error_can_end_here(tracer: FakeTracer) -> None:
    """With ``reraise=False`` it is traced and swallowed (rule 25)."""
    with recover(tracer, reraise=False):
        raise ValueError("boom")

    assert tracer.traced == [BOOM]


def test_no_exception_no_trace(tracer: FakeTracer) -> None:
    """A block that succeeds costs nothing (rule 25)."""
    with recover(tracer):
        pass

    assert tracer.traced == []


@pytest.mark.parametrize("reraise", [True, False])
@pytest.mark.parametrize(
    "kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]
)
def test_what_is_no_error_passes_untouched(
    tracer: FakeTracer, kind: type[BaseException], *, reraise: bool
) -> None:
    """Neither traced nor swallowed (rule 25)."""
    with pytest.raises(kind), recover(tracer, reraise):
        raise kind

    assert tracer.traced == []


def test_a_group_is_traced_if_it_holds_an_error(tracer: FakeTracer) -> None:
    """At any depth; it always goes on, as it holds more than errors (rule 25)."""
    inner = BaseExceptionGroup("inner", [SystemExit(), ValueError("deep")])
    group = BaseExceptionGroup("outer", [KeyboardInterrupt(), inner])
    with pytest.raises(BaseExceptionGroup) as caught, recover(tracer, reraise=False):
        raise group

    assert caught.value is group
    assert len(tracer.traced) == 1


def test_a_group_without_an_error_passes_untouched(tracer: FakeTracer) -> None:
    """Its parts would have passed too (rule 25)."""
    group = BaseExceptionGroup("outer", [KeyboardInterrupt(), SystemExit()])
    with pytest.raises(BaseExceptionGroup), recover(tracer, reraise=False):
        raise group

    assert tracer.traced == []


def test_options_replace_the_defaults(tracer: FakeTracer) -> None:
    """Here they turn the classifier off."""
    with recover(tracer, False, TraceOptions(classifications=["mine"])):  # noqa: FBT003 - Go's form
        raise ValueError("boom")

    assert tracer.traced == [["--kv", "error:boom", "--classifier", "mine"]]


def test_a_decorated_function(tracer: FakeTracer) -> None:
    """It keeps its name, arguments and result, and its errors are traced (rule 25)."""

    @recover(tracer)
    def divide(a: int, *, by: int) -> float:
        """Divide."""
        return a / by

    assert divide(6, by=3) == 2
    assert (divide.__name__, divide.__doc__) == ("divide", "Divide.")
    with pytest.raises(ZeroDivisionError):
        divide(1, by=0)
    assert tracer.traced == [
        ["--kv", "error:division by zero", "--classifier", "ZeroDivisionError"]
    ]


def test_a_decorated_function_whose_error_ends_returns_none(tracer: FakeTracer) -> None:
    """As Go's deferred Recover leaves the zero value."""

    @recover(tracer, reraise=False)
    def fail() -> int:
        raise ValueError("boom")

    assert fail() is None
    assert tracer.traced == [BOOM]


def test_a_decorated_method_and_recursion(tracer: FakeTracer) -> None:
    """One object watches several calls at once."""

    class Counter:
        @recover(tracer, reraise=False)
        def down(self, left: int) -> int:
            if left == 0:
                raise ValueError("boom")
            return self.down(left - 1)

    assert Counter().down(3) is None
    assert tracer.traced == [BOOM]


def test_a_generator_function_is_refused(tracer: FakeTracer) -> None:
    """Its body runs elsewhere, so its errors would be missed in silence."""

    def numbers() -> Iterator[int]:
        yield 1

    async def anumbers() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(ConfigError, match="put 'with recover"):
        recover(tracer)(numbers)
    with pytest.raises(ConfigError, match="generator function"):
        recover(tracer)(anumbers)


@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
def test_a_decorated_coroutine_function(kind: type[FakeTracer]) -> None:
    """It stays one, and its errors are traced (rule 25)."""
    tracer = kind()

    @recover(tracer)
    async def divide(a: int, by: int) -> float:
        return a / by

    assert asyncio.iscoroutinefunction(divide)
    assert asyncio.run(divide(6, 3)) == 2
    with pytest.raises(ZeroDivisionError) as caught:
        asyncio.run(divide(1, 0))
    assert len(tracer.traced) == 1
    assert caught.value.__context__ is None


@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
def test_async_with(kind: type[FakeTracer]) -> None:
    """The same for a block in a coroutine (rule 25)."""
    tracer = kind()

    async def work() -> str:
        async with recover(tracer, reraise=False):
            raise ValueError("boom")
        return "went on"

    assert asyncio.run(work()) == "went on"
    assert tracer.traced == [BOOM]


def test_cancellation_passes_untouched(tracer: FakeTracer) -> None:
    """A cancelled task is no error (rule 25)."""

    @recover(tracer, reraise=False)
    async def wait() -> None:
        await asyncio.Event().wait()

    async def main() -> bool:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(main())
    assert tracer.traced == []


@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
def test_the_event_loop_goes_on_while_the_tracer_runs(kind: type[FakeTracer]) -> None:
    """The tracer waits for a byte that only another task sends."""
    tracer = kind("read line; exit 0")
    ours, theirs = os.pipe()
    tracer.stdin = ours  # type: ignore[assignment]  # a descriptor

    async def fail() -> None:
        async with recover(tracer):
            raise ValueError("boom")

    async def release() -> None:
        await asyncio.to_thread(tracer.started.wait, FOREVER)
        os.write(theirs, b"\n")

    async def main() -> tuple[BaseException | None, BaseException | None]:
        return await asyncio.gather(fail(), release(), return_exceptions=True)

    outcome = asyncio.run(main())
    assert flush(FOREVER)
    os.close(ours)
    os.close(theirs)

    assert isinstance(outcome[0], ValueError)
    assert tracer.lines == []


def test_a_plain_block_on_an_event_loop_does_not_wait_either() -> None:
    """Frozen memory lets the tracer finish by itself."""
    tracer = FakeMemoryTracer("read line; exit 0")
    ours, theirs = os.pipe()
    tracer.stdin = ours  # type: ignore[assignment]  # a descriptor

    async def main() -> None:
        with recover(tracer, reraise=False):
            raise ValueError("boom")
        assert not flush(0)
        with recover(tracer, reraise=False):
            raise ValueError("too soon")

    asyncio.run(main())
    os.close(theirs)
    assert flush(FOREVER)
    os.close(ours)

    assert tracer.traced == [BOOM]
    assert [level for level, _ in tracer.lines] == [LogPriority.WARNING]


def test_without_an_event_loop_the_tracer_is_waited_for() -> None:
    """So that a program may end right after it."""
    tracer = FakeMemoryTracer("exit 3")
    with recover(tracer, reraise=False):
        raise ValueError("boom")

    assert "exited with status 3" in tracer.lines[0][1]


def test_the_traces_own_error_is_logged_never_raised() -> None:
    """The program sees its own error only (rule 26)."""
    tracer = FakeTracer("exit 3")
    with pytest.raises(ValueError, match="boom"), recover(tracer):
        raise ValueError("boom")

    assert [level for level, _ in tracer.lines] == [LogPriority.ERROR]


def test_a_kill_that_fails_is_logged_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with ``raise_on_kill_failure`` (rules 22 and 26)."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only their number
    ours, theirs = os.pipe()
    tracer = FakeTracer("read line; exit 0")
    tracer.stdin = ours  # type: ignore[assignment]  # a descriptor
    monkeypatch.setattr(os, "killpg", refused)
    watch = recover(tracer, options=TraceOptions(timeout=0.05))
    with pytest.raises(ValueError, match="boom") as caught, watch:
        raise ValueError("boom")
    os.close(theirs)
    os.close(ours)
    end = time.monotonic() + FOREVER
    while len(os.listdir("/proc/self/fd")) > before:  # noqa: PTH208 - until it was reaped
        assert time.monotonic() < end
        os.sched_yield()

    assert caught.value.__context__ is None
    assert "could not be killed" in tracer.lines[0][1]


def test_something_that_is_no_tracer_costs_the_program_nothing() -> None:
    """Its error goes on as if bcd were not there (rule 26)."""
    with pytest.raises(ValueError, match="boom"), recover(object()):  # type: ignore[arg-type]  # the point
        raise ValueError("boom")


class FakeOccasion:
    """A hook further up that knows of no request."""

    def scope(self) -> None:
        """None."""

    def client_gone(self) -> bool:
        """There is none."""
        return False

    def attributes(self, _: BaseException) -> dict[str, str]:
        """None."""
        return {}


@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
def test_a_hook_further_up_has_seen_it(kind: type[FakeTracer]) -> None:
    """One error, one trace, whether the block is on an event loop or not."""

    async def block() -> None:
        async with recover(kind()):
            raise ValueError("boom")

    def plain() -> None:
        with recover(kind()):
            raise ValueError("boom")

    for run in (plain, lambda: asyncio.run(block())):
        with pytest.raises(ValueError, match="boom") as caught:
            run()
        assert Capture("above").take(caught.value, FakeOccasion()) == "seen"


def test_what_finds_the_slot_taken_is_left_to_a_hook_further_up() -> None:
    """It counts, so that the error is not lost."""

    async def block() -> None:
        slot = GATE.try_acquire()
        assert slot is not None
        try:
            with recover(FakeMemoryTracer()):
                raise ValueError("boom")
        finally:
            slot.give_back()

    with pytest.raises(ValueError, match="boom") as caught:
        asyncio.run(block())
    above = Capture("above", run=lambda *_, **__: TraceResult())
    assert above.take(caught.value, FakeOccasion()) == "traced"


def test_says_what_the_program_said(tracer: FakeTracer) -> None:
    """Attributes of the request are attributes of its errors."""
    scope = open_scope({})
    assert scope is not None
    set_attribute("user", "ada")
    with pytest.raises(ValueError, match="boom"), recover(tracer):
        raise ValueError("boom")
    scope.close()
    assert tracer.traced == [[*BOOM, "--kv", "user:ada"]]
