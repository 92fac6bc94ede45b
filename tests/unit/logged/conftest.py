"""What is traced in a test, and a logger with a ``BcdHandler``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bcd.integrations import _capture, _complaints, _logged, _loggers
from bcd.integrations._suppressed import suppressed
from tests.fake_trace import FakeTrace
from tests.unit.logged.fakes import handler, logger_called

if TYPE_CHECKING:
    import logging


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> FakeTrace:
    """What is traced in this test, instead of which no tracer runs."""
    fake = FakeTrace()
    monkeypatch.setattr(_capture, "trace", fake)
    monkeypatch.setattr(_complaints.complain, "_silent_until", float("-inf"))
    monkeypatch.setattr(_logged, "_told", [])
    monkeypatch.setattr(_loggers, "_hooks", {})  # tracebacks keep middlewares of other tests
    suppressed.clear()
    return fake


@pytest.fixture
def logger(traced: FakeTrace) -> logging.Logger:
    """A logger of its own, with a ``BcdHandler``."""
    del traced
    return logger_called("shop", handler())
