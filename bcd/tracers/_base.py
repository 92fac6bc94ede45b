"""What every tracer that comes with bcd has: options, defaults, a log, signals."""

from __future__ import annotations

import signal

from bcd.tracer import LogPriority
from bcd.tracers._log import StderrLog
from bcd.tracers._options import OptionList

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from queue import Queue

    from bcd.tracer import Log, TraceOptions

__all__ = ["DEFAULT_SIGSET", "TracerBase"]

DEFAULT_SIGSET = (
    signal.SIGABRT,
    signal.SIGFPE,
    signal.SIGSEGV,
    signal.SIGILL,
    signal.SIGBUS,
    signal.SIGINT,
)
"""The signals of a tracer that was told no others (rule 27)."""


class TracerBase(OptionList):
    """All of :class:`bcd.tracer.TracerSig` but ``finalize``; see there for the methods.

    Like the options, everything here is read and replaced by one bytecode, so there is no lock
    that a fork could leave locked.

    Args:
        base: The base options.
        defaults: The options of a trace that is given none.
    """

    def __init__(self, *base: str, defaults: TraceOptions) -> None:
        super().__init__(*base)
        self._defaults = defaults
        self._mask = LogPriority.ERROR
        self._log: Log = StderrLog(self._mask)
        self._sigset: tuple[int, ...] = DEFAULT_SIGSET
        self._sigchan: Queue[int] | None = None

    def __str__(self) -> str:
        return type(self).__name__

    def default_trace_options(self) -> TraceOptions:
        """The options of a trace that is given none: the one shared object, edits persist."""
        return self._defaults

    def set_logger(self, log: Log) -> None:
        """Send the messages of this tracer to another log.

        Args:
            log: Gets every message, and at once the mask, which belongs to the tracer (rule 32).
        """
        log.set_log_level(self._mask)
        self._log = log

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Log ``format % args`` if the log takes that level."""
        self._log.logf(level, format, *args)

    def set_log_level(self, level: LogPriority) -> None:
        """Set the mask of the levels that are emitted; it stays when the log is replaced."""
        self._mask = level
        self._log.set_log_level(level)

    def set_sigset(self, *sigs: int) -> None:
        """Replace the signals for which ``register`` runs the tracer."""
        self._sigset = sigs

    def sigset(self) -> list[int]:
        """A copy of those signals, in their order."""
        return list(self._sigset)

    def set_sigchan(self, chan: Queue[int] | None) -> None:
        """Set the queue through which the numbers of signals arrive; ``register`` does."""
        self._sigchan = chan

    def sigchan(self) -> Queue[int] | None:
        """The queue through which the numbers of signals arrive, None before ``register``."""
        return self._sigchan
