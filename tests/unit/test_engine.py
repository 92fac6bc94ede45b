"""Running tracers on this process (rules 7 to 24 of the engine's design)."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from datetime import timedelta
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd import _greenlets, freeze
from bcd.config import GlobalConfig, current_config, update_config
from bcd.engine import TraceResult, attempt, error_text, flush, plain, trace, tracing, type_name
from bcd.engine.arguments import timeout_of
from bcd.engine.attempt import GATE
from bcd.engine.wording import LONGEST_TEXT
from bcd.errors import (
    Busy,
    ExecutionTimeout,
    ExitError,
    FinalizeError,
    FreezeError,
    KillError,
    SlotTimeout,
    StartError,
    TraceError,
)
from bcd.launch import running
from bcd.tracer import Command, LogPriority, Memory, TraceOptions
from bcd.tracers._options import OptionList
from tests.leftovers import children, nothing_left, open_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tracers run on Linux")

FOREVER = 30.0  # seconds that no test reaches
RECORD = 'for option; do printf "%s\\0" "$option"; done'  # a tracer that prints its options


class FakeTracer(OptionList):
    """A tracer whose program is a small one of the shell; its options are the arguments."""

    def __init__(self, script: str = RECORD, **fields: object) -> None:
        super().__init__()
        self.path, self.script, self.fields = "/bin/sh", script, fields
        self.defaults = TraceOptions(timeout=FOREVER)
        self.lines: list[tuple[LogPriority, str]] = []

    def __str__(self) -> str:
        return "FakeTracer"

    def default_trace_options(self) -> TraceOptions:
        """The shared defaults."""
        return self.defaults

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the message."""
        self.lines.append((level, format % args))

    def set_log_level(self, level: LogPriority) -> None:
        """Nothing is filtered here."""

    def finalize(self, options: list[str]) -> Command:
        """Run the script."""
        argv = [self.path, "-c", self.script, "tracer", *options]
        return Command(argv=argv, **self.fields)  # type: ignore[arg-type]  # tests know the fields


class FakeMemoryTracer(FakeTracer):
    """A tracer that is given the frozen memory as descriptor 3, and two lines of input."""

    def __init__(self, script: str = "cat", **fields: object) -> None:
        super().__init__(script, **fields)
        self.memory: Memory | None = None
        self.given: tuple[BaseException | None, float] | None = None

    def finalize_memory(
        self, options: list[str], memory: Memory, error: BaseException | None, started: float
    ) -> Command:
        """Run the script on the memory."""
        self.memory, self.given = memory, (error, started)
        self.fields = {"stdin": b"{}\n", "released_by": 4, **self.fields}
        self.fields["descriptors"] = {3: memory.descriptor}
        return self.finalize(options)


def soon() -> float:
    """A moment that no test reaches."""
    return time.monotonic() + FOREVER


def options_of(result: TraceResult) -> list[str]:
    """The options that a recording tracer was given."""
    assert result.error is None
    return [os.fsdecode(option) for option in result.stdout.split(b"\0")[:-1]]


def in_child(answer: Callable[[], bool]) -> bool:
    """Fork, ask the child, and return what it answers; an exception there counts as False."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if answer() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test may leave a descriptor, a process, a zombie, a thread or the slot."""
    config = current_config()
    update_config(GlobalConfig(rate_limit=0))
    with nothing_left(at_once=True):
        yield
        assert flush(FOREVER)
    update_config(config)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is shutting down, or a limit on threads."""

    def refused(*_: object) -> int:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(_greenlets, "start_new_thread", refused)


# Options


def test_order_of_the_options() -> None:
    """Base, thread, faulted thread, error, its type, classifications, attributes (rule 7)."""
    tracer = FakeTracer()
    tracer.add_kv("base", "first")
    options = TraceOptions(
        faulted=True,
        caller_only=True,
        err_classification=True,
        classifications=["b", "", "a", "b"],
    )
    result = trace(tracer, ValueError("boom"), options, attributes={"http.method": "GET", "": ""})

    tid = str(threading.get_native_id())
    assert options_of(result) == [
        *("--kv", "base:first"),
        *("--thread", tid),
        *("--fault-thread", tid),
        *("--kv", "error:boom"),
        *("--classifier", "ValueError"),
        *("--classifier", "b", "--classifier", "", "--classifier", "a", "--classifier", "b"),
        *("--kv", "http.method:GET", "--kv", ":"),
    ]


def test_without_an_error_there_is_neither_text_nor_type() -> None:
    """They need an error (rule 7)."""
    result = trace(FakeTracer(), None, TraceOptions(err_classification=True))

    assert options_of(result) == []


def test_the_thread_is_the_one_that_calls() -> None:
    """The tid is the native id of the calling thread (rule 8)."""
    seen: list[tuple[int, list[str]]] = []

    def call() -> None:
        result = trace(FakeTracer(), options=TraceOptions(faulted=True))
        seen.append((threading.get_native_id(), options_of(result)))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()

    assert seen == [(seen[0][0], ["--fault-thread", str(seen[0][0])])]
    assert seen[0][0] != threading.get_native_id()


def test_another_thread_can_be_named_as_the_one_in_trouble() -> None:
    """Whoever traces on behalf of another thread says which (rules 8 and 27)."""
    options = TraceOptions(faulted=True, caller_only=True)
    result = trace(FakeTracer(), options=options, thread=12345)

    assert options_of(result) == ["--thread", "12345", "--fault-thread", "12345"]


class FakeTaskTracer(FakeTracer):
    """A tracer that can be told which task is to blame."""

    def add_caller_task(self, task: int, options: list[str] | None = None) -> list[str] | None:
        """Name it."""
        return self.add_options("--caller-task", str(task), options=options)


def in_a_task(
    tracer: FakeTracer,
    options: TraceOptions,
    thread: int | None = None,
    task: int | None = None,
) -> tuple[list[str], str]:
    """The options of a trace that a task makes, and its address."""

    async def main() -> tuple[list[str], str]:
        result = trace(tracer, ValueError("x"), options, thread=thread, task=task)
        return options_of(result), str(id(asyncio.current_task()))

    return asyncio.run(main())


def test_the_task_is_the_one_that_runs() -> None:
    """After its thread, in the order of rule 7; for a tracer that can be told ("Beyond Go")."""
    faulted, tid = TraceOptions(faulted=True), str(threading.get_native_id())
    for named in (None, int(tid)):
        options, task = in_a_task(FakeTaskTracer(), faulted, named)
        expected = ["--fault-thread", tid, "--caller-task", task, "--kv", "error:x"]
        assert options == expected

    assert in_a_task(FakeTracer(), faulted)[0] == ["--fault-thread", tid, "--kv", "error:x"]


def test_no_task_is_blamed_for_nothing_or_for_another_thread() -> None:
    """Only where ``faulted`` is asked for, and where the thread in trouble runs it (rule 8)."""
    assert in_a_task(FakeTaskTracer(), TraceOptions())[0] == ["--kv", "error:x"]
    options, _ = in_a_task(FakeTaskTracer(), TraceOptions(faulted=True), thread=12345)
    assert options == ["--fault-thread", "12345", "--kv", "error:x"]
    result = trace(FakeTaskTracer(), options=TraceOptions(faulted=True))
    assert "--caller-task" not in options_of(result)


def test_a_task_of_another_thread_can_be_named() -> None:
    """By whoever traces on its behalf."""
    options, _ = in_a_task(FakeTaskTracer(), TraceOptions(faulted=True), thread=12345, task=678)

    assert options[:4] == ["--fault-thread", "12345", "--caller-task", "678"]


def test_asyncio_that_is_being_imported_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may have got half-way."""
    monkeypatch.setitem(sys.modules, "asyncio.tasks", ModuleType("asyncio.tasks"))

    assert trace(FakeTaskTracer(), options=TraceOptions(faulted=True)).ok


def test_the_defaults_hold_where_no_options_are_given() -> None:
    """Edits of the shared defaults persist, and given options replace them all (rules 4, 8)."""
    tracer = FakeTracer()
    tracer.default_trace_options().classifications = ["default"]

    assert options_of(trace(tracer)) == ["--classifier", "default"]
    assert options_of(trace(tracer, options=TraceOptions())) == []


def test_a_trace_writes_nothing_into_the_base() -> None:
    """Not even after the base was cleared, which Go does (rule 5)."""
    tracer = FakeTracer()
    tracer.add_kv("a", "b")
    tracer.clear_options()
    trace(tracer, ValueError("x"), TraceOptions(faulted=True), attributes={"k": "v"})

    assert tracer.options() == []


def test_a_tracer_that_breaks_the_contract_is_told_and_not_written_to() -> None:
    """A method that returns None for a list cannot make the next one extend the base (rule 2)."""

    class FakeForgetful(FakeTracer):
        def add_faulted_thread(self, tid: int, options: list[str] | None = None) -> None:
            """Forget to return."""

    tracer = FakeForgetful()
    result = trace(tracer, ValueError("x"), TraceOptions(faulted=True))

    assert isinstance(result.error, FinalizeError)
    assert tracer.options() == []


# The error in words


class Outer:
    class Inner(Exception):  # noqa: N818 - a name for a test
        """An error of a nested class."""


class FakeMute(Exception):  # noqa: N818
    """An error whose text cannot be had."""

    failure: BaseException = RuntimeError("no")

    def __str__(self) -> str:
        raise self.failure


def test_types_are_named_by_module_and_qualname() -> None:
    """Without the module for builtins (rule 9)."""
    assert type_name(ValueError()) == "ValueError"
    assert type_name(Outer.Inner()) == f"{__name__}.Outer.Inner"


def test_a_metaclass_cannot_answer_for_its_type() -> None:
    """No code of the program runs for the name (rule 9)."""

    class FakeMeta(type):
        def __getattribute__(cls, _: str) -> object:
            raise SystemExit

    kind = FakeMeta("Odd", (Exception,), {"__module__": 5})

    assert type_name(kind()) == "Odd"


@pytest.mark.parametrize("failure", [RuntimeError("no"), SystemExit(1), RecursionError()])
def test_an_error_without_text_is_traced_all_the_same(failure: BaseException) -> None:
    """The type's name and a note stand in for the text (rule 9)."""
    error = FakeMute()
    error.failure = failure
    result = trace(FakeTracer(), error)

    note = f"[its text could not be had: {type(failure).__name__}]"
    assert options_of(result) == ["--kv", f"error:{__name__}.FakeMute {note}"]


def test_an_interrupt_during_the_text_is_not_swallowed() -> None:
    """Ctrl-C still ends a program whose error is slow to print."""
    error = FakeMute()
    error.failure = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        trace(FakeTracer(), error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\0b", "a\ufffdb"),
        ("lone \ud800", "lone \\ud800"),
        ("byte \udcff", "byte \\udcff"),
        ("new\nline\x1b[0m\x7f", "new\nline\x1b[0m\x7f"),
        ("größer", "größer"),
        ("", ""),
    ],
)
def test_what_an_argument_cannot_hold_is_replaced(text: str, expected: str) -> None:
    """NUL becomes U+FFFD, lone surrogates are escaped, other characters pass (rule 10)."""
    tracer = FakeTracer()
    options = TraceOptions(classifications=[text])
    result = trace(tracer, ValueError(text), options, attributes={text: text})

    assert options_of(result) == [
        *("--kv", f"error:{expected}"),
        *("--classifier", expected),
        *("--kv", f"{expected}:{expected}"),
    ]


@given(st.text(st.characters()))
def test_plain_text_can_always_be_an_argument(text: str) -> None:
    """Whatever the text, it has no NUL, is UTF-8 and bounded (rule 10)."""
    result = plain(text)

    assert b"\0" not in result.encode("utf-8")
    assert plain(result) == result


@pytest.mark.parametrize("character", ["x", "é", "€", "😀", "\0", "\ud800"])
@pytest.mark.parametrize("length", [LONGEST_TEXT // 4, LONGEST_TEXT, LONGEST_TEXT + 1, 10_000_000])
def test_long_text_is_cut_and_marked(character: str, length: int) -> None:
    """What is left is at most 16 KiB of UTF-8 with the mark (rule 10)."""
    result = plain(character * length)
    whole = character.encode("utf-8", "backslashreplace").replace(b"\0", b"\xef\xbf\xbd") * length

    assert len(result.encode("utf-8")) <= LONGEST_TEXT
    assert result.endswith("...[cut]") == (len(whole) > LONGEST_TEXT)


def test_a_message_of_10_mb_is_traced() -> None:
    """The content of a value never fails a trace (rule 10)."""
    (_, text) = options_of(trace(FakeTracer(), ValueError("x" * 10_000_000)))

    assert text.startswith("error:xxx")
    assert text.endswith("...[cut]")


def test_a_base_option_that_cannot_be_an_argument_is_made_one() -> None:
    """Values that the program added itself do not fail a trace either (rule 10)."""
    tracer = FakeTracer()
    tracer.add_kv("k", "a\0b" + "x" * 200_000)
    (_, value) = options_of(trace(tracer))

    assert value.startswith("k:a\ufffdbxx")
    assert value.endswith("...[cut]")


def test_no_method_of_a_texts_own_class_is_called() -> None:
    """``str(error)`` is the one call of the program's code there is."""

    class FakeText(str):
        __slots__ = ()

        def __getitem__(self, _: object) -> str:
            raise SystemExit

        __len__ = replace = encode = isascii = __getitem__  # type: ignore[assignment]

    class FakeError(Exception):
        def __str__(self) -> str:
            return FakeText("odd")

    assert error_text(FakeError()) == "odd"


# Attributes


def test_attributes_are_made_once_the_slot_was_won() -> None:
    """That is where hooks do their costly work."""
    seen: list[bool] = []

    def attributes() -> dict[str, str]:
        seen.append(GATE.is_open())
        return {"k": "v"}

    assert options_of(trace(FakeTracer(), attributes=attributes)) == ["--kv", "k:v"]
    assert seen == [False]


def test_a_callable_may_decide_against_the_trace() -> None:
    """Nothing runs, and no rate limit is consumed."""
    update_config(GlobalConfig(rate_limit=1000))
    tracer = FakeTracer()
    result = trace(tracer, attributes=lambda: None)

    assert result.dropped
    assert result.ok
    assert tracer.lines == []
    assert GATE.is_open()


def test_attributes_that_fail_are_an_error() -> None:
    """The caller gets no exception but a result."""

    def attributes() -> dict[str, str]:
        raise LookupError("no request here")

    tracer = FakeTracer()
    result = trace(tracer, attributes=attributes)

    assert isinstance(result.error, FinalizeError)
    assert "LookupError: no request here" in str(result.error)
    assert isinstance(result.error.__cause__, LookupError)


def test_attributes_that_are_no_text_become_one() -> None:
    """A careless hook does not fail a trace."""
    attributes = {"status": 500, "error": FakeMute()}
    result = trace(FakeTracer(), attributes=attributes)  # type: ignore[arg-type]  # the point

    assert options_of(result)[1] == "status:500"
    assert "could not be had" in options_of(result)[3]


# The process


def test_a_good_result() -> None:
    """Outputs, status and times are there, and nothing was logged."""
    tracer = FakeTracer("echo path; echo note >&2")
    result = trace(tracer)

    assert result.ok
    assert not result.dropped
    assert (result.stdout, result.stderr, result.exit_status) == (b"path\n", b"note\n", 0)
    assert 0 < result.held <= result.duration < FOREVER
    assert tracer.lines == []
    result.raise_for_error()


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("exit 3", 3, "'/bin/sh' exited with status 3"),
        ("echo a >&2; echo why not >&2; echo >&2; exit 3", 3, "status 3: why not"),
        ("kill -SEGV $$", -11, "was ended by signal 11 (SIGSEGV)"),
        ("kill -40 $$", -40, "was ended by signal 40"),
        ("head -c 200000 /dev/zero | tr '\\0' x >&2; exit 1", 1, "status 1: xxx"),
    ],
)
def test_a_bad_end_is_an_error_that_names_the_status(script: str, status: int, words: str) -> None:
    """A non-zero exit or a death by a signal, with the tracer's last words (rule 13)."""
    tracer = FakeTracer(script)
    result = trace(tracer)

    assert isinstance(result.error, ExitError)
    assert result.exit_status == status
    assert words in str(result.error)
    assert [level for level, _ in tracer.lines] == [LogPriority.ERROR]
    assert words in tracer.lines[0][1]
    assert len(tracer.lines[0][1]) < 1000
    with pytest.raises(ExitError):
        result.raise_for_error()


@pytest.mark.parametrize("path", ["/nowhere/tracer", "", "/etc", "/etc/passwd"])
@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
@pytest.mark.parametrize("detach", [True, False])
def test_what_cannot_be_started_is_an_error_that_names_the_path(
    path: str, kind: type[FakeTracer], *, detach: bool
) -> None:
    """Missing, empty, a directory, not executable: logged at ERROR (rule 13)."""
    tracer = kind()
    tracer.path = path
    result = trace(tracer, detach=detach)

    assert isinstance(result.error, StartError)
    assert repr(path) in str(result.error)
    assert [level for level, _ in tracer.lines] == [LogPriority.ERROR]


def test_the_log_is_one_line() -> None:
    """Whatever the message holds."""
    tracer = FakeTracer()
    tracer.path = "/no\nwhere"
    trace(tracer, attributes={"a": "b"})
    tracer = FakeTracer()
    trace(tracer, attributes=lambda: 1 / 0)  # type: ignore[arg-type,return-value]  # the point

    assert all("\n" not in line for _, line in tracer.lines)


def test_a_log_that_fails_does_not_fail_the_program() -> None:
    """The result tells it all the same."""

    class FakeBrokenLog(FakeTracer):
        def logf(self, *_: object) -> None:
            """Fail."""
            raise RuntimeError("the disk is full")

    assert isinstance(trace(FakeBrokenLog("exit 1")).error, ExitError)


@pytest.mark.parametrize("method", ["options", "default_trace_options", "finalize", "add_kv"])
def test_a_tracer_that_raises_is_an_error(method: str) -> None:
    """``trace`` returns it, with what was raised as its cause."""

    def fail(*_: object) -> None:
        raise LookupError("no licence")

    tracer = FakeTracer()
    setattr(tracer, method, fail)
    result = trace(tracer, ValueError())

    assert isinstance(result.error, FinalizeError)
    assert "LookupError: no licence" in str(result.error)
    assert isinstance(result.error.__cause__, LookupError)
    assert len(tracer.lines) == 1


def test_something_that_is_no_tracer_is_an_error() -> None:
    """``trace`` does not raise for it."""
    result = trace(object())  # type: ignore[arg-type]  # that is the point

    assert isinstance(result.error, FinalizeError)


def test_the_base_is_read_at_call_time_and_the_path_after_the_wait() -> None:
    """So that ``set_path`` during the wait takes effect (rule 12)."""
    tracer = FakeTracer()
    tracer.path = "/nowhere"
    tracer.add_kv("before", "1")
    holder = GATE.try_acquire()
    assert holder is not None
    results: list[TraceResult] = []
    holder.hand_over()
    thread = threading.Thread(target=lambda: results.append(trace(tracer)))
    thread.start()
    while len(GATE.queue) < 2:
        os.sched_yield()
    tracer.path = "/bin/sh"
    tracer.add_kv("after", "2")
    holder.give_back()
    thread.join()

    assert options_of(results[0]) == ["--kv", "before:1"]


def test_sigchld_ignored_and_silent_counts_as_good() -> None:
    """The kernel reaps then, and nobody knows the status."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        good = trace(FakeTracer("echo path; exit 0"))
        bad = trace(FakeTracer("echo why >&2; exit 3"))
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert good.ok
    assert good.exit_status is None
    assert isinstance(bad.error, ExitError)
    assert "status is unknown: why" in str(bad.error)


def test_a_broken_writer_is_an_error() -> None:
    """The tracer's output is not lost in silence."""
    result = trace(FakeTracer("echo path", stdout=SimpleNamespace(write=None)))

    assert result.exit_status == 0
    assert "its output could not be written" in str(result.error)


# Time-outs


@pytest.mark.parametrize(
    ("own", "default", "expected"),
    [
        (5, 7, 5.0),
        (timedelta(seconds=5), 7, 5.0),
        (0, 7, 7.0),
        (0, timedelta(seconds=7), 7.0),
        (-1, 7, math.inf),
        (0, -1, math.inf),
        (0, 0, 120.0),
        (math.inf, 7, math.inf),
    ],
)
def test_which_timeout_holds(
    own: float | timedelta, default: float | timedelta, expected: float
) -> None:
    """0 takes the tracer's default, below 0 means none, also as the default (rules 8, 14)."""
    tracer = FakeTracer()
    tracer.defaults = TraceOptions(timeout=default)

    assert timeout_of(tracer, TraceOptions(timeout=own)) == expected


def test_without_a_timeout_the_tracer_is_waited_for() -> None:
    """Below 0 means none (rule 14)."""
    assert trace(FakeTracer("exit 0"), options=TraceOptions(timeout=-1)).ok


@pytest.mark.parametrize("wrong", ["soon", None, math.nan])
def test_a_timeout_that_is_none_is_an_error(wrong: object) -> None:
    """The message names it and what is accepted."""
    options = TraceOptions(timeout=wrong)  # type: ignore[arg-type]  # that is the point
    result = trace(FakeTracer(), options=options)

    assert "timeout is" in str(result.error)
    assert "seconds (a number) and a timedelta" in str(result.error)


def test_a_slot_not_won_in_time() -> None:
    """No tracer runs, and the rate limit is not touched (rules 15 and 16)."""
    holder = GATE.try_acquire()
    assert holder is not None
    holder.hand_over()
    opens_at = GATE.opens_at
    finalized: list[object] = []
    tracer = FakeTracer()
    tracer.finalize = finalized.append  # type: ignore[assignment,method-assign]  # must not be called
    result = trace(tracer, options=TraceOptions(timeout=0.01))

    assert isinstance(result.error, SlotTimeout)
    assert str(result.error).startswith("tracer lock acquisition timed out")
    assert finalized == []
    assert GATE.opens_at == opens_at
    assert len(tracer.lines) == 1
    holder.give_back()


def test_the_rate_limit_counts_as_waiting() -> None:
    """A wait for the end of the limit is bounded by the time-out too (rule 15)."""
    GATE.opens_at = soon()
    result = trace(FakeTracer(), options=TraceOptions(timeout=0.01))

    assert isinstance(result.error, SlotTimeout)


def test_the_wait_is_part_of_the_timeout() -> None:
    """A tracer that starts late has less time (rule 15)."""
    GATE.opens_at = time.monotonic() + 0.15
    begin = time.monotonic()
    result = trace(FakeTracer("exec sleep 1000"), options=TraceOptions(timeout=0.3))

    assert isinstance(result.error, ExecutionTimeout)
    assert 0.3 <= time.monotonic() - begin < FOREVER


def test_the_clock_starts_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left for the tracer is the time-out less the wait for the slot (rule 15)."""
    deadlines: list[float] = []
    wait = running.Running.wait

    def note(self: running.Running, deadline: float) -> bool:
        deadlines.append(deadline)
        return wait(self, deadline)

    monkeypatch.setattr(running.Running, "wait", note)
    before = time.monotonic()
    GATE.opens_at = opens_at = before + 0.05
    assert trace(FakeTracer("exit 0")).ok

    assert before + FOREVER <= deadlines[0] < opens_at + FOREVER


@pytest.mark.parametrize(
    "script", ["exec sleep 1000", "trap '' TERM INT; while :; do sleep 1000; done", "yes"]
)
def test_a_tracer_that_runs_too_long_is_killed(script: str) -> None:
    """With SIGKILL, so that it cannot refuse, and reaped (rule 17)."""
    tracer = FakeTracer(script)
    result = trace(tracer, options=TraceOptions(timeout=0.05))

    assert isinstance(result.error, ExecutionTimeout)
    assert str(result.error).startswith("tracer execution timed out")
    assert "/bin/sh" in str(result.error)
    assert len(tracer.lines) == 1


def test_the_caller_is_told_within_milliseconds() -> None:
    """Of the time-out, and of the tracer's end; the limit is not waited for (rules 17, 20)."""
    update_config(GlobalConfig(rate_limit=1000))
    late: list[float] = []
    for _ in range(3):  # the best of three, as the machine may be busy
        GATE.reset()
        killed = trace(FakeTracer("exec sleep 1000"), options=TraceOptions(timeout=0.02))
        GATE.reset()
        ended = trace(FakeTracer("exit 0"))
        late.append(killed.duration - 0.02 + ended.duration)

    assert min(late) < 0.5


def test_a_killed_tracer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes long to die is reaped later, without the caller (rule 17)."""
    before = open_descriptors()
    ours, theirs = os.pipe()
    with monkeypatch.context() as patch:  # it is told to die, and takes its time
        patch.setattr(os, "killpg", lambda *_: None)
        patch.setattr(signal, "pidfd_send_signal", lambda *_: None)
        result = trace(FakeTracer("read line", stdin=ours), options=TraceOptions(timeout=0.05))
        (still_there,) = children()

    assert isinstance(result.error, ExecutionTimeout)
    assert result.duration < FOREVER / 2
    os.close(theirs)
    os.close(ours)
    end = soon()
    while open_descriptors() != before:  # until it was reaped
        assert time.monotonic() < end
        os.sched_yield()
    assert still_there not in children()


@pytest.mark.parametrize("timeout", [1e-9, 1e-6, 1e-4, 1e-3])
@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
def test_a_timeout_of_nearly_nothing(timeout: float, kind: type[FakeTracer]) -> None:
    """One of the two errors, and no tracer left running (rule 18)."""
    result = trace(kind("exec sleep 1000"), options=TraceOptions(timeout=timeout))

    assert isinstance(result.error, (SlotTimeout, ExecutionTimeout))


def test_a_grandchild_with_the_pipe_does_not_hold_the_caller() -> None:
    """The tracer's end is what counts (rule 19)."""
    result = trace(FakeTracer("sleep 1000 & echo $!"))

    assert result.ok
    assert result.duration < FOREVER / 2
    os.kill(int(result.stdout), signal.SIGKILL)


# Rate limit


def test_the_caller_does_not_wait_for_the_limit() -> None:
    """It returns at the tracer's end; the slot stays closed after it (rule 20)."""
    update_config(GlobalConfig(rate_limit=1000))
    result = trace(FakeTracer("exit 0"))

    assert result.ok
    assert result.duration < FOREVER
    assert 0 < GATE.opens_at - time.monotonic() <= 1000


def test_gaps_with_four_callers(tmp_path: Path) -> None:
    """From the end of one to the start of the next it is at least the limit (rule 20)."""
    update_config(GlobalConfig(rate_limit=0.05))
    log = tmp_path / "log"
    tracer = FakeTracer(f"read up rest </proc/uptime; date +%s.%N >>{log}; date +%s.%N >>{log}")
    threads = [threading.Thread(target=trace, args=(tracer,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    moments = [float(line) for line in log.read_text(encoding="ascii").split()]
    starts, ends = moments[0::2], moments[1::2]
    assert len(starts) == 4
    gaps = [start - end for end, start in zip(ends, starts[1:], strict=False)]
    assert min(gaps) >= 0.05
    assert min(gaps) < 1
    assert all(later > earlier for earlier, later in pairwise(starts))


def test_callers_are_served_in_the_order_in_which_they_came() -> None:
    """First come, first served (rule 20)."""
    holder = GATE.try_acquire()
    assert holder is not None
    holder.hand_over()
    served: list[int] = []

    def call(number: int) -> None:
        def attributes() -> None:  # called once the slot was won; None drops the trace
            served.append(number)

        trace(FakeTracer(), attributes=attributes)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(GATE.queue) < number + 2:
            os.sched_yield()
    holder.give_back()
    for thread in threads:
        thread.join()

    assert served == list(range(6))


class FakeFailingFreeze(FakeMemoryTracer):
    """A memory tracer that cannot make its command."""

    def finalize_memory(self, *_: object) -> Command:
        """Fail."""
        raise LookupError("no")


@pytest.mark.parametrize(
    "tracer",
    [
        FakeTracer("exit 0"),
        FakeTracer("exit 1"),
        FakeTracer("exec sleep 1000"),
        FakeTracer(cwd="/nowhere"),
        FakeFailingFreeze(),
    ],
    ids=["success", "failure", "time-out", "failed start", "finalize raises"],
)
def test_what_consumes_the_limit(tracer: FakeTracer) -> None:
    """Everything that won the slot (rule 21)."""
    update_config(GlobalConfig(rate_limit=1000))
    trace(tracer, options=TraceOptions(timeout=0.2))

    assert GATE.opens_at > time.monotonic()


def refuse_to_kill(*_: object) -> None:
    """What the kernel says to a kill of another user's process."""
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture
def immortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTracer]:
    """A tracer that cannot be killed, and that ends once the test is over."""
    before = open_descriptors()
    ours, theirs = os.pipe()
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refuse_to_kill)
        yield FakeTracer("read line", stdin=ours)
    os.close(theirs)
    os.close(ours)
    end = soon()
    while open_descriptors() != before:  # until it was reaped
        assert time.monotonic() < end
        os.sched_yield()


def test_a_kill_that_fails_is_raised(immortal: FakeTracer) -> None:
    """In the caller, and the slot is released after the limit all the same (rule 22)."""
    update_config(GlobalConfig(rate_limit=1000))
    with pytest.raises(KillError, match="could not be killed: Operation not permitted"):
        trace(immortal, options=TraceOptions(timeout=0.05))

    assert not GATE.queue
    assert GATE.opens_at > time.monotonic()
    assert len(immortal.lines) == 1


def test_a_kill_that_fails_may_be_a_timeout(immortal: FakeTracer) -> None:
    """Without ``raise_on_kill_failure`` the time-out's error is returned (rule 22)."""
    update_config(GlobalConfig(rate_limit=0, raise_on_kill_failure=False))
    result = trace(immortal, options=TraceOptions(timeout=0.05))

    assert isinstance(result.error, ExecutionTimeout)
    assert "could not be killed" in immortal.lines[0][1]


def test_a_detached_kill_that_fails_is_logged(immortal: FakeTracer) -> None:
    """There is nobody to raise it to (rule 22)."""
    assert trace(immortal, options=TraceOptions(timeout=0.05), detach=True).ok
    assert flush(FOREVER)

    assert "could not be killed" in immortal.lines[0][1]


def test_the_limit_is_read_at_call_time() -> None:
    """A change during the trace holds for the next one (rule 23)."""

    def attributes() -> dict[str, str]:
        update_config(GlobalConfig(rate_limit=0))
        return {}

    update_config(GlobalConfig(rate_limit=1000))
    trace(FakeTracer("exit 0"), attributes=attributes)

    assert GATE.opens_at > time.monotonic() + 900


def test_the_limit_is_read_before_the_wait() -> None:
    """A caller who waits while it is changed keeps the old one (rule 23)."""
    update_config(GlobalConfig(rate_limit=1000))
    holder = GATE.try_acquire()
    assert holder is not None
    holder.hand_over()
    thread = threading.Thread(target=trace, args=(FakeTracer("exit 0"),))
    thread.start()
    while len(GATE.queue) < 2:
        os.sched_yield()
    update_config(GlobalConfig(rate_limit=0))
    holder.give_back()
    thread.join()

    assert GATE.opens_at > time.monotonic() + 900


def test_the_end_of_the_process_does_not_wait_for_the_limit() -> None:
    """It is neither a thread nor a timer (rule 24)."""
    program = (
        "import bcd\n"
        "bcd.update_config(bcd.GlobalConfig(rate_limit=1000))\n"
        "assert bcd.trace(bcd.BTTracer(path='/bin/true')).ok\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=FOREVER)


def test_a_child_forked_during_the_limit_traces_at_once() -> None:
    """It starts with a free slot (rule 24)."""
    update_config(GlobalConfig(rate_limit=1000))
    trace(FakeTracer("exit 0"))

    assert in_child(lambda: trace(FakeTracer("exit 0"), wait=False).ok)
    assert not GATE.is_open()


def test_a_child_forked_during_a_trace_is_free() -> None:
    """Also while another thread holds the slot and a tracer runs (rule 24)."""
    before = set(open_descriptors())
    ours, theirs = os.pipe()
    tracer = FakeTracer("echo $$; read line", stdin=ours)
    results: list[TraceResult] = []
    thread = threading.Thread(target=lambda: results.append(trace(tracer)))
    thread.start()
    while not children():
        os.sched_yield()

    def answer() -> bool:
        mine = set(open_descriptors()) - before - {ours, theirs}
        return not mine and trace(FakeTracer("exit 0"), wait=False).ok and flush(0)

    good = in_child(answer)
    os.write(theirs, b"\n")
    thread.join()
    os.close(ours)
    os.close(theirs)

    assert good
    assert results[0].ok


def test_a_child_forked_during_a_detached_trace_is_free() -> None:
    """The reaper, the copy and the tracer stay the parent's, and the child has its own."""
    before = set(open_descriptors())
    ours, theirs = os.pipe()
    tracer = FakeMemoryTracer("read line <&5", descriptors={5: ours})
    tracer.finalize_memory = FakeHolding(tracer, ours)  # type: ignore[assignment,method-assign]  # another form
    assert trace(tracer, detach=True).ok

    def answer() -> bool:
        mine = set(open_descriptors()) - before - {ours, theirs}
        gc.collect()
        own = FakeMemoryTracer()
        return not mine and flush(0) and trace(own, wait=False, detach=True).ok and flush(FOREVER)

    good = in_child(answer)
    still_there = len(children())
    os.write(theirs, b"\n")
    os.close(ours)
    os.close(theirs)

    assert good
    assert still_there == 2
    assert flush(FOREVER)
    assert tracer.lines == []


class FakeHolding:
    """Makes a memory tracer's command with one more descriptor."""

    def __init__(self, tracer: FakeTracer, descriptor: int) -> None:
        self.tracer, self.descriptor = tracer, descriptor

    def __call__(self, options: list[str], memory: Memory, *_: object) -> Command:
        """Make the command."""
        self.tracer.fields = {
            "stdin": b"{}\n",
            "descriptors": {3: memory.descriptor, 5: self.descriptor},
        }
        return self.tracer.finalize(options)


# Not waiting, detaching


def test_busy_at_once() -> None:
    """A caller who does not wait is told so, and nothing is logged."""
    holder = GATE.try_acquire()
    assert holder is not None
    tracer = FakeTracer()
    result = trace(tracer, wait=False)

    assert isinstance(result.error, Busy)
    assert tracer.lines == []
    holder.give_back()


def test_busy_when_another_was_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the attempt the slot may go."""
    holder = GATE.try_acquire()
    assert holder is not None
    monkeypatch.setattr(tracing, "GATE", SimpleNamespace(is_open=lambda: True))
    tracer = FakeTracer()
    result = trace(tracer, wait=False)

    assert isinstance(result.error, Busy)
    assert tracer.lines == []
    holder.give_back()


def test_the_busy_path_is_cheap() -> None:
    """An error that the limit lets pass costs microseconds (far below this bound)."""
    holder = GATE.try_acquire()
    assert holder is not None
    tracer, error = FakeTracer(), ValueError("x" * 1_000_000)
    begin = time.perf_counter()
    for _ in range(10_000):
        trace(tracer, error, wait=False)
    passed = time.perf_counter() - begin
    holder.give_back()

    assert passed < 2  # seconds for 10,000: measured 0.02


def test_a_trace_inside_a_trace_is_busy() -> None:
    """The thread would wait for itself otherwise, until the time-out."""
    inner: list[TraceResult] = []

    def attributes() -> dict[str, str]:
        inner.append(trace(FakeTracer()))
        return {}

    assert trace(FakeTracer(), attributes=attributes).ok
    assert isinstance(inner[0].error, Busy)


def test_detached_returns_before_the_end() -> None:
    """The reaper does the rest: it waits, reaps, releases."""
    ours, theirs = os.pipe()
    tracer = FakeTracer("read line", stdin=ours)
    result = trace(tracer, detach=True)

    assert result.ok
    assert result.exit_status is None
    assert not flush(0)
    assert not flush(-1)
    assert isinstance(trace(tracer, wait=False).error, Busy)
    os.close(theirs)
    assert flush(FOREVER)
    assert flush(0)
    os.close(ours)


def test_a_detached_trace_does_not_keep_the_error_alive() -> None:
    """The frames of a request go when the request is over, not when the tracer is."""
    ours, theirs = os.pipe()
    tracer = FakeTracer("read line; exit 0", stdin=ours)
    error = Outer.Inner()
    dropped: list[object] = []
    watch = weakref.ref(error, dropped.append)
    assert trace(tracer, error, detach=True).ok
    del error

    assert dropped == [watch]
    assert not flush(0)
    os.close(theirs)
    assert flush(FOREVER)
    os.close(ours)


def test_a_detached_failure_is_logged() -> None:
    """There is nobody else to tell."""
    tracer = FakeTracer("echo why not >&2; exit 3")
    assert trace(tracer, detach=True).ok
    assert flush(FOREVER)

    assert tracer.lines == [
        (LogPriority.ERROR, "trace failed: the tracer '/bin/sh' exited with status 3: why not")
    ]


def test_a_detached_tracer_that_runs_too_long_is_killed() -> None:
    """By the reaper; the limit counts from the kill (rules 17 and 21)."""
    update_config(GlobalConfig(rate_limit=1000))
    tracer = FakeMemoryTracer("exec sleep 1000")
    assert trace(tracer, options=TraceOptions(timeout=0.05), detach=True).ok
    assert flush(FOREVER)

    assert "tracer execution timed out" in tracer.lines[0][1]
    assert GATE.opens_at > time.monotonic() + 900


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
def test_without_threads_a_detached_trace_is_finished_at_once(kind: type[FakeTracer]) -> None:
    """As while the interpreter shuts down."""
    result = trace(kind("exit 3"), detach=True)

    assert isinstance(result.error, ExitError)
    assert flush(0)


@pytest.mark.usefixtures("no_threads")
def test_without_threads_the_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that ends is not held for the tracer's whole time-out."""
    monkeypatch.setattr(tracing, "_INLINE_SECONDS", 0.05)
    result = trace(FakeTracer("exec sleep 1000"), detach=True)

    assert isinstance(result.error, ExecutionTimeout)


def test_a_finalizing_interpreter_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 would take the thread and never run it."""
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)

    assert isinstance(trace(FakeTracer("exit 3"), detach=True).error, ExitError)


# Frozen memory


def test_a_memory_tracer_gets_a_frozen_copy() -> None:
    """It is made for it, readable through its descriptor, and gone afterwards."""
    script = "readlink /proc/self/fd/3; cat"
    tracer = FakeMemoryTracer(script)
    error = ValueError("boom")
    begin = time.monotonic()
    result = trace(tracer, error)

    assert result.ok
    link, first, second = result.stdout.splitlines()
    assert link.endswith(b"/mem")
    assert b"/proc/%d/" % os.getpid() not in link
    assert first == b"{}"
    assert second.startswith(b'{"blocked_ms": ')
    assert tracer.given is not None
    assert tracer.given[0] is error
    assert begin <= tracer.given[1] <= time.monotonic()


@pytest.mark.parametrize("script", ["exec 4<&-; cat", "exec 3<&- 4<&-; exit 0", "cat"])
def test_without_a_copy_the_program_is_held_until_the_tracer_lets_go(
    monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """By closing the descriptor, by ending, or after a moment at the latest."""
    take = freeze.freeze
    monkeypatch.setattr(
        attempt, "freeze", lambda memory, seconds: take(memory, seconds=seconds, limit=0)
    )
    tracer = FakeMemoryTracer(script)
    result = trace(tracer, detach=True)
    assert result.ok
    assert tracer.memory is not None
    assert tracer.memory.mode == "gil-held"
    assert flush(FOREVER)
    assert tracer.lines == []
    assert result.held < FOREVER


def test_memory_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program goes on."""

    def fail(*_: object, **__: object) -> None:
        raise FreezeError("no /proc here: mount it")

    monkeypatch.setattr(attempt, "freeze", fail)
    tracer = FakeMemoryTracer()
    result = trace(tracer)

    assert isinstance(result.error, FreezeError)
    assert "mount it" in tracer.lines[0][1]


def test_a_fault_of_bcd_itself_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even then nothing is raised into the program."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(attempt, "freeze", fail)
    result = trace(FakeMemoryTracer())

    assert type(result.error) is TraceError
    assert "please report it" in str(result.error)


@pytest.mark.parametrize(
    ("place", "times"),
    [("__init__", 1), ("begin", 1), ("conclude", 1), ("result", 1), ("finish", 1), ("finish", 2)],
)
def test_out_of_memory_is_an_error(monkeypatch: pytest.MonkeyPatch, place: str, times: int) -> None:
    """Wherever the memory ends, the program is not told by an exception."""
    genuine = getattr(attempt.Attempt, place)
    failures = [MemoryError()] * times

    def run_out(self: attempt.Attempt, *arguments: Any, **named: Any) -> object:
        if failures:
            raise failures.pop()
        return genuine(self, *arguments, **named)

    monkeypatch.setattr(attempt.Attempt, place, run_out)
    result = trace(FakeTracer("exit 0"))

    assert "the program is out of memory" in str(result.error)


RELEASING = {"open", "close", "read", "write", "pipe", "pipe2", "waitid", "waitpid", "poll"}


def test_the_gil_is_kept_until_a_detached_trace_returns() -> None:
    """No function of C that gives the GIL up is called on the way (3-TRACER, "Freeze")."""
    called: list[str] = []

    def note(_: object, event: str, function: object) -> None:
        if event == "c_call" and getattr(function, "__module__", "") in {"posix", "select", "time"}:
            called.append(getattr(function, "__name__", "?"))

    tracer = FakeMemoryTracer()
    sys.setprofile(note)
    result = trace(tracer, wait=False, detach=True)
    sys.setprofile(None)

    assert result.ok
    assert "monotonic" in called
    assert not RELEASING.intersection(called)


# Interrupts


class Interrupter:
    """Raises KeyboardInterrupt at the n-th point where the interpreter could do so in bcd.

    Those points are the entry into a function of Python and the return from one of C.
    Source: ``CHECK_EVAL_BREAKER`` in CPython's ``Python/ceval.c``.
    """

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: object, event: str, _: object) -> None:
        """Count, and raise at zero."""
        file = frame.f_code.co_filename  # type: ignore[attr-defined]  # a frame
        if event not in {"call", "c_return"} or "/bcd/" not in file or "/tests/" in file:
            return
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


# An interrupt inside a finalizer is reported by the interpreter and goes no further.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("kind", [FakeTracer, FakeMemoryTracer])
def test_an_interrupt_anywhere_leaves_nothing_behind(
    kind: type[FakeTracer], *, detach: bool
) -> None:
    """Neither a copy, a process, a descriptor nor the slot, wherever Ctrl-C strikes."""
    trace(kind("exit 0"))
    before = open_descriptors()
    number, interrupted = 0, True
    while interrupted:
        number += 1
        interrupter = Interrupter(number)
        sys.setprofile(interrupter)
        try:
            trace(kind("exit 0"), detach=detach)
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        interrupted = interrupter.left <= 0
        assert flush(FOREVER)
        assert not GATE.queue, number
        assert children() == [], number
        assert open_descriptors() == before, number

    assert number > 100
