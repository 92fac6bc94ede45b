"""What stands on a frame's evaluation stack: the C function it is in, and its ``with`` blocks."""

from __future__ import annotations

import sys
import types

from bcd.ptrace.bytecode import Handler, Instruction, Instructions, handlers
from bcd.ptrace.calibrate.search import WORD
from bcd.ptrace.memory import FAULTS

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.ptrace.codes import Code
    from bcd.ptrace.stacks import Frames
    from bcd.ptrace.target import Target

_HEAD = object.__basicsize__
_GENERATORS = 0x20 | 0x80 | 0x200
"""``CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR``. Source: documentation of inspect."""
_MOST_BLOCKS = 64
_LARGEST_CODE = 1 << 20
_MOST_ARGUMENTS = 32


class Call:
    """A call of a C function that has not returned.

    Attributes:
        kind: Full name of the type or module that the function belongs to.
        name: Name of the function.
        owner: The object whose method it is, or the module.
        arguments: Addresses of its arguments, those with names last.
    """

    __slots__ = ("arguments", "kind", "name", "owner")

    def __init__(self, kind: str, name: str, owner: int, arguments: tuple[int, ...] = ()) -> None:
        self.kind = kind
        self.name = name
        self.owner = owner
        self.arguments = arguments


class _Analysis:
    """What the code of a function says of its stack."""

    __slots__ = ("depths", "instructions")

    def __init__(self, instructions: dict[int, Instruction], depths: dict[int, int]) -> None:
        self.instructions = instructions
        self.depths = depths


class Evaluation:
    """Reads the evaluation stacks of frames.

    Args:
        target: The process that is read.
        frames: Reads its frames.
    """

    def __init__(self, target: Target, frames: Frames) -> None:
        self._target = target
        self._memory = target.memory
        self._objects = target.objects
        self._layout = target.layout.frame
        self._frames = frames
        self._known: dict[int, _Analysis | None] = {}
        self._tables: dict[int, list[Handler]] = {}
        self._blocks: dict[tuple[int, int], list[int]] = {}
        self._instructions: Instructions | None = None
        self._method = target.objects.static(types.MethodType)
        self._builtin = target.objects.static(types.BuiltinFunctionType)
        self._descriptor = target.objects.static(types.MethodDescriptorType)

    def variable(self, frame: int, name: str) -> int:
        """The address of a variable's value, 0 where it has none."""
        return dict(self._frames.slots(frame)).get(name, 0)

    def called(self, frame: int) -> Call | None:
        """The C function that a thread's innermost frame is in; None where that is not proven.

        What is called stays on the stack until the call returns and its result takes the place.
        So a thread that has its result, and waits for the GIL alone, is not mistaken.
        """
        code = self._frames.code_of(frame)
        analysis = self._analysis(code)
        if code is None or analysis is None:
            return None
        at = self._target.codes.instruction(frame, code)
        depth = analysis.depths.get(at)
        if depth is None or not self._is_as_high(frame, code, depth):
            return None
        number, argument, _ = analysis.instructions[at]
        name = self._known_instructions().names[number]
        if name == "BEFORE_WITH":  # until 3.13
            return self._entered(self._slot(frame, code, depth - 1))
        below = _BELOW.get(name)
        if below is None or argument > _MOST_ARGUMENTS:
            return None
        first = depth - below - (0 if name == _CALL_AFTER_PRECALL else argument)
        if first < 0:
            return None
        slots = [self._slot(frame, code, first + index) for index in range(argument + 2)]
        return self._call(slots[0], slots[1], tuple(slots[2:]))

    def open_blocks(self, frame: int) -> Iterator[tuple[str, int]]:
        """(``__exit__`` or ``__aexit__``, owner) of the open ``with`` blocks, inmost first.

        The handlers around an instruction say how deep in the stack the method is kept.
        """
        code = self._frames.code_of(frame)
        if code is None:
            return
        at = self._target.codes.instruction(frame, code)
        depths = self._blocks.get((code.start, at))
        if depths is None:
            depths = self._blocks[code.start, at] = self._depths_of_blocks(code, at)
        for depth in depths:
            found = self._exit(frame, code, depth)
            if found is not None:
                yield found

    def _depths_of_blocks(self, code: Code, at: int) -> list[int]:
        """What the handlers of ``with`` blocks around an instruction keep of the stack.

        Only the few codes that have one there are analysed: that takes 0.2 ms each.
        """
        try:
            depths = list(self._handlers_of_blocks(code, at))
        except FAULTS:  # damaged
            return []
        return depths if depths and self._analysis(code) is not None else []

    def _handlers_of_blocks(self, code: Code, at: int) -> Iterator[int]:
        """The depth of each handler of a ``with`` block around an instruction, inmost first.

        A handler lies within the blocks that are further out.
        """
        table = self._table(code)
        for _ in range(_MOST_BLOCKS):
            handler = next((each for each in table if each.start <= at < each.end), None)
            if handler is None:
                return
            at = handler.target
            begin = self._known_instructions().begin_of_exit
            if self._memory.read(code.start + at, len(begin)) == begin:
                yield handler.depth

    def _exit(self, frame: int, code: Code, depth: int) -> tuple[str, int] | None:
        below = 2 if sys.version_info >= (3, 14) else 1  # since 3.14 the owner stands on its own
        if depth < below:
            return None
        method = self._slot(frame, code, depth - below)
        owner = self._slot(frame, code, depth - 1) if below > 1 else 0
        if not method:
            return None
        kind, misc = self._objects.type_address(method), self._target.layout.misc
        if kind == self._method:
            owner = self._memory.word(method + misc.method_self)
            method = self._memory.word(method + misc.method_function)
            kind = self._objects.type_address(method)
        if kind == self._objects.static(types.FunctionType):
            name = self._memory.word(method + misc.function_qualname)
            return self._objects.name(name).rpartition(".")[2], owner
        call = self._call(method, owner, ())
        return None if call is None else (call.name, call.owner)

    def _slot(self, frame: int, code: Code, index: int) -> int:
        at = frame + self._layout.variables + (len(code.names) + index) * WORD
        return self._memory.word(at) & self._target.layout.pointer_mask

    def _is_as_high(self, frame: int, code: Code, depth: int) -> bool:
        """Whether the frame says of its stack what the code does, where it says it (3.14+)."""
        if not self._layout.stack_is_pointer:
            return True
        top = self._memory.word(frame + self._layout.stack_top)
        return top == frame + self._layout.variables + (len(code.names) + depth) * WORD

    def _entered(self, owner: int) -> Call:
        """The call of ``__enter__``; 3.11 has put the method that leaves in the place by then.

        The instruction does not let go of the GIL by itself, so it is in that call.
        """
        if self._objects.type_address(owner) == self._builtin:
            owner = self._memory.word(owner + self._target.layout.misc.builtin_self)
        return Call(self._objects.type_of(owner).full_name, "__enter__", owner)

    def _call(self, first: int, second: int, arguments: tuple[int, ...]) -> Call | None:
        """What is called, from the two slots below the arguments, one of which may be empty."""
        function, owner = (first, second) if first else (second, 0)
        kind, misc = self._objects.type_address(function), self._target.layout.misc
        if kind == self._builtin:
            if owner:
                arguments = (owner, *arguments)
            owner = self._memory.word(function + misc.builtin_self)
            definition = self._memory.word(function + misc.builtin_definition)
            name = self._memory.c_string(self._memory.word(definition), 100)
        elif kind == self._descriptor:
            if not owner:
                owner, arguments = (arguments or (0,))[0], arguments[1:]
            name = self._objects.name(self._memory.word(function + misc.descriptor_name))
        else:
            return None
        return Call(self._kind(owner), name, owner, arguments) if owner else None

    def _kind(self, owner: int) -> str:
        """The module's name for one of its functions, the type's for a method."""
        info = self._objects.type_of(owner)
        if not self._objects.is_a(info, types.ModuleType):
            return info.full_name
        names = self._memory.word(owner + self._target.layout.misc.module_dict)
        name = self._objects.lookup(names, "__name__") if names else 0
        return self._objects.name(name) if name else ""

    def _analysis(self, code: Code | None) -> _Analysis | None:
        if code is None:
            return None
        if code.start not in self._known:
            try:
                self._known[code.start] = self._analyse(code)
            except FAULTS:  # a debugger patched it: then nothing is said of it
                self._known[code.start] = None
        return self._known[code.start]

    def _analyse(self, code: Code) -> _Analysis:
        known = self._known_instructions()
        size = 2 * self._memory.word(self._address(code) + _HEAD)
        raw = self._memory.read(code.start, min(size, _LARGEST_CODE))
        steps = known.decode(raw)
        depths = known.depths(steps, self._table(code), generator=bool(code.flags & _GENERATORS))
        return _Analysis(steps, depths)

    def _address(self, code: Code) -> int:
        return code.start - self._target.layout.code.instructions

    def _known_instructions(self) -> Instructions:
        if self._instructions is None:
            self._instructions = Instructions()
        return self._instructions

    def _table(self, code: Code) -> list[Handler]:
        table = self._tables.get(code.start)
        if table is None:
            entries = self._address(code) + self._target.layout.code.exception_table
            raw, _ = self._objects.raw_bytes(self._memory.word(entries), _LARGEST_CODE)
            table = self._tables[code.start] = handlers(raw)
        return table


_CALL_AFTER_PRECALL = "CALL" if sys.version_info < (3, 12) else ""
"""In 3.11 the arguments are already counted out before the instruction that calls."""

_BELOW = {"CALL": 2, "PRECALL": 2, "CALL_KW": 3}
"""Instruction → how far below the arguments what is called begins; names of arguments are above."""
