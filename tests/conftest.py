"""What holds for a whole run of the tests."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

from bcd.engine.attempt import GATE
from bcd.integrations._turns import turns

settings.register_profile("any machine", deadline=None)  # a busy one is no reason to fail
settings.load_profile("any machine")


def pytest_sessionstart() -> None:
    """Let no program inherit that SIGHUP is ignored, as below ``nohup``: tests end some by it."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _open_gate() -> None:
    """Let no earlier test's trace or rate limit count what a test is to have traced."""
    GATE.reset()
    turns.clear()
