"""The queue of a registered tracer, which a signal handler can put into."""

from __future__ import annotations

from _queue import SimpleQueue
from collections import deque
from functools import partial
from queue import Full, Queue

from bcd import _linux

__all__ = ["SignalChannel"]


# A handler of Python runs in the main thread, between any two bytecodes. It must not wait for a
# lock that the very code which it interrupted may hold, and ``queue.Queue`` has one around
# everything: a program that looks at the queue, or a second signal during the first one's
# handler, would hang. A reentrant lock does not help: an exception out of somebody else's
# handler can come between taking it and the ``try`` that gives it back. So there is no lock
# here. Room and numbers are kept by objects whose methods are single calls of C, in which no
# handler runs, and two of them are joined by ``in_one_call``: a number never takes room
# without being there, and of nested handlers each gets room of its own or none.
class SignalChannel(Queue[int]):
    """A ``queue.Queue`` of signal numbers without a lock; ``put`` never waits.

    ``join`` and ``task_done`` have no use, as no task is counted.

    Args:
        capacity: The most numbers that are queued, at least 1.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.reset()

    def reset(self) -> None:
        """Forget what is queued, as a forked child has to: it came to the parent."""
        self._numbers: SimpleQueue[int] = SimpleQueue()
        self._room = deque(range(self.maxsize))

    def put(self, item: int, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002, FBT001, FBT002 - as in Queue
        """Add a number.

        Raises:
            queue.Full: There is no room; it is not waited for.
        """
        try:
            _linux.in_one_call((self._room.pop, partial(self._numbers.put, item)))
        except IndexError:
            raise Full from None

    def get(self, block: bool = True, timeout: float | None = None) -> int:  # noqa: FBT001, FBT002 - as in Queue
        """Take the oldest number.

        Args:
            block: Wait for one.
            timeout: Seconds to wait at most; None has no limit.

        Raises:
            queue.Empty: There is none.
        """
        taking = partial(self._numbers.get, block, timeout)
        number, _ = _linux.in_one_call((taking, partial(self._room.append, 0)))
        assert isinstance(number, int)  # noqa: S101 - put takes no other
        return number

    def qsize(self) -> int:
        """How many numbers are queued."""
        return self._numbers.qsize()

    def empty(self) -> bool:
        """Whether no number is queued."""
        return self._numbers.empty()

    def full(self) -> bool:
        """Whether the next signal would be dropped."""
        return not self._room
