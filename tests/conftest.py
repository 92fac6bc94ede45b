"""What holds for a whole run of the tests."""

from __future__ import annotations

import signal


def pytest_sessionstart() -> None:
    """Let no program inherit that SIGHUP is ignored, as below ``nohup``: tests end some by it."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
