"""Records of ``logging`` that carry an error: whether and how it is traced.

For the handler and for the hook alike. What goes on in here may lead to further records, for the
tracer and ``before_trace`` may be the program's own and log: such an error is counted, and no
lock is held meanwhile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bcd._greenlets import identity
from bcd.engine import is_open, on_event_loop, type_name
from bcd.integrations._complaints import complain
from bcd.integrations._enclosing import Within, enclosing
from bcd.integrations._loggers import is_passed_over
from bcd.integrations._records import TRACEBACK, error_of, message_of, text_of, thread_of
from bcd.integrations._suppressed import count
from bcd.notice import notice

if TYPE_CHECKING:
    from logging import LogRecord

    from bcd.integrations._capture import Capture

__all__ = ["take_logged"]

_busy: set[tuple[int, int, int | None]] = set()
"""Process, thread and greenlet of those who are having a record's error traced."""

_told: list[bool] = []


def take_logged(
    capture: Capture, record: LogRecord, hook: str | None = None, *, may_wait: bool = True
) -> None:
    """Have the error of a record traced, if it has one; raises no ``Exception``.

    Args:
        capture: Decides.
        record: Of any level.
        hook: For the attribute ``bcd.hook``.
        may_wait: False where a lock may be held.
    """
    try:
        error = error_of(record)
        if error is None:
            _warn_of_loss(record)
        elif not is_passed_over(text_of(record, "name")):
            _take(capture, error, _Logged(record, hook), may_wait=may_wait)
    except Exception as problem:  # noqa: BLE001 - never into the program
        complain("logging: an error could not be traced", problem)


def _take(capture: Capture, error: BaseException, occasion: _Logged, *, may_wait: bool) -> None:
    if not is_open():  # as in a storm of errors: to look for the request would cost more than all
        capture.count(error, occasion)
        return
    caller = (os.getpid(), *identity())
    if caller in _busy:
        count(type_name(error))
        return
    _busy.add(caller)
    try:
        thread = thread_of(occasion.record)
        if thread is None:
            occasion.request = enclosing()
        # On an event loop a tracer that cannot work on a frozen copy is left to itself.
        capture.take(error, occasion, may_wait=may_wait and not on_event_loop(), thread=thread)
    finally:
        _busy.discard(caller)


class _Logged(Within):
    """What is known of an error that was logged."""

    def __init__(self, record: LogRecord, hook: str | None) -> None:
        super().__init__()
        self.record = record
        self._hook = hook

    def attributes(self, error: BaseException) -> dict[str, str]:
        """The record's logger, level and message, beside what is known of the request."""
        told = {
            "bcd.hook": self._hook,
            "log.logger": text_of(self.record, "name"),
            "log.level": text_of(self.record, "levelname"),
            "log.message": message_of(self.record, error),
        }
        known = {name: text for name, text in told.items() if text is not None}
        return super().attributes(error) | known


def _warn_of_loss(record: LogRecord) -> None:
    """Say once that errors are lost on their way through a queue to another thread."""
    if _told or thread_of(record) is None:
        return
    message = record.__dict__.get("msg")
    if type(message) is str and TRACEBACK in message:
        _told.append(True)
        notice(
            "logging: a QueueHandler takes the error out of a record, which leaves nothing to "
            "trace: add BcdHandler to the logger, beside the QueueHandler"
        )
