"""Finding where known values stand in the tracer's own memory."""

from __future__ import annotations

from bcd.ptrace.errors import CalibrationError, MemoryFault
from bcd.ptrace.memory import Memory

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORD = 8
WHOLE_WORD = (1 << 64) - 1


def only(candidates: Sequence[int], what: str) -> int:
    """The one candidate.

    Raises:
        CalibrationError: There is none, or more than one.
    """
    if len(candidates) != 1:
        raise CalibrationError(
            f"this interpreter's layout could not be proven: {len(candidates)} places for {what};"
            " bcd's tracer does not support this build of CPython"
        )
    return candidates[0]


class Search:
    """Searches own memory, read through a descriptor so that a wrong guess cannot crash.

    Args:
        memory: The own memory.
        mask: What to keep of a word before it is compared with a pointer.
    """

    def __init__(self, memory: Memory, mask: int = WHOLE_WORD) -> None:
        self.memory = memory
        self.mask = mask

    def words(self, address: int, size: int) -> list[int]:
        """The words of ``size`` bytes, as pointers."""
        words, mask = self.memory.words(address, size // WORD), self.mask
        return list(words) if mask == WHOLE_WORD else [word & mask for word in words]

    def all(self, address: int, size: int, value: int, start: int = 0) -> list[int]:
        """Offsets of the words from ``start`` on that equal a value, ascending."""
        words = self.words(address + start, size - start)
        return [start + index * WORD for index, word in enumerate(words) if word == value]

    def one(self, address: int, size: int, value: int, what: str, start: int = 2 * WORD) -> int:
        """The one offset from ``start`` on where a word equals a value."""
        return only(self.all(address, size, value, start), what)

    def first(self, address: int, size: int, value: int, what: str, start: int = 2 * WORD) -> int:
        """The lowest offset from ``start`` on where a word equals a value."""
        return only(self.all(address, size, value, start)[:1], what)

    def where(
        self, size: int, samples: Sequence[tuple[int, int]], what: str, start: int = 16
    ) -> int:
        """The one offset where each sample's word is the value that belongs to the sample.

        Args:
            size: Bytes to look at in each sample.
            samples: (address, expected word) pairs.
            what: For the error message.
            start: First offset to look at.
        """
        found: set[int] | None = None
        for address, value in samples:
            offsets = set(self.all(address, size, value, start))
            found = offsets if found is None else found & offsets
        return only(sorted(found or ()), what)

    def byte_where(
        self, size: int, samples: Sequence[tuple[int, int]], what: str, start: int = 0
    ) -> int:
        """The one offset where each sample's byte is the value that belongs to the sample."""
        found: set[int] | None = None
        for address, value in samples:
            data = self.memory.read(address, size)
            offsets = {index for index in range(start, size) if data[index] == value}
            found = offsets if found is None else found & offsets
        return only(sorted(found or ()), what)

    def int32_where(
        self, size: int, samples: Sequence[tuple[int, int]], what: str, start: int = 0
    ) -> int:
        """The one offset, a multiple of 4, where each sample's 32-bit integer is as expected."""
        found: set[int] | None = None
        for address, value in samples:
            data = memoryview(self.memory.read(address, size)).cast("i")
            offsets = {4 * index for index in range(start // 4, size // 4) if data[index] == value}
            found = offsets if found is None else found & offsets
        return only(sorted(found or ()), what)

    def pointer_to(
        self, address: int, size: int, accept: Callable[[int], bool], what: str, start: int = 16
    ) -> int:
        """The one offset of a word that points to something that ``accept`` takes."""
        found = []
        for index, word in enumerate(self.words(address + start, size - start)):
            try:
                if word and accept(word):
                    found.append(start + index * WORD)
            except MemoryFault:
                continue
        return only(found, what)
