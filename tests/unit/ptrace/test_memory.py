"""Reading memory: what is there comes back as it is, what is not there is a fault."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING

import pytest

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.memory import HIGHEST, LOWEST, PAGE, LiveMemory, Memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = 0x20000
CONTENT = bytes(range(256)) * (3 * PAGE // 256) + b"end"


@pytest.fixture(params=[True, False], ids=["cached", "not cached"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """Four pages, the last of them not whole: in a file too, the offset is the address."""
    path = tmp_path / "memory"
    with path.open("wb") as file:
        file.seek(START)
        file.write(CONTENT)
    descriptor = os.open(path, os.O_RDONLY)
    yield Memory(descriptor, cached=request.param)
    os.close(descriptor)


class TestReading:
    def test_words(self, memory: Memory) -> None:
        """A word is eight bytes, lowest first, unsigned."""
        assert memory.word(START + 248) == int.from_bytes(range(248, 256), "little")
        assert memory.words(START, 2) == tuple(
            int.from_bytes(CONTENT[at : at + 8], "little") for at in (0, 8)
        )

    def test_signed_numbers(self, memory: Memory) -> None:
        """32- and 64-bit integers are signed; they need not be aligned."""
        assert memory.int32(START + 253) == int.from_bytes(CONTENT[253:257], "little", signed=True)
        assert memory.int64(START + 248) < 0
        assert memory.byte(START + 255) == 255

    @pytest.mark.parametrize("size", [0, 1, 8, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE - 100])
    def test_across_pages(self, memory: Memory, size: int) -> None:
        """Bytes are read over the edges of pages."""
        assert memory.read(START + 100, size) == CONTENT[100 : 100 + size]

    def test_pages_are_kept_only_where_that_is_right(self, memory: Memory, tmp_path: Path) -> None:
        """Memory that stands still is read once; any other is read anew."""
        first = memory.read(START, 8)
        with (tmp_path / "memory").open("r+b") as file:
            file.seek(START)
            file.write(b"x" * 8)
        kept = memory.read(START, 8)
        assert kept == (first if memory._cached else b"x" * 8)
        memory.forget()
        assert memory.read(START, 8) == b"x" * 8

    def test_c_strings(self, memory: Memory) -> None:
        """A string ends at its zero or at the limit, wherever pages end."""
        assert memory.c_string(START + 65, 3) == "ABC"
        assert memory.c_string(START + 250) == CONTENT[250:256].decode("utf-8", "replace")
        assert len(memory.c_string(START + PAGE - 10, 20)) > 0


class TestFaults:
    @pytest.mark.parametrize("address", [0, 1, 8, LOWEST - 8, HIGHEST, 1 << 47, (1 << 64) - 8])
    def test_no_address_of_a_process(self, memory: Memory, address: int) -> None:
        """Null, what is close to it, the kernel's half and what is no address are refused."""
        for read in (memory.word, memory.byte, memory.int32, memory.c_string):
            with pytest.raises(MemoryFault):
                read(address)
        assert not memory.readable(address)

    @pytest.mark.parametrize("offset", range(1, 8))
    def test_words_are_aligned(self, memory: Memory, offset: int) -> None:
        """No pointer is at an address that is no multiple of eight."""
        with pytest.raises(MemoryFault, match="not aligned"):
            memory.word(START + offset)

    def test_short(self, memory: Memory) -> None:
        """What ends before all was read is a fault, never a shorter answer."""
        for size in (PAGE, 5 * PAGE):
            with pytest.raises(MemoryFault, match="only"):
                memory.read(START + 3 * PAGE, size)

    @pytest.mark.parametrize("size", [1 << 40, 1 << 46, 1 << 62, 1 << 70])
    def test_absurd_sizes(self, memory: Memory, size: int) -> None:
        """A size from senseless memory is a fault; it is never asked for."""
        with pytest.raises(MemoryFault):
            memory.read(START, size)

    def test_unmapped_pages(self, own: LiveMemory) -> None:
        """A page that is gone is a fault, next to one that is there."""
        area = mmap.mmap(-1, 2 * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(area))
        ctypes.CDLL(None).mprotect(ctypes.c_void_p(address + PAGE), PAGE, 0)
        assert own.readable(address, 8)
        libc = ctypes.CDLL(None)
        libc.munmap(ctypes.c_void_p(address + PAGE), PAGE)
        for size, start in ((8, address + PAGE), (16, address + PAGE - 8)):
            assert not own.readable(start, size)
            with pytest.raises(MemoryFault):
                own.read(start, size)

    def test_closed_descriptors(self) -> None:
        """Whatever the kernel says becomes a fault."""
        reader, writer = os.pipe()
        os.close(writer)
        os.close(reader)
        with pytest.raises(MemoryFault):
            Memory(reader).word(START)


class TestLive:
    def test_is_never_kept(self, own: LiveMemory) -> None:
        """What changes is read as it is now."""
        buffer = ctypes.create_string_buffer(b"before!!", 8)
        address = ctypes.addressof(buffer)
        assert own.read(address, 8) == b"before!!"
        buffer.raw = b"after!!!"
        assert own.read(address, 8) == b"after!!!"
        assert own.word(address) == int.from_bytes(b"after!!!", "little")


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pages above the limit push out the others, and nothing is lost but time."""
    monkeypatch.setattr("bcd.ptrace.memory._MAX_PAGES", 2)
    path = tmp_path / "memory"
    path.write_bytes(bytes(START) + CONTENT + bytes(PAGE))
    with path.open("rb") as file:
        memory = Memory(file.fileno())
        for _ in range(3):
            for page in range(3):
                assert memory.read(START + page * PAGE, 300) == CONTENT[:300]
        assert len(memory._pages) <= 2
