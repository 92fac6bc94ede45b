"""The tracer for Backtrace's program, whose part a recording tracer plays."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bcd
from bcd.config import GlobalConfig, current_config, update_config
from bcd.engine import type_name
from bcd.engine.attempt import GATE
from bcd.errors import ExecutionTimeout, ExitError, StartError
from bcd.tracer import LogPriority, PutTracer, TraceOptions, TracerSig
from bcd.tracers.backtrace import BTTracer
from tests.leftovers import nothing_left
from tests.recording import RecordingProgram, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = ["--load=", "--module=python:enable,true,filter,user", "--faulted"]


class FakeLog:
    """A log that keeps its calls."""

    def __init__(self) -> None:
        self.masks: list[LogPriority] = []
        self.lines: list[tuple[LogPriority, str]] = []

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the line."""
        self.lines.append((level, format % args))

    def set_log_level(self, level: LogPriority) -> None:
        """Keep the mask."""
        self.masks.append(level)


class Outer:
    class Inner(Exception):  # noqa: N818 - a name for a test
        """An error of a nested class."""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No rate limit, and neither slot nor descriptor is left."""
    config = current_config()
    update_config(GlobalConfig(rate_limit=0))
    with nothing_left(at_once=True):
        yield
        assert bcd.flush(30)
    update_config(config)


@pytest.fixture
def program(tmp_path: Path) -> RecordingProgram:
    """What stands in for Backtrace's program."""
    return RecordingProgram(tmp_path)


@pytest.fixture
def tracer(program: RecordingProgram) -> BTTracer:
    """A tracer that runs it."""
    return BTTracer(path=program.path)


def only_run(program: RecordingProgram) -> Run:
    """What the one run there was noted."""
    (run,) = program.runs()
    return run


class TestOptions:
    def test_base(self) -> None:
        """Load, module, faulted, pid (rule 1)."""
        assert BTTracer().options() == [*BASE, str(os.getpid())]

    def test_system_threads_and_module(self) -> None:
        """With the system's threads nothing is filtered; the module can be another (rule 1)."""
        options = BTTracer(True, module="native").options()  # noqa: FBT003 - as in go-bcd
        assert options == ["--load=", "--module=native:enable,true", "--faulted", str(os.getpid())]

    def test_the_pid_is_that_of_a_forked_child(self, program: RecordingProgram) -> None:
        """A tracer made before the fork names the child, in its options and its trace (rule 1)."""
        tracer = BTTracer(path=program.path)
        child = os.fork()
        if child == 0:
            right = tracer.options()[3] == str(os.getpid()) and bcd.trace(tracer).ok
            os._exit(0 if right else 1)
        assert os.waitpid(child, 0)[1] == 0
        run = only_run(program)
        assert (run.argv[4], run.parent) == (str(child), child)
        assert tracer.options()[3] == str(os.getpid())

    def test_cleared_options_have_no_pid(self, tracer: BTTracer, program: RecordingProgram) -> None:
        """Nothing comes back, neither the pid nor what a trace added (rules 1 and 5)."""
        tracer.clear_options()
        bcd.trace(tracer, ValueError("x"), TraceOptions(faulted=True, err_classification=True))
        assert tracer.options() == []
        tid = str(threading.get_native_id())
        assert only_run(program).argv[1:] == [
            *("--fault-thread", tid, "--kv", "error:x", "--classifier", "ValueError")
        ]

    def test_copies(self, tracer: BTTracer) -> None:
        """Edits of what is returned change nothing (rule 4)."""
        tracer.options().append("more")
        tracer.sigset().append(1)
        assert len(tracer.options()) == 4
        assert len(tracer.sigset()) == 6

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("add_kv"), st.tuples(st.text(), st.text())),
                st.tuples(st.just("add_classifier"), st.tuples(st.text())),
                st.tuples(st.just("add_thread_filter"), st.tuples(st.integers())),
                st.tuples(st.just("add_faulted_thread"), st.tuples(st.integers())),
                st.tuples(st.just("add_options"), st.lists(st.text()).map(tuple)),
            )
        ),
        st.lists(st.text()),
    )
    def test_any_sequence_of_additions(
        self, calls: list[tuple[str, tuple[str | int, ...]]], given_list: list[str]
    ) -> None:
        """The base and a list of one's own grow alike, and neither by the other (rules 2, 3)."""
        tracer = BTTracer()
        base, extended, before = tracer.options(), given_list, list(given_list)
        expected: list[str] = []
        for method, arguments in calls:
            add = getattr(tracer, method)
            assert add(*arguments) is None
            unchanged = tracer.options()
            extended = add(*arguments, options=extended)
            assert tracer.options() == unchanged
            expected += in_words(method, arguments)
        assert tracer.options() == base + expected
        assert extended == before + expected
        assert given_list == before

    def test_threads_that_add_at_once(self, tracer: BTTracer) -> None:
        """What one call adds stays together, and each thread's calls in order (rule 6)."""
        barrier = threading.Barrier(4)

        def add(name: str) -> None:
            barrier.wait()
            for number in range(300):
                tracer.add_kv(name, str(number))
                tracer.add_options(*[f"{name}:{number}"] * 40)

        threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        runs = [(text, len(list(same))) for text, same in groupby(tracer.options()[4:])]
        flags = [number for number, run in enumerate(runs) if run == ("--kv", 1)]
        assert len(flags) == 1200
        for name in "abcd":
            values = [run for run in runs if run[0].startswith(name)]
            assert sum(length for _, length in values) == 300 * 41
            assert {length for _, length in values} <= {1, 40, 41}
            pieces = [text for text, length in values if length != 1]
            assert pieces == [f"{name}:{number}" for number in range(300)]


def in_words(method: str, arguments: tuple[str | int, ...]) -> list[str]:
    """What a method adds (rule 3)."""
    if method == "add_kv":
        return ["--kv", f"{arguments[0]}:{arguments[1]}"]
    flag = {
        "add_classifier": "--classifier",
        "add_thread_filter": "--thread",
        "add_faulted_thread": "--fault-thread",
    }.get(method)
    return [*([] if flag is None else [flag]), *map(str, arguments)]


class TestArguments:
    def test_order(self, tracer: BTTracer, program: RecordingProgram) -> None:
        """Base, thread, faulted thread, error, its type, classifications (rules 3, 7, 8, 9)."""
        tracer.add_kv("release", "1:2")
        tracer.add_kv("release", "1:2")
        tracer.add_classifier("")
        options = TraceOptions(
            faulted=True,
            caller_only=True,
            err_classification=True,
            classifications=["b", "", "a", "b"],
        )
        assert bcd.trace(tracer, Outer.Inner("a: b\n"), options).ok
        tid = str(threading.get_native_id())
        assert only_run(program).argv == [
            program.path,
            *BASE,
            str(os.getpid()),
            *("--kv", "release:1:2", "--kv", "release:1:2", "--classifier", ""),
            *("--thread", tid),
            *("--fault-thread", tid),
            *("--kv", "error:a: b\n"),
            *("--classifier", f"{__name__}.Outer.Inner"),
            *("--classifier", "b", "--classifier", "", "--classifier", "a", "--classifier", "b"),
        ]

    def test_defaults(self, tracer: BTTracer, program: RecordingProgram) -> None:
        """The faulted thread and the type are marked unless the options say not (rule 8)."""
        bcd.trace(tracer, KeyError("k"))
        bcd.trace(tracer, KeyError("k"), TraceOptions())
        tid = str(threading.get_native_id())
        marked, bare = (run.argv[5:] for run in program.runs())
        assert marked == [*("--fault-thread", tid, "--kv", "error:'k'", "--classifier", "KeyError")]
        assert bare == ["--kv", "error:'k'"]

    def test_edits_of_the_defaults_persist(
        self, tracer: BTTracer, program: RecordingProgram
    ) -> None:
        """There is one shared object (rule 4)."""
        tracer.default_trace_options().faulted = False
        bcd.trace(tracer)
        assert only_run(program).argv[5:] == []

    @given(
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.none() | st.builds(ValueError, st.text()),
        st.lists(st.text()),
    )
    def test_any_options(
        self,
        faulted: bool,  # noqa: FBT001 - hypothesis gives it
        caller_only: bool,  # noqa: FBT001 - likewise
        err_classification: bool,  # noqa: FBT001 - likewise
        error: ValueError | None,
        classifications: list[str],
    ) -> None:
        """What a trace adds is in the order of the rule, whatever it holds (rules 7 and 10)."""
        tracer = FakeStart()
        options = TraceOptions(
            faulted=faulted,
            caller_only=caller_only,
            err_classification=err_classification,
            classifications=classifications,
        )
        bcd.trace(tracer, error, options)
        tid = str(threading.get_native_id())
        expected = [
            *(["--thread", tid] if caller_only else []),
            *(["--fault-thread", tid] if faulted else []),
            *([] if error is None else ["--kv", f"error:{in_argument(str(error))}"]),
            *(["--classifier", "ValueError"] if err_classification and error else []),
        ]
        for text in classifications:
            expected += ["--classifier", in_argument(text)]
        assert tracer.given == [*BASE, str(os.getpid()), *expected]

    def test_text_that_no_argument_can_hold(
        self, tracer: BTTracer, program: RecordingProgram
    ) -> None:
        """It is replaced, and the trace goes on (rule 10)."""
        error = ValueError("a\0b\ud800" + "x" * 200_000)
        assert bcd.trace(tracer, error, TraceOptions()).ok
        text = only_run(program).argv[-1]
        assert text.startswith("error:a\ufffdb\\ud800xx")
        assert text.endswith("...[cut]")


class FakeStart(BTTracer):
    """A tracer that keeps the final options and starts nothing."""

    def finalize(self, options: list[str]) -> bcd.Command:
        """Keep them."""
        self.given = options
        raise bcd.TraceError("that is all")

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Say nothing."""


def in_argument(text: str) -> str:
    """A short text as an argument can hold it."""
    return text.replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode()


class TestProcess:
    def test_streams_default_to_null_and_what_bcd_keeps(
        self, tracer: BTTracer, program: RecordingProgram
    ) -> None:
        """Input is the null device, outputs are kept, and nothing else is open (rule 11)."""
        leak = os.open("/", os.O_RDONLY)
        os.set_inheritable(leak, True)  # noqa: FBT003 - os takes it so
        program.do("print out", "complain err")
        result = bcd.trace(tracer)
        os.close(leak)
        run = only_run(program)
        assert sorted(run.descriptors) == [0, 1, 2]
        assert run.descriptors[0] == "/dev/null"
        assert (result.stdout, result.stderr) == (b"out\n", b"err\n")

    def test_files_are_passed_as_they_are(
        self, tracer: BTTracer, program: RecordingProgram, tmp_path: Path
    ) -> None:
        """The program has the very files (rule 11)."""
        paths = [tmp_path / name for name in ("in", "out", "err")]
        paths[0].write_bytes(b"given")
        program.do("read", "print out", "complain err")
        with (
            paths[0].open("rb") as stdin,
            paths[1].open("wb") as stdout,
            paths[2].open("wb") as stderr,
        ):
            tracer.set_pipes(stdin, stdout, stderr)
            result = bcd.trace(tracer)
        run = only_run(program)
        assert [run.descriptors[number] for number in range(3)] == list(map(str, paths))
        assert (run.input, paths[1].read_bytes(), paths[2].read_bytes()) == (
            "given",
            b"out\n",
            b"err\n",
        )
        assert result.stdout == b""

    def test_readers_and_writers_go_through_pipes(
        self, tracer: BTTracer, program: RecordingProgram
    ) -> None:
        """Those that are no files are served from here (rule 11)."""
        stdout, stderr = io.BytesIO(), io.BytesIO()
        program.do("read", "print out", "complain err", "write 1 100000")
        tracer.set_pipes(io.BytesIO(b"i" * 100_000), stdout, stderr)
        assert bcd.trace(tracer).ok
        assert only_run(program).input == "i" * 100_000
        assert stdout.getvalue() == b"out\n" + b"x" * 100_000
        assert stderr.getvalue() == b"err\n"

    def test_folder_and_environment_are_those_of_the_start(
        self,
        tracer: BTTracer,
        program: RecordingProgram,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What the process has changed since the tracer was made counts (rule 11)."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BCD_TEST_MARK", "late")
        bcd.trace(tracer)
        run = only_run(program)
        assert run.cwd == str(tmp_path)
        assert run.environment["BCD_TEST_MARK"] == "late"

    def test_base_is_read_at_the_call_path_and_pipes_at_the_start(
        self, program: RecordingProgram, tmp_path: Path
    ) -> None:
        """A trace that waits keeps its options and takes a new path and new pipes (rule 12)."""
        (tmp_path / "other").mkdir()
        other, stdout = RecordingProgram(tmp_path / "other", "print out"), io.BytesIO()
        tracer = BTTracer(path=program.path)
        slot = GATE.try_acquire()
        assert slot is not None
        thread = threading.Thread(target=bcd.trace, args=(tracer,))
        thread.start()
        while len(GATE.queue) < 2:  # it has read its options then
            thread.join(0.001)
        tracer.add_kv("too", "late")
        tracer.set_path(other.path)
        tracer.set_pipes(stdout=stdout)
        slot.release(0)
        thread.join()
        assert program.runs() == []
        assert "too:late" not in only_run(other).argv
        assert stdout.getvalue() == b"out\n"

    @pytest.mark.parametrize(
        ("action", "message"),
        [
            ("exit 3", "exited with status 3"),
            ("die SIGSEGV", "was ended by signal 11 (SIGSEGV)"),
        ],
    )
    def test_a_failure_names_the_status(
        self, tracer: BTTracer, program: RecordingProgram, action: str, message: str
    ) -> None:
        """A non-zero exit and death by a signal are errors, logged at ERROR (rule 13)."""
        log = FakeLog()
        tracer.set_logger(log)
        program.do("complain why", action)
        result = bcd.trace(tracer)
        assert isinstance(result.error, ExitError)
        assert str(result.error) == f"the tracer {program.path!r} {message}: why"
        errors = [text for level, text in log.lines if level == LogPriority.ERROR]
        assert errors == [f"trace failed: {result.error}"]

    @pytest.mark.parametrize("path", ["/nowhere/ptrace", "", "/", "/etc/passwd"])
    def test_a_path_that_cannot_be_run(self, tracer: BTTracer, path: str) -> None:
        """Missing, empty, a folder, not executable: the error names it (rule 13)."""
        log = FakeLog()
        tracer.set_logger(log)
        tracer.set_path(path)
        result = bcd.trace(tracer)
        assert isinstance(result.error, StartError)
        assert repr(path) in str(result.error)
        errors = [text for level, text in log.lines if level == LogPriority.ERROR]
        assert errors == [f"trace failed: {result.error}"]

    def test_default_time_out(self, tracer: BTTracer, program: RecordingProgram) -> None:
        """It is 120 s; an edited one holds for a trace that is given 0 (rule 14)."""
        assert tracer.default_trace_options().timeout == 120
        program.do("ignore SIGTERM", "sleep 60")
        tracer.default_trace_options().timeout = 0.3
        result = bcd.trace(tracer, None, TraceOptions(timeout=0))
        assert isinstance(result.error, ExecutionTimeout)
        assert result.duration < 30
        assert only_run(program).ended is None


class TestObject:
    def test_fulfils_the_contracts(self) -> None:
        """Signals and uploads; a type checker reads this too."""
        both: tuple[TracerSig, PutTracer] = (BTTracer(), BTTracer())
        assert not both[1].put_on_trace()

    def test_default_signals(self) -> None:
        """ABRT, FPE, SEGV, ILL, BUS, INT (rule 27)."""
        names = "SIGABRT SIGFPE SIGSEGV SIGILL SIGBUS SIGINT"
        assert BTTracer().sigset() == [getattr(signal, name) for name in names.split()]

    def test_is_named_with_its_path(self) -> None:
        """As log messages show it."""
        assert str(BTTracer(path=Path("/opt/ptrace"))) == "BTTracer /opt/ptrace"

    def test_a_custom_log_gets_everything(self, tracer: BTTracer) -> None:
        """Unfiltered, and the mask, which outlives the log (rule 32)."""
        logs = FakeLog(), FakeLog()
        tracer.set_logger(logs[0])
        tracer.set_log_level(LogPriority.WARNING)
        bcd.trace(tracer)
        tracer.set_logger(logs[1])
        assert logs[0].masks == [LogPriority.ERROR, LogPriority.WARNING]
        assert logs[1].masks == [LogPriority.WARNING]
        ((level, text),) = logs[0].lines
        assert level == LogPriority.DEBUG
        assert text.startswith("command: ['/")

    def test_a_log_that_fails_does_not_fail_the_trace(self, tracer: BTTracer) -> None:
        """Nothing of bcd depends on a message getting out."""

        class FakeBrokenLog(FakeLog):
            def logf(self, *_: object) -> None:
                """Fail."""
                raise RuntimeError("no")

        tracer.set_logger(FakeBrokenLog())
        assert bcd.trace(tracer).ok

    def test_its_type_is_public(self) -> None:
        """It is ``bcd.BTTracer``."""
        assert bcd.BTTracer is BTTracer
        assert type_name(BTTracer()) == "bcd.tracers.backtrace.BTTracer"
