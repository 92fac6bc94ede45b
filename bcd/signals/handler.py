"""The handler that stands for a signal while a tracer is registered for it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial

from bcd import _greenlets, _linux
from bcd.engine import is_open
from bcd.signals.worker import later

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, TypeAlias

    from bcd.signals.registration import Registration

    Standing: TypeAlias = "Callable[[int, FrameType | None], Any] | int | signal.Handlers"

__all__ = ["Handler", "handlers", "registrations"]

FAULTS = frozenset({signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
_DEFAULT_OF_SIGINT = signal.default_int_handler
_LONGEST_HOLD = 0.5  # seconds that an owner's handler waits for the picture of the process
_PAUSE = 0.05  # seconds between attempts to make the main thread look at a signal

registrations: dict[int, Registration] = {}
"""The registered tracers by ``id(tracer)``, in the order in which they trace."""

handlers: dict[int, Handler] = {}
"""By signal, the handler that hands it over; one that is not here merely passes it on."""

_sent_again: dict[int, bool] = {}


class Handler:
    """Hands a signal over to the tracers that are registered for it, and to its owner.

    The owner is the function that stood before, unless it is Python's own for SIGINT. It is
    called at once, and then has handled the signal, which is not sent again.

    Args:
        number: The signal.
        before: What ``signal.getsignal`` gave before.
    """

    def __init__(self, number: int, before: Standing) -> None:
        self.number = number
        self._before = before
        self._owner = before if callable(before) and before is not _DEFAULT_OF_SIGINT else None

    def install(self) -> bool:
        """Take the signal; a fault of the program itself still ends it.

        An instruction that faults is repeated after the handler of C returned, and faults again,
        for ever; the handler of Python never runs. So the kernel is told to let only the first
        one through, and the handler of Python, which runs when another process sent the signal,
        takes it again. Source: sigaction(2), SA_RESETHAND.

        Returns:
            False where a fault could not be told so, and the signal was left as it was.

        Raises:
            ValueError: This is not the main thread of the main interpreter.
            OSError: The signal cannot be caught.
        """
        before = signal.signal(self.number, self)
        if self.number not in FAULTS or _linux.reset_when_caught(self.number):
            return True
        signal.signal(self.number, before)
        return False

    def remove(self) -> None:
        """Restore what stood before; where something else stands by now, that stays.

        Raises:
            ValueError: This is not the main thread of the main interpreter.
        """
        if self.stands():
            signal.signal(self.number, self._before)

    def stands(self) -> bool:
        """Whether a signal comes to this handler first."""
        return signal.getsignal(self.number) is self

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal, in the main thread, between two bytecodes of anything."""
        takers = self._takers()
        if number in _sent_again or not takers:
            _sent_again.pop(number, None)
            self._give_way(frame)
            return
        if number in FAULTS and self.stands():
            self.install()
        if self._owner is None:
            self._hand_over(takers)
        else:
            self._hand_over_and_hold(takers)
            self._owner(number, frame)

    def _takers(self) -> list[Registration]:
        if handlers.get(self.number) is not self:
            return []
        return [each for each in list(registrations.values()) if self.number in each.numbers]

    def _hand_over(self, takers: list[Registration]) -> None:
        thread = _linux.native_thread_id()
        taken = [each.take(self.number, thread, _nothing) for each in takers]
        if not any(each.resend for each in takers) or set(taken) == {None}:
            return
        if False in taken or not later(partial(_send_again, self.number)):
            _send_again(self.number)  # untraced, but the program ends as it should

    def _hand_over_and_hold(self, takers: list[Registration]) -> None:
        """Let the tracer have its picture before the owner runs, which may end everything.

        The lock is nobody else's and is not waited for longer than a moment, so neither a
        nested signal nor a thread that never runs can hold the program for good.
        """
        begun = _greenlets.allocate_lock()
        begun.acquire()
        worth_it = is_open()
        thread = _linux.native_thread_id()
        taken = [each.take(self.number, thread, partial(_ring, begun)) for each in takers]
        if worth_it and taken[0]:
            begun.acquire(timeout=_LONGEST_HOLD)

    def _give_way(self, frame: FrameType | None) -> None:
        """Let what stood before have the signal, now and from now on."""
        stood = self.stands()
        self.remove()
        if callable(self._before):
            self._before(self.number, frame)
        elif stood:
            os.kill(os.getpid(), self.number)


def _nothing() -> None:
    """Nobody waits."""


def _ring(bell: LockType) -> None:
    with suppress(RuntimeError):  # rung by the tracer before
        bell.release()


def _send_again(number: int) -> None:
    """Send the signal to this process, whose handler then gives way to the default action.

    A thread may not change handlers; the main thread does so when the signal arrives there. It
    may just have given up the GIL, which this thread then got, to wait for something: a signal
    that comes before the wait has begun does not end it. So it is sent until it has arrived,
    and not once more, as looking and sending are one call of C.
    """
    _sent_again[number] = True
    never = _greenlets.allocate_lock()
    never.acquire()
    steps = (partial(_sent_again.__getitem__, number), partial(os.kill, os.getpid(), number))
    with suppress(KeyError):
        _linux.in_one_call(steps)
        while isinstance(signal.getsignal(number), Handler):
            never.acquire(timeout=_PAUSE)  # time.sleep may belong to greenlets
            _linux.in_one_call(steps)


def _reset_in_child() -> None:
    _sent_again.clear()
    for each in list(registrations.values()):
        each.channel.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_child)  # what came, came to the parent
