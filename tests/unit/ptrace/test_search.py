"""Finding known values: exactly one place, or a refusal."""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

import pytest

from bcd.ptrace.calibrate.search import Search, only
from bcd.ptrace.errors import CalibrationError, MemoryFault

if TYPE_CHECKING:
    from bcd.ptrace.memory import LiveMemory

VALUE = 0x1234_5678_9ABC_DEF0


class Sample:
    """Words somewhere in the own memory."""

    def __init__(self, *words: int) -> None:
        self._buffer = ctypes.create_string_buffer(struct.pack(f"<{len(words)}Q", *words))
        self.address = ctypes.addressof(self._buffer)
        self.size = 8 * len(words)


@pytest.fixture
def search(own: LiveMemory) -> Search:
    """Searches this process."""
    return Search(own)


class TestOnly:
    def test_one(self) -> None:
        """A single candidate is the answer."""
        assert only([16], "it") == 16

    @pytest.mark.parametrize("candidates", [[], [8, 16]])
    def test_none_or_many(self, candidates: list[int]) -> None:
        """None, or more than one, is a refusal that says of what and how many."""
        with pytest.raises(CalibrationError, match=f"{len(candidates)} places for the thing"):
            only(candidates, "the thing")


class TestSearch:
    def test_all(self, search: Search) -> None:
        """Every place is found, in order, from the first one asked for on."""
        sample = Sample(VALUE, 1, VALUE, VALUE)
        assert search.all(sample.address, sample.size, VALUE) == [0, 16, 24]
        assert search.all(sample.address, sample.size, VALUE, 8) == [16, 24]

    def test_one_refuses_two(self, search: Search) -> None:
        """A value that stands in two places proves nothing; the first may still be asked for."""
        sample = Sample(0, 0, VALUE, VALUE)
        with pytest.raises(CalibrationError):
            search.one(sample.address, sample.size, VALUE, "it")
        assert search.first(sample.address, sample.size, VALUE, "it") == 16
        with pytest.raises(CalibrationError):
            search.first(sample.address, sample.size, VALUE + 1, "it")

    def test_where_compares_samples(self, search: Search) -> None:
        """Only the place that is right in each sample counts."""
        first, second = Sample(0, 0, 3, 5, 3), Sample(0, 0, 3, 7, 4)
        samples = [(first.address, 3), (second.address, 4)]
        assert search.where(40, samples, "it") == 32
        with pytest.raises(CalibrationError):
            search.where(40, [(first.address, 3), (second.address, 9)], "it")

    def test_bytes_and_short_integers(self, search: Search) -> None:
        """Bytes are found at any place, 32-bit integers at multiples of four."""
        sample = Sample(0, 0x0700 << 32, 0)
        assert search.byte_where(24, [(sample.address, 7)], "it") == 13
        assert search.int32_where(24, [(sample.address, 0x0700)], "it") == 12

    def test_pointers_into_nowhere_are_passed_over(self, search: Search) -> None:
        """A word that points to nothing is no candidate and no crash."""
        aim = Sample(VALUE)
        sample = Sample(0, 0, 8, 1 << 63, 0x10008, aim.address)

        def accept(word: int) -> bool:
            return search.memory.word(word) == VALUE

        assert search.pointer_to(sample.address, sample.size, accept, "it") == 40
        with pytest.raises(MemoryFault):
            accept(8)

    def test_masks(self, own: LiveMemory) -> None:
        """Tags in the low bits of references are no part of the pointer."""
        sample = Sample(0, 0, VALUE | 5)
        masked = Search(own, ((1 << 64) - 1) & ~7)
        assert masked.one(sample.address, sample.size, VALUE, "it") == 16
