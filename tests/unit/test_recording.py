"""The recording tracer does as it is told and notes what it saw: other tests rest on that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.recording import RecordingProgram


@pytest.fixture
def program(tmp_path: Path) -> RecordingProgram:
    """A program of the test's own."""
    return RecordingProgram(tmp_path)


def test_notes_how_it_was_started(program: RecordingProgram) -> None:
    """Arguments, folder, environment, descriptors, processes, signals and times."""
    ours, theirs = os.pipe()
    before = time.monotonic()
    argv = [os.fsencode(program.path), b"--kv", b"a:\xff\n", b""]
    with Path(os.devnull).open("r+b") as null:
        process = subprocess.Popen(
            argv,
            stdin=null,
            stdout=null,
            stderr=null,
            cwd="/",
            env={"A": "b"},
            pass_fds=[theirs],
            start_new_session=True,
            preexec_fn=_block_and_ignore,  # noqa: PLW1509 - no other thread runs here
        )
        assert process.wait() == 0
    link = str(Path(f"/proc/self/fd/{theirs}").readlink())
    os.close(ours)
    os.close(theirs)
    (run,) = program.runs()
    assert run.argv == [os.fsdecode(argument) for argument in argv]
    assert (run.cwd, run.environment["A"]) == ("/", "b")
    assert run.descriptors == {0: "/dev/null", 1: "/dev/null", 2: "/dev/null", theirs: link}
    assert (run.pid, run.parent, run.group) == (process.pid, os.getpid(), process.pid)
    inherited = {32, 33}  # the C library's own, which a shell may have ignored; signal(7)
    assert run.blocked == [signal.SIGUSR1]
    assert set(run.ignored) - inherited == {signal.SIGUSR2}
    assert run.ended is not None
    assert before < run.started < run.ended < time.monotonic()


def _block_and_ignore() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def test_does_as_told_in_this_order(program: RecordingProgram) -> None:
    """Output, input and the status are those of the actions."""
    program.do("print a  b", "complain c", "read", "write 1 200000", "exit 3")
    done = subprocess.run([program.path], input=b"in\xff", capture_output=True, check=False)
    assert done.stdout == b"a  b\n" + b"x" * 200_000
    assert (done.stderr, done.returncode) == (b"c\n", 3)
    assert program.runs()[0].input == "in\xff"


def test_can_be_told_anew(program: RecordingProgram) -> None:
    """Runs are listed in order, and each does what was asked for when it started."""
    for status in (3, 4):
        program.do(f"exit {status}")
        assert subprocess.run([program.path, str(status)], check=False).returncode == status
    assert [run.argv[1] for run in program.runs()] == ["3", "4"]
    program.forget()
    assert program.runs() == []


def test_closes_its_pipes(program: RecordingProgram) -> None:
    """A reader finds the end of the pipe while the program goes on."""
    fifo = program.fifo()
    program.do("close 1", f"wait {fifo}")
    with subprocess.Popen([program.path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.poll() is None
        program.let_go(fifo)


def test_shakes_hands_and_ignores_signals(program: RecordingProgram) -> None:
    """Once it has told, it is where the test wants it to be; an ignored signal passes by."""
    fifo, second = program.fifo(), program.fifo("second")
    program.do("ignore SIGTERM", f"tell {fifo}", f"wait {second}", "die SIGSEGV")
    with subprocess.Popen([program.path]) as process:
        program.hear(fifo)
        process.terminate()
        assert program.runs()[0].ended is None
        program.let_go(second)
        assert process.wait() == -signal.SIGSEGV
    assert program.runs()[0].ended is not None


def test_forks_a_child_that_holds_its_pipes(program: RecordingProgram) -> None:
    """The child is noted, and the pipe has no end before it ends."""
    program.do("fork 30")
    with subprocess.Popen([program.path], stdout=subprocess.PIPE) as process:
        process.wait()
        (child,) = program.runs()[0].children
        assert (
            Path(f"/proc/{child}/fd/1").readlink()
            == Path(
                f"/proc/self/fd/{process.stdout.fileno()}"  # type: ignore[union-attr]  # it is a pipe
            ).readlink()
        )
        os.kill(child, signal.SIGKILL)
        assert process.stdout is not None
        assert process.stdout.read() == b""
