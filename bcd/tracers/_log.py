"""Where a tracer's messages go: one line each on stderr, or to the standard ``logging``."""

from __future__ import annotations

from contextlib import suppress

from bcd.notice import notice
from bcd.tracer import LogPriority

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from logging import Logger

__all__ = ["LoggingLog", "StderrLog"]


class StderrLog:
    """Writes ``[bcd] YYYY/MM/DD HH:MM:SS message`` to ``sys.stderr`` for the enabled levels.

    Args:
        level: The mask of the levels that are emitted.
    """

    def __init__(self, level: LogPriority = LogPriority.ERROR) -> None:
        self._mask = level

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Write ``format % args`` if the level is enabled; never raises."""
        if self._mask & level == 0:
            return
        with suppress(Exception):  # arguments that do not fit the format
            notice(format % args if args else format)

    def set_log_level(self, level: LogPriority) -> None:
        """Set the mask of the levels that are emitted; all others are ignored."""
        self._mask = level


class LoggingLog:
    """Passes messages of the enabled levels on to a logger of the standard ``logging``.

    The mask decides first, then the levels of ``logging``: ``tracer.set_log_level`` enables
    what is to reach the logger at all.

    Args:
        logger: A logger, or its name. Handlers that trace what is logged pass over ``bcd`` and
            the loggers below it, so that a failed trace does not lead to the next one; keep to
            these names where there is such a handler.
        level: The mask of the levels that are passed on.
    """

    def __init__(
        self, logger: str | Logger = "bcd", level: LogPriority = LogPriority.ERROR
    ) -> None:
        import logging  # takes long, and who asks for it has it already

        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._levels = (
            (LogPriority.ERROR, logging.ERROR),
            (LogPriority.WARNING, logging.WARNING),
            (LogPriority.DEBUG, logging.DEBUG),
        )
        self._mask = level

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Log ``format % args`` if the level is enabled; never raises."""
        if self._mask & level == 0:
            return
        number = next(number for priority, number in self._levels if level & priority)
        with suppress(Exception):  # a handler's own fault
            self._logger.log(number, format, *args)

    def set_log_level(self, level: LogPriority) -> None:
        """Set the mask of the levels that are passed on; all others are ignored."""
        self._mask = level
