"""A registered tracer, and what happens for it when a signal came."""

from __future__ import annotations

import signal
from functools import partial
from queue import Empty, Full

from bcd.config import current_config
from bcd.engine import flush, trace
from bcd.errors import SignalError
from bcd.signals.channel import SignalChannel
from bcd.signals.worker import later

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bcd.tracer import TracerSig

__all__ = ["Registration"]

_LONGEST_WAIT = 3600.0  # seconds for one call of flush; it is called again


class Registration:
    """One tracer that is registered, from its registration to its last queued signal.

    Attributes:
        tracer: The tracer.
        numbers: For which signals.
        channel: What came and is not traced yet.
        resend: Whether a signal is sent again after its trace; read now (rule 29).
    """

    def __init__(self, tracer: TracerSig, sigset: Sequence[int]) -> None:
        self.tracer = tracer
        self.numbers = frozenset(sigset)
        self.channel = SignalChannel(len(sigset))
        self.resend = current_config().resend_signal

    def take(self, number: int, thread: int, begun: Callable[[], object]) -> bool | None:
        """Queue a signal to be traced; called by the signal handler.

        Args:
            number: The signal.
            thread: Native id of the main thread, the faulted one (rule 27).
            begun: Called once the tracer is started, or will not be.

        Returns:
            None when it was dropped because the queue is full (rule 28), False when no thread
            can be started to trace it.
        """
        try:
            self.channel.put_nowait(number)
        except Full:
            return None
        return later(partial(self._trace_next, thread, begun))

    def _trace_next(self, thread: int, begun: Callable[[], object]) -> None:
        try:
            error = SignalError(_description(self.channel.get_nowait()))
            trace(self.tracer, error, thread=thread, detach=True)
        except Empty:  # the program took it out of the queue
            pass
        except BaseException:  # noqa: BLE001, S110 - a tracer that calls sys.exit() ends nothing
            pass
        finally:
            begun()
        while not flush(_LONGEST_WAIT):
            pass


def _description(number: int) -> str:
    return (signal.strsignal(number) or f"signal {number}").lower()  # musl has no words for some
