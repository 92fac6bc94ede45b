"""What C's locks and sockets hold: calibrated when the first one is met, as in ``library``."""

from __future__ import annotations

import _thread
import posix

from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.errors import CalibrationError, MemoryFault
from bcd.ptrace.memory import LiveMemory

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bcd.ptrace.memory import Memory

_HEAD = object.__basicsize__


class Locks:
    """Reads locks and sockets of the target.

    Args:
        memory: The memory of the target.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._places: dict[str, tuple[int, ...] | None] = {}

    def owner(self, lock: int) -> int:
        """Ident of the thread that holds an ``_thread.RLock``, 0 where none does or unproven."""
        places = self._place("owner", _rlock)
        return self._memory.word(lock + places[0]) if places else 0

    def count(self, lock: int) -> int:
        """How often the owner of an ``_thread.RLock`` has taken it."""
        places = self._place("owner", _rlock)
        return self._memory.word(lock + places[1]) + places[2] if places else 0

    def is_locked(self, lock: int) -> bool | None:
        """Whether an ``_thread.lock`` is taken, None where unproven."""
        places = self._place("locked", _lock)
        return None if places is None else bool(self._memory.byte(lock + places[0]) & 1)

    def descriptor(self, socket: int) -> int | None:
        """The file descriptor of a socket, None where unproven."""
        places = self._place("socket", _socket)
        return None if places is None else self._memory.int32(socket + places[0])

    def _place(
        self, name: str, find: Callable[[Search], tuple[int, ...]]
    ) -> tuple[int, ...] | None:
        if name not in self._places:
            descriptor = posix.open("/proc/self/mem", posix.O_RDONLY | posix.O_CLOEXEC)
            try:
                self._places[name] = find(Search(LiveMemory(descriptor)))
            except (CalibrationError, MemoryFault, ImportError, OSError):
                self._places[name] = None
            finally:
                posix.close(descriptor)
        return self._places[name]


def _rlock(search: Search) -> tuple[int, int, int]:
    """Where an RLock keeps its owner and how often it is taken, and what to add to that.

    From 3.14 on the first time is not counted.
    """
    few, many, free = (_thread.RLock() for _ in range(3))
    for lock, times in ((few, 3), (many, 7)):
        for _ in range(times):
            lock.acquire()
    size = _thread.RLock.__basicsize__
    samples = [(id(lock), _thread.get_ident()) for lock in (few, many)]
    owner = search.where(size, samples, "the owner of an RLock")
    words = [search.words(id(lock), size) for lock in (few, many, free)]
    found = []
    for at in range(_HEAD // WORD, size // WORD):
        first, second, third = (each[at] for each in words)
        if second - first == 4 and first in (2, 3) and third == 0:  # noqa: PLR2004 - 7 - 3
            found.append((at * WORD, 3 - first))
    count = only([place for place, _ in found], "the count of an RLock")
    return owner, count, found[0][1]


def _lock(search: Search) -> tuple[int]:
    """Where a lock keeps whether it is taken: the one byte that changes when it is."""
    samples = [_thread.allocate_lock() for _ in range(4)]
    size = type(samples[0]).__basicsize__
    before = [search.memory.read(id(lock), size) for lock in samples]
    for lock in samples:
        lock.acquire()
    after = [search.memory.read(id(lock), size) for lock in samples]
    changed = [
        at
        for at in range(_HEAD, size)
        if all((one[at], two[at]) == (0, 1) for one, two in zip(before, after, strict=True))
    ]
    return (only(changed, "whether a lock is taken"),)


def _socket(search: Search) -> tuple[int]:
    import _socket as module  # 1 ms, and few threads wait for a socket

    pair: tuple[Any, Any] = module.socket(), module.socket()
    samples = [(id(one), one.fileno()) for one in pair]
    try:
        size = module.socket.__basicsize__ // 4 * 4
        place = search.int32_where(size, samples, "the descriptor of a socket", _HEAD)
    finally:
        for one in pair:
            one.close()
    return (place,)
