"""One tracer at a time, and not too often: the slot, its queue and the rate limit.

The slot belongs to whoever stands first in the queue once the rate limit is over. Joining,
leaving and looking who is first are single operations of a ``deque``, so the gate needs no lock:
nothing that a fork could leave locked, or that a signal handler or finalizer which runs a trace
in the middle of another could wait for in vain.

The rate limit is a moment of the monotonic clock, neither a thread nor a timer, so nothing has
to be there to end it (rule 24).
"""

from __future__ import annotations

import math
import os
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from bcd import _greenlets
from bcd._pid import own_pid

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

__all__ = ["Gate", "Slot"]

_LONGEST_NAP = 3600.0  # seconds; keeps infinite waits below what a lock accepts


class _Place:
    """A place in the queue; known by identity only."""

    __slots__ = ("bell", "greenlet", "thread")

    def __init__(self) -> None:
        self.bell: LockType | None = None
        self.thread: int | None = _greenlets.get_ident()
        self.greenlet = _greenlets.current()

    def ring(self) -> None:
        """Wake the thread that waits at this place, if there is one."""
        if self.bell is None:
            return
        try:
            self.bell.release()
        except RuntimeError:  # it is awake, or was rung a moment ago
            return


class Gate:
    """The one slot for tracers of a process (rule 20).

    Attributes:
        clock: Seconds that never go back; deadlines are read on it.
        queue: Who has the slot or waits for it, in the order of service.
        opens_at: Moment of the clock at which the rate limit is over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.reset()
        here = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _reset_in_child(here))

    def reset(self) -> None:
        """Forget whoever has the slot or waits for it, as a forked child has to (rule 24)."""
        self.queue: deque[_Place] = deque()
        self.opens_at = -math.inf
        self._owner = own_pid()

    def renew(self) -> None:
        """Reset in a forked child whose own at-fork handler traces before that of the gate."""
        if self._owner != own_pid():
            self.reset()

    def is_open(self) -> bool:
        """Whether nobody has the slot or waits for it, and the rate limit is over."""
        if self._owner != own_pid():  # written out: most errors of a storm pay for it
            self.reset()
        return not self.queue and self.clock() >= self.opens_at

    def open_for(self) -> float:
        """For how many seconds the rate limit has been over, negative as long as it is not."""
        self.renew()
        return self.clock() - self.opens_at

    def try_acquire(self) -> Slot | None:
        """Win the slot at once or not at all; waiters come first."""
        slot = Slot(self)
        return slot if slot.try_take() else None

    def acquire(self, deadline: float) -> Slot | None:
        """Wait for the slot, first come, first served.

        Args:
            deadline: Moment of the gate's clock at which to give up, may be infinite.
        """
        slot = Slot(self)
        return slot if slot.take(deadline) else None

    def leave(self, place: _Place, opens_at: float) -> None:
        """Give up a place; the gate opens at ``opens_at`` if it was the first one."""
        queue = self.queue
        if queue and queue[0] is place:
            self.opens_at = max(self.opens_at, opens_at)
        try:
            queue.remove(place)
        except ValueError:  # left before, or taken by a parent process
            return
        try:
            queue[0].ring()
        except IndexError:  # nobody waits
            return


def _reset_in_child(reference: weakref.ref[Gate]) -> None:
    gate = reference()
    if gate is not None:
        gate.renew()


class Slot:
    """A claim to the slot, from before it is made until after it is given up.

    An interrupt may strike between any two steps, also between winning the slot and noting that
    it was won. Whoever must not lose it makes the ``Slot`` first, takes it inside ``try`` and
    gives it up in ``finally``, as often as they like; a claim that is dropped gives itself up.
    """

    __slots__ = ("_gate", "_place")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        gate.renew()
        self._place = _Place()

    def held(self) -> bool:
        """Whether this is the claim that has the slot."""
        gate = self._gate
        queue = gate.queue
        try:
            first = queue[0] is self._place
        except IndexError:
            return False
        return first and gate.clock() >= gate.opens_at

    def waits_for_itself(self) -> bool:
        """Whether this very thread has the slot or waits for it further up in its calls.

        Of two greenlets of a thread one can wait for the other, if both leave it the thread.
        """
        mine = self._place
        unknown = (None, mine.greenlet)
        return any(
            place.thread == mine.thread and (mine.greenlet is None or place.greenlet in unknown)
            for place in list(self._gate.queue)
        )

    def hand_over(self) -> None:
        """Note that another thread will release the slot."""
        self._place.thread = None

    def join(self) -> None:
        """Take the last place in the queue."""
        self._gate.queue.append(self._place)

    def try_take(self) -> bool:
        """Win the slot at once or not at all.

        Returns:
            True when it was won.
        """
        if not self._gate.is_open():
            return False
        self.join()
        if self.held():  # nobody was faster
            return True
        self.give_back()
        return False

    def take(self, deadline: float) -> bool:
        """Wait for the slot, first come, first served.

        Args:
            deadline: Moment of the gate's clock at which to give up, may be infinite.

        Returns:
            True when it was won; False when the deadline came first, also where it had passed
            before the call.
        """
        self._place.bell = _greenlets.allocate_lock()
        self._place.bell.acquire()
        try:
            self.join()
            won = self._wait(deadline)
        except BaseException:
            self.give_back()
            raise
        if not won:
            self.give_back()
        return won

    def _wait(self, deadline: float) -> bool:
        while (now := self._gate.clock()) < deadline:
            if self.held():
                return True
            self._sleep(min(self._pause(now), deadline - now))
        return False

    def _pause(self, now: float) -> float:
        """Seconds until the slot can be had as far as is known; others ring when they leave."""
        gate = self._gate
        first = gate.queue[0] is self._place
        return gate.opens_at - now if first else math.inf

    def _sleep(self, seconds: float) -> None:
        bell = self._place.bell
        if bell is not None:
            _greenlets.acquire(bell, time.monotonic() + min(seconds, _LONGEST_NAP))

    def release(self, rate_limit: float) -> None:
        """Give the slot up and keep it closed for a while; does nothing the second time.

        Args:
            rate_limit: Seconds from now; a negative value counts as 0 (rule 20).
        """
        opens_at = self._gate.clock() + max(0.0, rate_limit) if self.held() else -math.inf
        self._gate.leave(self._place, opens_at)

    def give_back(self) -> None:
        """Give the slot or the wait for it up as if it had never been (rule 16)."""
        self._gate.leave(self._place, -math.inf)

    def __del__(self) -> None:
        with suppress(AttributeError):  # an interrupt ended the constructor
            self.give_back()
