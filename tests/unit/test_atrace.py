"""Awaiting a trace ("Beyond Go"; trap 9); other loops: ``tests/process/test_event_loops.py``."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from bcd import _greenlets
from bcd.config import GlobalConfig, current_config, update_config
from bcd.engine import TraceResult, atrace, flush, trace
from bcd.engine.attempt import GATE
from bcd.errors import Busy, ExitError, FinalizeError, KillError, SlotTimeout, TraceError
from bcd.recover import recover
from bcd.tracer import Command, LogPriority, Memory, TraceOptions
from bcd.tracers._options import OptionList
from tests.leftovers import nothing_left

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tracers run on Linux")

FOREVER = 30.0  # seconds that no test reaches
WAITS = "read line; echo done"  # for a line of standard input, which is the test's


class FakeTracer(OptionList):
    """A tracer of the live process whose program is a small one of the shell."""

    def __init__(self, script: str = 'echo "$@"', timeout: float = FOREVER) -> None:
        super().__init__()
        self.script, self.timeout = script, timeout
        self.lines: list[str] = []
        self.finalized = threading.Event()
        self.threads: list[int] = []
        self.given: list[list[str]] = []
        self.stdin: int | None = None

    def default_trace_options(self) -> TraceOptions:
        """Blame thread and task."""
        return TraceOptions(faulted=True, timeout=self.timeout)

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the message."""
        self.lines.append(f"{level.name} {format % args}")

    def set_log_level(self, level: LogPriority) -> None:
        """Nothing is filtered here."""

    def add_caller_task(self, task: int, options: list[str] | None = None) -> list[str] | None:
        """Name the task."""
        return self.add_options("--caller-task", str(task), options=options)

    def finalize(self, options: list[str]) -> Command:
        """Run the script."""
        self.threads.append(threading.get_native_id())
        self.given.append(options)
        self.finalized.set()
        argv = ["/bin/sh", "-c", self.script, "tracer", *options]
        return Command(argv=argv, stdin=self.stdin)


class FakeMemoryTracer(FakeTracer):
    """The same on a frozen copy."""

    def finalize_memory(
        self, options: list[str], memory: Memory, error: BaseException | None, started: float
    ) -> Command:
        """Run the script."""
        assert memory.descriptor >= 0
        assert started > 0
        assert error is None or isinstance(error, ValueError)
        return self.finalize(options)


KINDS = pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test may leave a descriptor, a process, a thread or the slot."""
    config = current_config()
    update_config(GlobalConfig(rate_limit=0))
    with nothing_left():
        yield
        assert flush(FOREVER)
    update_config(config)


def on_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine function on asyncio's own loop."""
    return asyncio.run(main())  # type: ignore[arg-type]  # a coroutine


@pytest.fixture
def line() -> Iterator[tuple[int, Callable[[], None]]]:
    """A descriptor for a tracer to wait at, and what lets it go on."""
    ours, theirs = os.pipe()
    yield ours, lambda: os.close(theirs)
    os.close(ours)
    with suppress(OSError):  # closed by the test
        os.close(theirs)


async def turn_until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something is so in another thread."""
    ends = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0)


async def beside(
    tracing: Callable[[], Awaitable[TraceResult]], meanwhile: Callable[[], Awaitable[None]]
) -> TraceResult:
    """What a task gets while another one runs on the same loop."""
    results: list[TraceResult] = []

    async def task() -> None:
        results.append(await tracing())

    async with asyncio.TaskGroup() as group:
        group.create_task(task())
        await meanwhile()
    return results[0]


@KINDS
def test_the_result_is_that_of_trace(kind: type[FakeTracer]) -> None:
    """With the tracer's output, its status and times, on every loop that is known."""
    result: TraceResult = on_asyncio(lambda: atrace(kind("echo path; echo said >&2")))

    assert (result.error, result.exit_status) == (None, 0)
    assert (result.stdout, result.stderr) == (b"path\n", b"said\n")
    assert 0 < result.held <= result.duration


@KINDS
def test_what_goes_wrong_is_told_and_logged_once(kind: type[FakeTracer]) -> None:
    """As ``trace`` does."""
    tracer = kind("exit 3")
    result: TraceResult = on_asyncio(lambda: atrace(tracer, ValueError("x")))

    assert isinstance(result.error, ExitError)
    assert len(tracer.lines) == 1


@KINDS
def test_the_loop_goes_on_while_the_tracer_runs(
    kind: type[FakeTracer], line: tuple[int, Callable[[], None]]
) -> None:
    """The tracer waits for what another turn of the loop does (trap 9)."""
    tracer = kind(WAITS)
    tracer.stdin, let_go = line

    async def meanwhile() -> None:
        await turn_until(tracer.finalized.is_set)
        let_go()

    result: TraceResult = on_asyncio(lambda: beside(lambda: atrace(tracer), meanwhile))
    assert result.stdout == b"done\n"


def test_frozen_memory_is_taken_inline() -> None:
    """So that the picture shows the awaiting task, and the state at the call."""
    tracer = FakeMemoryTracer()
    result = on_asyncio(lambda: atrace(tracer))

    assert result.ok
    assert tracer.threads == [threading.get_native_id()]


def test_the_live_process_is_traced_from_a_thread() -> None:
    """Whatever its tracer does in ``finalize`` holds no loop up (trap 9)."""
    tracer = FakeTracer()
    on_asyncio(lambda: atrace(tracer))

    assert tracer.threads != [threading.get_native_id()]


@pytest.mark.parametrize("taken", [False, True])
@KINDS
def test_thread_and_task_are_those_of_the_caller(kind: type[FakeTracer], *, taken: bool) -> None:
    """Also where a thread of bcd waits for the slot and calls the tracer (rule 8)."""
    tracer = kind()

    async def main() -> tuple[TraceResult, int]:
        slot = GATE.try_acquire() if taken else None
        task = asyncio.create_task(atrace(tracer))
        await asyncio.sleep(0)
        if slot is not None:
            assert not tracer.finalized.is_set()
            slot.give_back()
        return await task, id(task)

    result, task = on_asyncio(main)

    tid = threading.get_native_id()
    assert result.stdout.decode().split() == [
        "--fault-thread",
        str(tid),
        "--caller-task",
        str(task),
    ]


def test_the_loop_goes_on_while_the_slot_is_taken() -> None:
    """The wait for it happens in a thread, also for frozen memory (trap 9)."""
    tracer = FakeMemoryTracer("echo path")
    slot = GATE.try_acquire()
    assert slot is not None

    async def meanwhile() -> None:
        await turn_until(lambda: len(GATE.queue) > 1)
        slot.give_back()

    result: TraceResult = on_asyncio(lambda: beside(lambda: atrace(tracer), meanwhile))
    assert result.stdout == b"path\n"


@KINDS
def test_a_slot_not_won_in_time(kind: type[FakeTracer]) -> None:
    """The time-out covers the wait (rules 15 and 16)."""
    slot = GATE.try_acquire()
    assert slot is not None
    result = on_asyncio(lambda: atrace(kind(timeout=0.05)))
    slot.give_back()

    assert isinstance(result.error, SlotTimeout)


@KINDS
def test_busy_at_once(kind: type[FakeTracer]) -> None:
    """With ``wait=False`` nothing is waited for, and nothing is logged."""
    tracer = kind()
    slot = GATE.try_acquire()
    assert slot is not None
    result = on_asyncio(lambda: atrace(tracer, wait=False))
    slot.give_back()

    assert isinstance(result.error, Busy)
    assert (tracer.threads, tracer.lines) == ([], [])


def test_another_one_that_is_faster_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the slot and the try to take it."""
    answers = iter([True, False])
    monkeypatch.setattr(GATE, "is_open", lambda: next(answers, True))

    assert on_asyncio(lambda: atrace(FakeMemoryTracer())).ok


@KINDS
def test_detached_returns_when_the_tracer_is_started(
    kind: type[FakeTracer], line: tuple[int, Callable[[], None]]
) -> None:
    """And ``flush`` waits for the rest."""
    tracer = kind(WAITS)
    tracer.stdin, let_go = line
    result: TraceResult = on_asyncio(lambda: atrace(tracer, detach=True))

    assert (result.error, result.exit_status) == (None, None)
    assert tracer.finalized.is_set()
    assert not flush(0)
    let_go()
    assert flush(FOREVER)


@KINDS
def test_a_detached_failure_is_logged(kind: type[FakeTracer]) -> None:
    """There is nobody else to tell."""
    tracer = kind("exit 3")
    assert on_asyncio(lambda: atrace(tracer, detach=True)).ok
    assert flush(FOREVER)

    assert len(tracer.lines) == 1


@pytest.mark.parametrize("taken", [False, True])
@KINDS
def test_cancellation_is_instant_and_loses_nothing(
    kind: type[FakeTracer], line: tuple[int, Callable[[], None]], *, taken: bool
) -> None:
    """The await ends with ``CancelledError``; the trace goes on, is logged and reaped (trap 9)."""
    tracer = kind("read line; exit 3")
    tracer.stdin, let_go = line
    slot = GATE.try_acquire() if taken else None

    async def main() -> bool:
        tracing = asyncio.create_task(atrace(tracer))
        await turn_until(lambda: tracer.finalized.is_set() or len(GATE.queue) > 1)
        tracing.cancel()
        await asyncio.wait([tracing])
        return tracing.cancelled()

    assert on_asyncio(main)
    assert not flush(0)
    if slot is not None:
        slot.give_back()
    let_go()
    assert flush(FOREVER)

    assert "exited with status 3" in tracer.lines[0]
    assert GATE.is_open()


@KINDS
def test_a_loop_that_is_closed_meanwhile_is_left_alone(
    kind: type[FakeTracer], line: tuple[int, Callable[[], None]]
) -> None:
    """Its default executor was never used, so its end waits for nobody (trap 9)."""
    tracer = kind(WAITS)
    tracer.stdin, let_go = line

    async def main() -> object:
        loop = asyncio.get_running_loop()
        tracing = asyncio.create_task(atrace(tracer))
        await turn_until(tracer.finalized.is_set)
        assert not tracing.done()
        return loop._default_executor  # type: ignore[attr-defined]

    assert on_asyncio(main) is None
    let_go()
    assert flush(FOREVER)
    assert tracer.lines == []


@KINDS
def test_a_kill_that_fails_is_raised(
    kind: type[FakeTracer],
    monkeypatch: pytest.MonkeyPatch,
    line: tuple[int, Callable[[], None]],
) -> None:
    """In the coroutine, as in the caller of ``trace`` (rule 22)."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    tracer = kind(WAITS, timeout=0.1)
    tracer.stdin, let_go = line
    monkeypatch.setattr(os, "killpg", refused)
    with pytest.raises(KillError, match="could not be killed"):
        on_asyncio(lambda: atrace(tracer))
    let_go()


VARIABLE = contextvars.ContextVar("VARIABLE", default="outside")


@pytest.mark.parametrize("taken", [False, True])
@KINDS
def test_attributes_see_the_callers_context(kind: type[FakeTracer], *, taken: bool) -> None:
    """Wherever they are gathered (trap 15)."""

    async def main() -> TraceResult:
        VARIABLE.set("inside")
        slot = GATE.try_acquire() if taken else None
        gather = atrace(kind(), options=TraceOptions(), attributes=lambda: {"is": VARIABLE.get()})
        task = asyncio.create_task(gather)
        await asyncio.sleep(0)
        if slot is not None:
            slot.give_back()
        return await task

    assert on_asyncio(main).stdout == b"--kv is:inside\n"


@KINDS
def test_attributes_may_decide_against_the_trace(kind: type[FakeTracer]) -> None:
    """It is dropped then, as by ``trace``."""
    result = on_asyncio(lambda: atrace(kind(), attributes=lambda: None))

    assert (result.ok, result.dropped) == (True, True)


@KINDS
def test_a_tracer_that_raises_is_an_error(kind: type[FakeTracer]) -> None:
    """No exception reaches the program."""
    tracer = kind()
    tracer.finalize = None  # type: ignore[assignment,method-assign]  # the point

    assert isinstance(on_asyncio(lambda: atrace(tracer)).error, FinalizeError)


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was started is waited for, and nothing else is started on an event loop."""

    def refused(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_greenlets, "start_new_thread", refused)
    assert on_asyncio(lambda: atrace(FakeMemoryTracer("echo path"))).stdout == b"path\n"

    tracer = FakeTracer()
    result = on_asyncio(lambda: atrace(tracer))
    assert isinstance(result.error, TraceError)
    assert "no thread can be started" in str(result.error)
    assert (tracer.threads, len(tracer.lines)) == ([], 1)


@KINDS
def test_on_an_unknown_loop_nobody_is_woken(
    kind: type[FakeTracer], line: tuple[int, Callable[[], None]]
) -> None:
    """What is known is returned, and the trace goes on."""
    tracer = kind(WAITS)
    tracer.stdin, let_go = line
    with pytest.raises(StopIteration) as ended:
        atrace(tracer).send(None)

    assert ended.value.value.ok
    assert not flush(0)
    let_go()
    assert flush(FOREVER)


def test_a_trace_by_hand_is_no_task_of_another_loop() -> None:
    """Outside of a task there is none to blame."""
    assert b"--caller-task" not in trace(FakeTracer()).stdout


# recover


def test_recover_awaits_in_the_callers_name() -> None:
    """The thread, and on asyncio the task, are those of the block (rules 8 and 25)."""
    tracer = FakeTracer()

    async def main() -> list[str]:
        async with recover(tracer, reraise=False):
            raise ValueError("boom")
        thread = ["--fault-thread", str(threading.get_native_id())]
        return [*thread, "--caller-task", str(id(asyncio.current_task()))]

    expected = on_asyncio(main)
    assert tracer.given == [[*expected, "--kv", "error:boom"]]


@pytest.mark.parametrize("reraise", [True, False])
def test_cancellation_does_not_replace_the_error(
    line: tuple[int, Callable[[], None]], *, reraise: bool
) -> None:
    """The program's own goes on; only where that ends here is the cancellation raised (trap 9)."""
    tracer = FakeTracer(WAITS)
    tracer.stdin, let_go = line
    error = ValueError("boom")

    async def fail() -> None:
        async with recover(tracer, reraise):
            raise error

    async def main() -> BaseException | None:
        task = asyncio.create_task(fail())
        await turn_until(tracer.finalized.is_set)
        task.cancel()
        await asyncio.wait([task])
        return asyncio.CancelledError() if task.cancelled() else task.exception()

    ended_by = on_asyncio(main)
    let_go()
    assert flush(FOREVER)

    if reraise:
        assert ended_by is error
    else:
        assert isinstance(ended_by, asyncio.CancelledError)


# flush


def test_flush_waits_for_traces_of_other_threads(line: tuple[int, Callable[[], None]]) -> None:
    """Also for one whose caller waits for it."""
    tracer = FakeTracer(WAITS)
    tracer.stdin, let_go = line
    thread = threading.Thread(target=trace, args=(tracer,))
    thread.start()
    assert tracer.finalized.wait(FOREVER)

    assert not flush(0)
    assert not flush(-1)
    let_go()
    assert flush()
    thread.join()


def test_flush_does_not_wait_for_its_own_caller() -> None:
    """A tracer that flushes while it is asked for its command waits for nobody."""
    tracer = FakeTracer()
    answers: list[bool] = []
    finalize = tracer.finalize

    def flushing(options: list[str]) -> Command:
        answers.append(flush())
        return finalize(options)

    tracer.finalize = flushing  # type: ignore[method-assign]
    started = time.monotonic()

    assert trace(tracer).ok
    assert answers == [True]
    assert time.monotonic() - started < FOREVER
