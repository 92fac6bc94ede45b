"""Tracing on signals in processes of their own: how they end, fork, and sit at a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.leftovers import end_session

PROGRAM = Path(__file__).parents[1] / "targets" / "signals" / "program.py"
ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
SIX = ["SIGABRT", "SIGFPE", "SIGSEGV", "SIGILL", "SIGBUS", "SIGINT"]
FAULTS = ["SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV"]
# Its terminal is its session's, as a login shell gives it to a program.
ON_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
)


class Target:
    """A running target."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        """The next line that it says, waited for."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> tuple[int, list[str], str]:
        """Wait for its end: status, what else it said, standard error."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.splitlines(), err


Start: TypeAlias = Callable[..., Target]


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A run of tests in the background of a script ignores SIGINT, and its children would."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the program and wait until it is ready."""
    targets: list[Target] = []

    def started(
        *arguments: str,
        ready: str = "ready",
        prefix: tuple[str, ...] = (sys.executable,),
        stdin: int = subprocess.DEVNULL,
        **variables: str,
    ) -> Target:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = subprocess.Popen(
            [*prefix, "-W", "error", str(PROGRAM), *arguments],
            env=kept | {"LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)} | variables,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        targets.append(Target(process))
        if ready:
            assert targets[-1].line() == ready, process.communicate()
        return targets[-1]

    yield started
    for target in targets:
        with target.process as process:
            end_session(process.pid)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A FIFO that holds a tracer up until somebody writes to it."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def traced(pid: int, text: str) -> str:
    """What the program says of a trace of its main thread, whose id is the process's."""
    return f"traced {pid} --fault-thread {pid} --kv error:{text}"


class TestResend:
    @pytest.mark.parametrize("name", [*SIX, "SIGTERM", "SIGHUP"])
    def test_ends_by_the_signal(self, start: Start, name: str) -> None:
        """After the trace, with the exit status that it has without bcd (rule 29)."""
        number = signal.Signals[name]
        bare = start("sleep")
        bare.send(number)
        target = start("sleep", name, RESEND="1")
        target.send(number)
        status, said, _ = target.end()
        assert status == bare.end()[0] == -number
        assert said == [traced(target.process.pid, (signal.strsignal(number) or "").lower())]

    def test_ends_after_the_trace(self, start: Start, gate: Path) -> None:
        """The program goes on as long as the tracer runs (rules 28 and 29)."""
        target = start("sleep", "SIGTERM", SCRIPT=f"cat {gate}", RESEND="1")
        target.send(signal.SIGTERM)
        assert target.line().startswith("traced")
        assert target.process.poll() is None
        gate.write_text("")
        assert target.end()[0] == -signal.SIGTERM

    def test_ends_after_a_trace_that_fails(self, start: Start) -> None:
        """A tracer with a bad exit status is logged, and the signal acts (rule 29)."""
        target = start("sleep", "SIGTERM", SCRIPT="exit 3", RESEND="1")
        target.send(signal.SIGTERM)
        status, _, errors = target.end()
        assert status == -signal.SIGTERM
        assert "exited with status 3" in errors

    @pytest.mark.parametrize("variables", [{}, {"RESEND": "1"}], ids=["goes on", "resend"])
    def test_ignored_stays_harmless(self, start: Start, variables: dict[str, str]) -> None:
        """SIGINT that was ignored at the start is traced and ends nothing (rule 31)."""
        ignoring = ("/bin/sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable)
        target = start("sleep", "SIGINT", "SIGTERM", prefix=ignoring, **variables)
        target.send(signal.SIGINT)
        assert target.line() == traced(target.process.pid, "interrupt")
        target.send(signal.SIGTERM)
        assert target.line() == traced(target.process.pid, "terminated")


class TestFaults:
    @pytest.mark.parametrize("name", FAULTS)
    def test_sent_is_traced_each_time(self, start: Start, name: str) -> None:
        """One that another process sent is traced, and so is the next one (rule 28)."""
        target = start("sleep", *SIX)
        for _ in range(2):
            target.send(signal.Signals[name])
            assert target.line().startswith("traced")
        assert target.process.poll() is None

    @pytest.mark.parametrize(("what", "status"), [("fault", "SIGSEGV"), ("abort", "SIGABRT")])
    def test_real_ends_the_program(self, start: Start, what: str, status: str) -> None:
        """An invalid pointer and ``abort`` end it as without bcd; it does not hang (rule 27)."""
        status_seen, said, errors = start(what, *SIX).end()
        assert status_seen == -signal.Signals[status]
        assert (said, errors) == ([], "")

    def test_real_after_a_sent_one(self, start: Start) -> None:
        """The handler that was taken again still lets a real fault end the program (rule 27)."""
        target = start("sent_then_fault", *SIX)
        target.send(signal.SIGSEGV)
        assert target.line().startswith("traced")
        assert target.end() == (-signal.SIGSEGV, [], "")


class TestExit:
    def test_drops_what_is_queued(self, start: Start, gate: Path) -> None:
        """A program that ends in the middle has its own status, in time, without a word."""
        target = start("exit_now", "SIGUSR1", SCRIPT=f"cat {gate}")
        target.send(signal.SIGUSR1)
        assert target.line().startswith("traced")
        target.send(signal.SIGUSR1)
        assert target.process.wait(PATIENCE / 2) == 5
        gate.unlink()
        assert target.end()[1:] == ([], "")

    def test_leaves_no_copy(self, start: Start, tmp_path: Path) -> None:
        """A trace that is being started is, and its tracer ends the frozen copy (trap 16)."""
        target = start("exit_in_start", FOLDER=str(tmp_path / "snapshots"))
        target.send(signal.SIGUSR1)
        copy = Path("/proc", target.line().removeprefix("frozen "))
        assert target.end() == (5, [], "")
        deadline = time.monotonic() + PATIENCE / 3  # left to itself it would live for 35 s
        while copy.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list((tmp_path / "snapshots").glob("*.bcd.json*"))


class TestFork:
    def test_child_traces_itself(self, start: Start) -> None:
        """With its own process id and main thread, then again the parent."""
        target = start("fork", "SIGUSR1", ready="")
        child = _child_of(target)
        os.kill(child, signal.SIGUSR1)
        assert target.line() == traced(child, "user defined signal 1")
        os.kill(child, signal.SIGKILL)
        assert target.line() == "ready"
        target.send(signal.SIGUSR1)
        assert target.line() == traced(target.process.pid, "user defined signal 1")

    def test_child_of_a_trace(self, start: Start, gate: Path) -> None:
        """Forked while its parent traces, it traces by itself, and its own signals alone."""
        target = start("fork_in_trace", "SIGUSR1", "SIGUSR2", SCRIPT=f"cat {gate}")
        target.send(signal.SIGUSR1)
        assert target.line() == traced(target.process.pid, "user defined signal 1")
        target.send(signal.SIGUSR1)
        said, pid, queued = target.line().split()
        assert (said, queued) == ("child", "0")
        os.kill(int(pid), signal.SIGUSR2)
        assert target.line() == traced(int(pid), "user defined signal 2")
        os.kill(int(pid), signal.SIGKILL)
        with gate.open("w"):  # it ends while the one of its signals is traced
            assert target.end()[0] == 0

    def test_child_resends_to_itself(self, start: Start) -> None:
        """A child of multiprocessing ends by its signal, its parent does not (rule 29)."""
        target = start("pool", "SIGTERM", RESEND="1", ready="")
        child = _child_of(target)
        os.kill(child, signal.SIGTERM)
        assert target.line() == traced(child, "terminated")
        assert target.line() == f"ended {-signal.SIGTERM}"
        assert target.end()[0] == 0


def _child_of(target: Target) -> int:
    said = sorted([target.line(), target.line()])
    assert said[1] == "ready"
    return int(said[0].removeprefix("child "))


class TestAsyncio:
    def test_run_is_interrupted(self, start: Start) -> None:
        """With resend Ctrl-C ends ``asyncio.run`` after the trace, status as ever."""
        target = start("asyncio_run", "SIGINT", RESEND="1")
        target.send(signal.SIGINT)
        status, said, errors = target.end()
        assert status == -signal.SIGINT
        assert said == [traced(target.process.pid, "interrupt")]
        assert errors.rstrip().endswith("KeyboardInterrupt")

    def test_registered_in_run(self, start: Start) -> None:
        """The loop's own handler for Ctrl-C stays in force beside ours."""
        target = start("registered_in_run", "SIGINT")
        target.send(signal.SIGINT)
        status, said, errors = target.end()
        assert status == -signal.SIGINT
        assert said[:1] == [traced(target.process.pid, "interrupt")]
        assert errors.rstrip().endswith("KeyboardInterrupt")

    def test_loop_handler_set_later(self, start: Start) -> None:
        """A callback of the loop replaces our handler: it runs, nothing is traced."""
        target = start("asyncio_before", "SIGUSR1")
        target.send(signal.SIGUSR1)
        assert target.end() == (0, ["callback"], "")

    def test_loop_handler_set_before(self, start: Start) -> None:
        """A callback of the loop that stood before runs, and the signal is traced."""
        target = start("asyncio_after", "SIGUSR1")
        target.send(signal.SIGUSR1)
        status, said, errors = target.end()
        assert (status, errors) == (0, "")
        assert sorted(said) == ["callback", traced(target.process.pid, "user defined signal 1")]


class TestTerminal:
    """A session of its own with a terminal; Ctrl-C is what the terminal makes of a key."""

    @pytest.fixture
    def terminal(self) -> Iterator[tuple[int, int]]:
        """The side of the user and that of the program."""
        ours, theirs = pty.openpty()
        yield ours, theirs
        os.close(ours)
        os.close(theirs)

    @staticmethod
    def on(terminal: tuple[int, int], start: Start, *arguments: str, **variables: str) -> Target:
        """Start a program there."""
        prefix = (sys.executable, "-c", ON_TERMINAL)
        return start(*arguments, prefix=prefix, stdin=terminal[1], **variables)

    def test_ctrl_c_ends_as_before(self, start: Start, terminal: tuple[int, int]) -> None:
        """With resend the status is that of a program without bcd (rule 29)."""
        statuses = []
        for arguments in ([], SIX):
            target = self.on(terminal, start, "sleep", *arguments, RESEND="1")
            os.write(terminal[0], b"\x03")
            status, said, errors = target.end()
            statuses.append(status)
            assert errors.rstrip().endswith("KeyboardInterrupt")
        assert statuses == [-signal.SIGINT] * 2
        assert said == [traced(target.process.pid, "interrupt")]

    def test_ctrl_c_goes_on_without_resend(
        self, start: Start, terminal: tuple[int, int], gate: Path
    ) -> None:
        """It is traced, and SIGTERM, which is in no default set, still ends it (rule 28)."""
        target = self.on(terminal, start, "sleep", *SIX, SCRIPT=f"cat {gate}")
        for _ in range(2):
            os.write(terminal[0], b"\x03")
            assert target.line() == traced(target.process.pid, "interrupt")
            gate.write_text("")  # not before the tracer runs
        target.send(signal.SIGTERM)
        assert target.end() == (-signal.SIGTERM, [], "")

    def test_ctrl_c_does_not_reach_the_tracer(
        self, start: Start, terminal: tuple[int, int], gate: Path
    ) -> None:
        """A tracer that Ctrl-C would end lives on; then the program ends in time (trap 16)."""
        script = f"trap 'exit 9' INT; cat {gate}"
        target = self.on(terminal, start, "sleep", "SIGINT", SCRIPT=script, RESEND="1")
        os.write(terminal[0], b"\x03")
        assert target.line().startswith("traced")
        with gate.open("w"):  # the tracer runs
            os.write(terminal[0], b"\x03")
        status, _, errors = target.end()
        assert status == -signal.SIGINT
        assert "status 9" not in errors
