"""Whatever goes wrong around a trace: the result says so, in time, and nothing is left behind.

With a plain tracer and with bcd's own. What would spoil the process that runs the tests happens
in a program of its own, under ``tests/targets/faults``, which counts what is left itself.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import bcd
from bcd.config import GlobalConfig, current_config, update_config
from bcd.engine import flush, trace
from bcd.errors import ExecutionTimeout, SlotTimeout, StartError, TraceError
from bcd.tracer import Command, LogPriority, TraceOptions
from bcd.tracers._options import OptionList
from tests.leftovers import nothing_left
from tests.process.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREVER = 30.0  # seconds that no test reaches
TARGETS = REPOSITORY / "tests" / "targets" / "faults"
KINDS = ("plain", "bcd's own")

pytestmark = pytest.mark.parametrize("kind", KINDS)

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount and become others")


class FakeLog:
    """Keeps the messages, all of which have to be errors."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the message."""
        assert level is LogPriority.ERROR
        self.lines.append(format % args)

    def set_log_level(self, level: LogPriority) -> None:
        """Nothing is filtered here."""


class FakePlainTracer(OptionList, FakeLog):
    """Runs a program of Python, without any memory."""

    def __init__(self, program: Path, python: str) -> None:
        OptionList.__init__(self)
        FakeLog.__init__(self)
        self.argv = [python, "-I", "-S", str(program)]

    def default_trace_options(self) -> TraceOptions:
        """As of the other kind."""
        return TraceOptions(timeout=FOREVER)

    def finalize(self, _options: list[str]) -> Command:
        """Run the program."""
        return Command(argv=self.argv)


class Faulty:
    """A tracer of either kind that runs a program of the test, and what it logs."""

    def __init__(self, kind: str, folder: Path, script: str, python: str = sys.executable) -> None:
        program = folder / "tracer.py"
        program.write_text(script, encoding="utf-8")
        self.tracer: Any
        if kind == "plain":
            self.tracer = FakePlainTracer(program, python)
            self.lines = self.tracer.lines
        else:
            log = FakeLog()
            self.tracer = bcd.PythonTracer(
                folder=folder / "snapshots", python=python, program=program
            )
            self.tracer.set_logger(log)
            self.lines = log.lines

    def run(self, timeout: object = FOREVER, *, detach: bool = False) -> TraceError | None:
        """Trace; a detached one has to say in the log what the other says in its result."""
        options = TraceOptions(timeout=timeout)  # type: ignore[arg-type]  # some are no durations
        with nothing_left():
            result = trace(self.tracer, ValueError("x"), options, detach=detach)
            assert flush(FOREVER)
        if detach and result.ok:
            return TraceError(self.lines[0]) if self.lines else None
        assert len(self.lines) == (not result.ok)
        return result.error


@pytest.fixture(autouse=True)
def _no_limit() -> Iterator[None]:
    before = current_config()
    update_config(GlobalConfig(rate_limit=0))
    yield
    update_config(before)


# Tracers that misbehave

QUIET = "import os\nfor number in range(3): os.close(number)\nos._exit(7)"
LOUD = "import os\nfor _ in range(1000): os.write(1, bytes(1_000_000))"
DEAF = "import signal, time\nfor one in (1, 2, 15): signal.signal(one, signal.SIG_IGN)\n"
STUBBORN, TALKATIVE = DEAF + "time.sleep(1000)", DEAF + "while True: print(0)"
PARENT = """
import os, pathlib, time
if child := os.fork():
    pathlib.Path(__file__ + ".child").write_text(str(child))
    os._exit(0)
time.sleep(1000)
"""


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param("raise SystemExit(3)", "exited with status 3", id="exits with 3"),
        pytest.param("import os; os.kill(os.getpid(), 11)", "signal 11 (SIGSEGV)", id="is killed"),
        pytest.param(QUIET, "exited with status 7", id="closes its pipes early"),
        pytest.param("this is no Python", "SyntaxError", id="cannot be compiled"),
    ],
)
def test_a_tracer_that_fails(
    kind: str, tmp_path: Path, script: str, words: str, *, detach: bool
) -> None:
    """Its status or signal is named (rule 13)."""
    error = Faulty(kind, tmp_path, script).run(detach=detach)

    assert words in str(error)


@pytest.mark.parametrize("detach", [False, True])
def test_a_tracer_that_writes_a_gigabyte(kind: str, tmp_path: Path, *, detach: bool) -> None:
    """It is neither stopped nor kept."""
    assert Faulty(kind, tmp_path, LOUD).run(detach=detach) is None


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("script", [STUBBORN, TALKATIVE], ids=["sleeps", "writes"])
def test_a_tracer_that_ignores_signals(
    kind: str, tmp_path: Path, script: str, *, detach: bool
) -> None:
    """SIGKILL ends it once its time is over, also while it writes (rule 17)."""
    begin = time.monotonic()
    error = Faulty(kind, tmp_path, script).run(0.3, detach=detach)

    assert "tracer execution timed out" in str(error)
    assert 0.3 <= time.monotonic() - begin < FOREVER / 2


@pytest.mark.parametrize("detach", [False, True])
def test_a_tracer_whose_child_holds_the_pipes(kind: str, tmp_path: Path, *, detach: bool) -> None:
    """Nobody waits for the child, which is none of ours (rule 19)."""
    begin = time.monotonic()
    error = Faulty(kind, tmp_path, PARENT).run(detach=detach)
    os.kill(int((tmp_path / "tracer.py.child").read_text()), signal.SIGKILL)

    assert error is None
    assert time.monotonic() - begin < FOREVER / 2


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("path", ["/nowhere/python", "/etc", "/etc/passwd"])
def test_a_tracer_that_cannot_be_started(
    kind: str, tmp_path: Path, path: str, *, detach: bool
) -> None:
    """Missing, a directory, not executable: the path is named (rule 13)."""
    error = Faulty(kind, tmp_path, "", path).run(detach=detach)

    assert isinstance(error, StartError)
    assert repr(path) in str(error)


# Time-outs

LONG = [math.inf, 10**400, 1e300, 2**63, timedelta.max]
BELOW_ZERO = [-1, -1e-9, -math.inf, -(10**400), timedelta(days=-1), timedelta.min]
QUICK_ENOUGH = [0, 0.0, timedelta(0), *LONG, *BELOW_ZERO]


@pytest.mark.parametrize("timeout", QUICK_ENOUGH, ids=repr)
@pytest.mark.parametrize("detach", [False, True])
def test_a_timeout_that_a_quick_tracer_meets(
    kind: str, tmp_path: Path, timeout: object, *, detach: bool
) -> None:
    """0 takes the default, below 0 and what no clock reaches means none (rule 14)."""
    assert Faulty(kind, tmp_path, "").run(timeout, detach=detach) is None


@pytest.mark.parametrize("timeout", [5e-324, 1e-9, timedelta(microseconds=1), 1e-4, 1e-3], ids=repr)
@pytest.mark.parametrize("detach", [False, True])
def test_a_timeout_of_nearly_nothing(
    kind: str, tmp_path: Path, timeout: object, *, detach: bool
) -> None:
    """One of the two errors, and no tracer left running (rule 18)."""
    error = Faulty(kind, tmp_path, "import time; time.sleep(1000)").run(timeout, detach=detach)

    assert "tracer lock acquisition timed out" in str(error) or "execution timed out" in str(error)
    assert detach or isinstance(error, (SlotTimeout, ExecutionTimeout))


@pytest.mark.parametrize("timeout", [math.nan, -math.nan, None, "soon", True, 1j, [3]], ids=repr)
@pytest.mark.parametrize("detach", [False, True])
def test_a_timeout_that_is_none(
    kind: str, tmp_path: Path, timeout: object, *, detach: bool
) -> None:
    """The value and what is accepted are named, and no tracer runs."""
    error = Faulty(kind, tmp_path, "").run(timeout, detach=detach)

    assert str(error) == (
        f"timeout is {timeout!r}; accepted are seconds (a number) and a timedelta"
    )


# What the program has used up


def run_target(name: str, *arguments: object, command: tuple[str, ...] = ()) -> list[Any]:
    """Run a target to its end.

    Returns:
        The JSON values that it printed.
    """
    done = subprocess.run(
        [*command, sys.executable, TARGETS / name, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_walk(walk: list[dict[str, Any]], advice: str) -> None:
    """From the first limit, where it fails, to the last, where it does not, all is well."""
    first, last = walk[0], walk[-1]
    assert first["kind"] in {"StartError", "FreezeError"}
    assert advice in first["error"]
    assert (last["error"], last["lines"]) == (None, [])
    for one in walk:
        assert one["seconds"] < FOREVER / 2
        assert one["kind"] in {"StartError", "FreezeError", "ExitError", "NoneType"}
        assert len(one["lines"]) == 1 or one["error"] is None
        if one["kind"] in {"StartError", "FreezeError"}:
            assert advice in one["error"]


def test_no_descriptors_are_left(kind: str, tmp_path: Path) -> None:
    """At whichever of the pipes, files and starts the limit strikes, the result says so."""
    for walk in run_target("limits.py", tmp_path, kind, "NOFILE", 1):
        check_walk(walk, "Too many open files")
        check_walk(walk, "raise the limit on open files (ulimit -n)")


def test_no_memory_is_left(kind: str, tmp_path: Path) -> None:
    """Where nothing can be mapped no program and no thread starts, and the result says so."""
    for walk in run_target("limits.py", tmp_path, kind, "AS", 32 * 1024):
        check_walk(walk, "Cannot allocate memory; allow the program more memory")


@as_root
def test_no_processes_are_left(kind: str, tmp_path: Path) -> None:
    """Neither a copy, a tracer nor a thread can be had; root knows no such limit."""
    may_read = "+dac_read_search,+dac_override"  # wherever the interpreter and bcd are
    other = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups")
    other += (f"--inh-caps={may_read}", f"--ambient-caps={may_read}")
    os.chown(tmp_path, 54321, 54321)
    for walk in run_target("limits.py", tmp_path / "kept", kind, "NPROC", 1, command=other):
        check_walk(walk, "raise the limit on processes (ulimit -u")


# What the program lacks


def run_where_missing(kind: str, folder: Path, *missing: str, **how: Any) -> list[dict[str, Any]]:
    """Run the target that lacks something; it answers in a file."""
    answer = folder / "answer"
    assert run_target("surroundings.py", folder / "kept", kind, answer, *missing, **how) == []
    return [json.loads(line) for line in answer.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("missing", ["0", "1", "2", "01", "02", "12", "012"])
def test_no_standard_streams(kind: str, tmp_path: Path, missing: str) -> None:
    """Pipes and files that get the numbers 0 to 2 reach the tracer where they should."""
    waited, detached = run_where_missing(kind, tmp_path, *missing)

    assert (waited["error"], detached["error"], detached["lines"]) == (None, None, [])
    assert waited["stdout"].endswith(".bcd.json\n" if kind == "bcd's own" else "done\n")


def test_no_working_directory(kind: str, tmp_path: Path) -> None:
    """A folder that was removed under the program is no reason not to trace."""
    waited, detached = run_where_missing(kind, tmp_path, "folder")

    assert (waited["error"], detached["error"], detached["lines"]) == (None, None, [])


@as_root
def test_no_null_device(kind: str, tmp_path: Path) -> None:
    """A tracer that needs one is not started, and the message names it."""
    bare = 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", bare, "sh")
    waited, detached = run_where_missing(kind, tmp_path, "null", command=command)

    if kind == "plain":
        assert waited["kind"] == detached["kind"] == "StartError"
        assert "No such file or directory (/dev/null)" in waited["error"]
    else:
        assert (waited["error"], detached["error"], detached["lines"]) == (None, None, [])


# Crowds and ends


def test_a_thousand_threads(kind: str, tmp_path: Path) -> None:
    """Each gets its answer in time: a snapshot, a time-out or that the slot is taken."""
    deadline = 5.0  # in which one tracer is done also where the machine has other things to do
    (report,) = run_target("crowd.py", tmp_path, kind, deadline)

    errors = report["errors"]
    assert [sum(kinds.values()) for kinds in errors.values()] == [250] * 4
    assert report["longest"] < deadline + FOREVER / 2
    late = {"NoneType", "SlotTimeout", "ExecutionTimeout"}
    assert set(errors["wait"]) | set(errors["wait and detach"]) <= late
    assert set(errors["do not wait"]) | set(errors["neither"]) <= {"NoneType", "Busy"}
    assert errors["wait"]["NoneType"] > 0


@pytest.mark.parametrize(
    ("moment", "traces"),
    [
        pytest.param("threads", 6, id="threads that go on"),
        pytest.param("daemon threads", None, id="threads that are stopped"),
        pytest.param("a handler of atexit", 2, id="atexit"),
        pytest.param("the last finalizers", 2, id="finalizers"),
    ],
)
def test_the_interpreter_ends(
    interpreter: str, kind: str, tmp_path: Path, moment: str, traces: int | None
) -> None:
    """It ends as it would have, at once, and whoever still gets a result gets a good one."""
    begin = time.monotonic()
    done = subprocess.run(
        [interpreter, TARGETS / "shutdown.py", tmp_path, kind, moment],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=FOREVER,
        check=False,
    )

    assert (done.returncode, done.stderr.decode()) == (0, "")
    lines = done.stdout.decode().splitlines()
    refused = {"the process ends, so no tracer is started any more"}  # in threads it cuts off
    assert set(lines) <= ({"None"} if traces else {"None"} | refused)
    assert traces is None or len(lines) == traces
    assert time.monotonic() - begin < FOREVER / 2
