"""What all tracers of bcd share: the set of signals, and the mask of what is logged."""

from __future__ import annotations

import queue
import signal
from typing import TYPE_CHECKING

import pytest

from bcd.tracer import LogPriority
from bcd.tracers._log import StderrLog
from bcd.tracers.python import PythonTracer

if TYPE_CHECKING:
    from pathlib import Path

    from bcd.tracer import TracerSig


@pytest.fixture
def tracer(tmp_path: Path) -> TracerSig:
    """A tracer; the type checks it against the contract."""
    return PythonTracer(folder=tmp_path)


def test_default_signals(tracer: TracerSig) -> None:
    """ABRT, FPE, SEGV, ILL, BUS, INT, in this order, as in Go (rule 27)."""
    names = [signal.Signals(number).name for number in tracer.sigset()]
    assert names == ["SIGABRT", "SIGFPE", "SIGSEGV", "SIGILL", "SIGBUS", "SIGINT"]


def test_signals_are_replaced_and_copied(tracer: TracerSig) -> None:
    """What is given replaces the set, and what is returned is a copy (rule 4)."""
    tracer.set_sigset(signal.SIGTERM, 1)
    tracer.sigset().append(9)
    assert tracer.sigset() == [15, 1]
    tracer.set_sigset()
    assert tracer.sigset() == []


def test_tracers_share_no_signals(tracer: TracerSig) -> None:
    """One tracer's set leaves that of another alone."""
    tracer.set_sigset(1)
    assert len(PythonTracer().sigset()) == 6


def test_the_queue_of_signals_is_kept(tracer: TracerSig) -> None:
    """There is none before ``register`` sets it."""
    before, chan = tracer.sigchan(), queue.Queue[int]()
    tracer.set_sigchan(chan)
    assert (before, tracer.sigchan()) == (None, chan)
    tracer.set_sigchan(None)
    assert tracer.sigchan() is None


def test_the_mask_holds_when_the_log_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It belongs to the tracer, so another log emits what the first one did (rule 32)."""
    tracer = PythonTracer(folder=tmp_path)
    tracer.set_log_level(LogPriority.DEBUG)
    tracer.set_logger(StderrLog())
    tracer.logf(LogPriority.ERROR, "masked")
    tracer.logf(LogPriority.DEBUG, "heard")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" heard")
