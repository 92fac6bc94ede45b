"""``logging``: ``logging.getLogger().addHandler(BcdHandler())``.

It never holds a lock while it traces, writes nothing, and never logs.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from bcd.errors import ConfigError
from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._complaints import complain
from bcd.integrations._enclosing import want_requests
from bcd.integrations._logged import take_logged

if TYPE_CHECKING:
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["BcdHandler"]


class BcdHandler(logging.Handler):
    """Has the error traced of every record that has one: ``logger.exception(…)``, ``exc_info=…``.

    It traces in the thread that logs, before the call returns. Where something else passes
    records on to it, like a ``MemoryHandler`` or loguru, which hold a lock meanwhile, nobody waits
    for a tracer that cannot work on a frozen copy. Records of ``bcd`` and the loggers
    below it are passed over; so are, as long as bcd stands in the same server itself, those of
    uvicorn (``uvicorn.error``), gunicorn (``gunicorn.error``) and Celery (``celery.app.trace``,
    ``celery.worker.request``), which tell what it has seen.

    Add it to a logger itself: a ``QueueHandler`` takes the error out of the record, a
    ``MemoryHandler`` passes it on late. And add it after the program has
    set ``logging`` up: ``basicConfig`` does nothing where there is a handler already, and only
    without any does ``logging`` print warnings by itself; a worker of Celery takes all handlers of
    the root logger away as it starts. ``bcd.init(hooks=["logging", …])`` adds no handler and has
    none of this to be minded.

    Args:
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.
        level: The lowest level whose errors are traced, a number or a name.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name, or there is no such
            level.
    """

    def __init__(
        self,
        *,
        tracer: Tracer | None = None,
        options: TraceOptions | None = None,
        ignore: Ignore = (),
        before_trace: BeforeTrace | None = None,
        level: int | str = logging.ERROR,
    ) -> None:
        self._capture = Capture("logging", tracer, options, ignore, before_trace)
        want_requests("logging")
        try:
            super().__init__(level)
        except (TypeError, ValueError):
            raise ConfigError(
                f"level is {level!r}; accepted are a number and the name of a level of logging, "
                "like 'ERROR'"
            ) from None

    def createLock(self) -> None:  # noqa: N802 - of logging
        """Have none: other threads that log do not wait for a trace, and no fork finds it held."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Trace a record that passes the filters, and tell whether it does."""
        try:
            passed: object = self.filter(record)  # from Python 3.12 on it may be another record
            if passed:
                self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        except Exception as problem:  # noqa: BLE001 - never into the program
            complain("logging: a filter of BcdHandler failed", problem)
            return False
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Have the error of a record traced, if it has one."""
        if record.levelno >= self.level:  # which not all who call it have asked
            take_logged(self._capture, record, may_wait=_is_called_by_logger())


def _is_called_by_logger() -> bool:
    """Whether a logger itself has the handler called by which this is called; it holds no lock."""
    frame = sys._getframe(1)  # noqa: SLF001 - documented
    while frame.f_code in _OWN and frame.f_back is not None:
        frame = frame.f_back
    return (
        frame.f_code.co_qualname == "Logger.callHandlers"
        and frame.f_globals.get("__name__") == "logging"
    )


_OWN = frozenset({BcdHandler.handle.__code__, BcdHandler.emit.__code__})
