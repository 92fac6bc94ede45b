"""Ending a command by signals: at once where it waits, with some grace where it works."""

from __future__ import annotations

import os
import signal
import time

import pytest

from bcd.cli import _stopping
from bcd.cli._stopping import Stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wait_ends_at_once(number: int) -> None:
    """Who waits hears of the signal immediately, and from then on always."""
    with Stopping() as stopping:
        assert not stopping.wait(0)
        os.kill(os.getpid(), number)
        assert stopping.wait(60)
        assert stopping.wait(60)
        assert stopping.signal == number


def test_work_has_some_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come to an end in time is interrupted."""
    monkeypatch.setattr(_stopping, "_GRACE_SECONDS", 0.01)
    with Stopping() as stopping:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - whichever of the two it meets
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        assert stopping.signal == signal.SIGTERM


def test_told_twice_it_waits_no_longer() -> None:
    """A second signal interrupts at once."""
    with Stopping():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_all_is_as_before() -> None:
    """Handlers and the timer are put back, and nothing stays open."""
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.now() <= time.monotonic()
    after = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    assert after == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
