"""Code objects: names, files, and the line of an instruction."""

from __future__ import annotations

import types
from itertools import islice

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.objects import TUPLE, Objects

_OWNED_BY_C = 3
"""Frames of owners from this number on stand for C code and have no Python line."""


class Code:
    """What is needed of one code object.

    Args:
        objects: Reads the target's objects.
        address: Where the code object is.

    Raises:
        MemoryFault: There is no sensible code.
    """

    def __init__(self, objects: Objects, address: int) -> None:
        memory, layout = objects.memory, objects.layout.code
        self.start = address + layout.instructions
        self.function = objects.name(memory.word(address + layout.qualname))
        self.file = objects.name(memory.word(address + layout.filename))
        self.flags = memory.int32(address + layout.flags)
        self.first_line = memory.int32(address + layout.first_line)
        names = memory.word(address + layout.variable_names)
        if not objects.type_of(names).flags & TUPLE:
            raise MemoryFault(f"no code at {address:#x}")
        self.names = [objects.name(name) for name in objects.sequence(names, 4096)[0]]
        kinds = memory.word(address + layout.variable_kinds)
        self.kinds, _ = objects.raw_bytes(kinds, len(self.names))
        self._table = memory.word(address + layout.line_table)
        self._mentioned = memory.word(address + layout.global_names)
        self._mentions: frozenset[str] | None = None
        self._objects = objects
        self._positions: dict[int, tuple[int | None, ...]] = {}
        self._decoder: types.CodeType | None = None

    def mentions(self, name: str) -> bool:
        """Whether a name stands in the code, of a global or an attribute."""
        if self._mentions is None:
            names = self._objects.sequence(self._mentioned, 4096)[0]
            self._mentions = frozenset(map(self._objects.name, names))
        return name in self._mentions

    def position(self, instruction: int) -> tuple[int | None, ...]:
        """Line, last line, column and last column of an instruction, by its offset in bytes."""
        found = self._positions.get(instruction)
        if found is None:
            found = self._positions[instruction] = self._decode(instruction)
        return found

    def _decode(self, instruction: int) -> tuple[int | None, ...]:
        """Let this interpreter decode the table: it knows the format of its version."""
        if self._decoder is None:
            table, _ = self._objects.raw_bytes(self._table, 1 << 20)
            self._decoder = (lambda: 0).__code__.replace(
                co_linetable=table, co_firstlineno=self.first_line
            )
        unit = max(instruction, 0) // 2
        for position in islice(self._decoder.co_positions(), unit, unit + 1):
            return tuple(map(_sensible, position, (1, 1, 0, 0)))
        return (None,) * 4


def _sensible(number: int | None, least: int) -> int | None:
    """A line or column, None where the table of a code object holds what can be none."""
    return number if number is not None and number >= least else None


class Codes:
    """Reads code objects, each once, and says where frames stand in them.

    Args:
        objects: Reads the target's objects.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._layout = objects.layout.frame
        self._codes: dict[int, Code] = {}
        self._of_frames: dict[int, Code | None] = {}
        self._code_type = objects.static(types.CodeType)

    def read(self, address: int) -> Code | None:
        """The code object at an address; None where there is another object."""
        code = self._codes.get(address)
        if code is not None:
            return code
        if self._objects.type_address(address) != self._code_type:
            return None
        code = self._codes[address] = Code(self._objects, address)
        return code

    def of_frame(self, frame: int) -> Code | None:
        """The code of an interpreter frame; None for one that stands for C code."""
        if frame not in self._of_frames:
            self._of_frames[frame] = self._read_of_frame(frame)
        return self._of_frames[frame]

    def _read_of_frame(self, frame: int) -> Code | None:
        if self._memory.byte(frame + self._layout.owner) >= _OWNED_BY_C:
            return None
        address = self._memory.word(frame + self._layout.code)
        return self.read(address & self._objects.layout.pointer_mask)

    def instruction(self, frame: int, code: Code) -> int:
        """Offset in bytes of the instruction at which a frame stands."""
        return self._memory.word(frame + self._layout.instruction) - code.start

    def line(self, frame: int, code: Code) -> int | None:
        """The line at which a frame stands, None where its code does not say."""
        return code.position(self.instruction(frame, code))[0]
