"""The log that passes a tracer's messages on to the standard ``logging``."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

import bcd
from bcd.tracer import Log, LogPriority

EVERY = list(map(LogPriority, range(8)))


@pytest.fixture
def log() -> Log:
    """A log that passes everything on; the type checks it against the contract."""
    return bcd.LoggingLog(level=LogPriority.MAX)


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (LogPriority.DEBUG, logging.DEBUG),
        (LogPriority.WARNING, logging.WARNING),
        (LogPriority.ERROR, logging.ERROR),
        (LogPriority.ERROR | LogPriority.DEBUG, logging.ERROR),
    ],
)
def test_levels(
    log: Log, level: LogPriority, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each has its counterpart; of two the more serious one counts (rule 32)."""
    log.logf(level, "%d %%", 5)
    assert caplog.record_tuples == [("bcd", number, "5 %")]


@pytest.mark.parametrize("mask", EVERY)
@pytest.mark.parametrize("level", EVERY)
def test_the_mask_decides(
    mask: LogPriority, level: LogPriority, caplog: pytest.LogCaptureFixture
) -> None:
    """A message is passed on if and only if mask and level meet (rule 32)."""
    log = bcd.LoggingLog()
    log.set_log_level(mask)
    log.logf(level, "heard 100%")
    assert [record.message for record in caplog.records] == ["heard 100%"] * bool(mask & level)


def test_the_tracer_sets_the_mask(caplog: pytest.LogCaptureFixture) -> None:
    """By default errors alone are passed on (rule 32)."""
    tracer = bcd.BTTracer()
    tracer.set_logger(bcd.LoggingLog(level=LogPriority.MAX))
    tracer.logf(LogPriority.WARNING, "unheard")
    tracer.logf(LogPriority.ERROR, "heard")
    assert [record.message for record in caplog.records] == ["heard"]


@pytest.mark.parametrize("logger", ["bcd.shop", logging.getLogger("bcd.shop")])
def test_takes_a_logger_or_its_name(
    logger: str | logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages go there."""
    bcd.LoggingLog(logger).logf(LogPriority.ERROR, "heard")
    assert caplog.record_tuples == [("bcd.shop", logging.ERROR, "heard")]


def test_a_handler_that_fails_harms_nobody(log: Log) -> None:
    """Nothing is raised into the program."""

    class FakeHandler(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            """Fail."""
            raise RuntimeError("no")

    handler = FakeHandler()
    logging.getLogger("bcd").addHandler(handler)
    try:
        log.logf(LogPriority.ERROR, "heard")
    finally:
        logging.getLogger("bcd").removeHandler(handler)


def test_logging_is_loaded_by_whoever_makes_one() -> None:
    """Neither ``import bcd`` nor the class loads it."""
    script = (
        "import sys, bcd; bcd.LoggingLog; assert 'logging' not in sys.modules;"
        "bcd.LoggingLog(); assert 'logging' in sys.modules"
    )
    subprocess.run([sys.executable, "-I", "-c", script], check=True)
