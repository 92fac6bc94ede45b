"""How a process ends while a trace is under way ("Beyond Go"; rule 24; traps 2, 4 and 16)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcd.engine.background import EXIT_SECONDS
from tests.leftovers import end_session
from tests.process.conftest import REPOSITORY, load

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = REPOSITORY / "tests" / "targets" / "exits" / "program.py"
FOREVER = 60.0  # seconds that no test reaches
PATIENT = "50"  # seconds that a program of these tests would wait for its tracers
SOON = 25.0  # in which it ends if it waits for nothing


class Program:
    """A program that runs.

    Attributes:
        process: It.
        folder: Where its snapshots and the FIFO are.
    """

    def __init__(self, interpreter: str, folder: Path, *arguments: str) -> None:
        self.folder = folder
        os.mkfifo(folder / "fifo")
        # Files, for a frozen copy that a slow tracer reads keeps pipes open.
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [interpreter, "-W", "ignore", PROGRAM, folder, *arguments],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def said(self, name: str = "out") -> str:
        """What it said so far."""
        return (self.folder / name).read_text("utf-8")

    def end(self) -> tuple[int, str, str]:
        """Its status, and what it said."""
        status = self.process.wait(FOREVER)
        return status, self.said(), self.said("err")

    def let_tracer_go(self) -> None:
        """Wait for the slow tracer, and let it end its work."""
        os.close(os.open(self.folder / "fifo", os.O_WRONLY))
        wait_for((self.folder / "done").exists)

    def snapshots(self, count: int) -> list[dict[str, Any]]:
        """The snapshots, once there are that many."""
        kept = self.folder / "kept"
        wait_for(lambda: len(list(kept.glob("[!.]*.bcd.json*"))) >= count)
        return [load(path) for path in kept.glob("[!.]*.bcd.json*")]


def wait_for(condition: Any) -> None:
    """Wait for what another process does."""
    ends = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


@contextmanager
def running(interpreter: str, folder: Path, *arguments: str) -> Iterator[Program]:
    """A program that is gone at the end, and so is its slow tracer."""
    program = Program(interpreter, folder, *arguments)
    try:
        yield program
    finally:
        end_session(program.process.pid)
        program.process.wait()


def test_the_end_waits_for_a_detached_trace(interpreter: str, tmp_path: Path) -> None:
    """Its snapshot is there when the program has ended."""
    with running(interpreter, tmp_path, "detached") as program:
        assert program.end() == (0, "traced\n", "")
        assert len(list((tmp_path / "kept").glob("[!.]*.bcd.json*"))) == 1


def test_os_exit_does_not_lose_the_snapshot(interpreter: str, tmp_path: Path) -> None:
    """The tracer is a process of its own, on a copy (trap 2)."""
    with running(interpreter, tmp_path, "detached, os._exit") as program:
        assert program.end() == (3, "traced\n", "")
        (snapshot,) = program.snapshots(1)
        assert snapshot["process"]["pid"] == program.process.pid


@pytest.mark.parametrize(
    ("way", "bound"),
    [("slow", EXIT_SECONDS), ("slow in atexit", 0.3), ("slow and awaited", 0.3)],
)
def test_the_end_does_not_wait_longer_than_it_may(
    interpreter: str, tmp_path: Path, way: str, bound: float
) -> None:
    """And the tracer on a frozen copy goes on alone (traps 4 and 16)."""
    started = time.monotonic()
    with running(interpreter, tmp_path, way, str(bound)) as program:
        status, _, said = program.end()
        assert (status, said) == (0, "")
        assert bound <= time.monotonic() - started < SOON
        assert not (tmp_path / "done").exists()
        program.let_tracer_go()


def test_a_live_tracer_is_not_waited_for_longer_either(interpreter: str, tmp_path: Path) -> None:
    """In atexit, where nobody else could end it: it is killed, and that is told (trap 4)."""
    started = time.monotonic()
    with running(interpreter, tmp_path, "slow and live in atexit", "0.3") as program:
        status, _, said = program.end()
        assert status == 0
        assert said.startswith("trace failed: tracer execution timed out")
        assert len(said.splitlines()) == 1
        assert time.monotonic() - started < SOON


def test_the_end_waits_for_nobodys_turn(interpreter: str, tmp_path: Path) -> None:
    """Neither for the rate limit nor for the slot (rule 24)."""
    started = time.monotonic()
    with running(interpreter, tmp_path, "in its turn", PATIENT) as program:
        assert program.end() == (0, "traced\n", "")
        assert time.monotonic() - started < SOON


@pytest.mark.parametrize(
    ("way", "count"),
    [
        ("atexit", 2),
        ("atexit without threading", 1),
        ("finalizer", 1),
        ("finalizer that waits", 1),
    ],
)
def test_an_error_at_the_end_stays_clean(
    interpreter: str, tmp_path: Path, way: str, count: int
) -> None:
    """A result, a snapshot, and nothing on stderr (trap 4)."""
    with running(interpreter, tmp_path, way) as program:
        assert program.end() == (0, "traced\n" * count, "")
        assert len(program.snapshots(count)) == count


def test_daemon_threads_that_trace_crash_nothing(interpreter: str, tmp_path: Path) -> None:
    """While the interpreter ends under them."""
    with running(interpreter, tmp_path, "daemon threads") as program:
        assert program.end() == (0, "", "")


def test_a_start_is_not_cut_in_two(interpreter: str, tmp_path: Path) -> None:
    """The end waits for who has the slot, and no copy is left behind, nor made thereafter."""
    with running(interpreter, tmp_path, "in the middle of a start") as program:
        status, said, complaints = program.end()
        assert (status, complaints) == (0, "")
        first, *second = said.splitlines()
        assert not Path(f"/proc/{first.removeprefix('copy ')}").exists()
        assert second in ([], ["second: the process ends, so no tracer is started any more"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_at_once(
    interpreter: str, tmp_path: Path, number: signal.Signals
) -> None:
    """By its default action, whatever the tracer does (trap 16)."""
    with running(interpreter, tmp_path, "signal", PATIENT) as program:
        wait_for(lambda: program.said() == "traced\nready\n")
        sent = time.monotonic()
        program.process.send_signal(number)
        assert program.end() == (-number, "traced\nready\n", "")
        assert time.monotonic() - sent < SOON
        program.let_tracer_go()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_the_program(interpreter: str, tmp_path: Path, times: int) -> None:
    """With its own status, within the bound; and at once if it is pressed again (trap 16)."""
    patience = "0.3" if times == 1 else PATIENT
    with running(interpreter, tmp_path, "signal", patience) as program:
        wait_for(lambda: program.said() == "traced\nready\n")
        sent = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        if times > 1:
            wait_for(lambda: "KeyboardInterrupt" in program.said("err"))
            time.sleep(0.2)  # to the wait at its end
            program.process.send_signal(signal.SIGINT)
        status, _, said = program.end()
        assert status == -signal.SIGINT
        assert said.count("Traceback") == 1
        assert time.monotonic() - sent < SOON
        program.let_tracer_go()


def test_a_handler_that_ends_the_program_ends_its_trace(interpreter: str, tmp_path: Path) -> None:
    """A blocking trace of the live process is given up, its tracer killed (traps 3 and 16)."""
    with running(interpreter, tmp_path, "handled signal", PATIENT) as program:
        wait_for(lambda: program.said() == "ready\n")
        sent = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        assert program.end() == (5, "ready\n", "")
        assert time.monotonic() - sent < SOON
        assert not (tmp_path / "done").exists()
