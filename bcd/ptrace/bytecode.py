"""How high a frame's evaluation stack is at an instruction, and which ``with`` blocks are open.

While a thread is in a C function its frame does not say how high its stack is (before 3.14), but
the code does: each instruction changes the height by a known amount. This interpreter is asked
for the amounts, as ``dis`` does; what an instruction was before it was specialized is learned by
experiment.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UNIT = 2
"""Bytes of a code unit: the instruction and its argument."""
_PADDING = 24
"""Units between two samples, more than the caches of any instruction."""
_PATCHED = "INSTRUMENTED_"
_NEEDS_MORE = ("INSTRUMENTED_LINE", "INSTRUMENTED_INSTRUCTION", "ENTER_EXECUTOR", "TRACE_RECORD")
"""What stands for these is not in the code itself. Source: Python/instrumentation.c."""
_NO_JUMP = "END_ASYNC_FOR"
"""It names where its loop began, for debuggers, and does not go there (3.14+)."""
_LAST = ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE")
_ALWAYS = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
_GENERATORS = 0x20 | 0x80 | 0x200
"""``CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR``. Source: documentation of inspect."""


Instruction = tuple[int, int, int]
"""Its number, its argument, and the offset of the next."""


class Handler:
    """Where an exception between two offsets in bytes is handled.

    Source: CPython InternalDocs/exception_handling.md.

    Attributes:
        start: First offset.
        end: Offset after the last.
        target: Where the handler starts.
        depth: How many values of the stack are kept.
        extra: How many the interpreter puts on top.
    """

    __slots__ = ("depth", "end", "extra", "start", "target")

    def __init__(self, start: int, size: int, target: int, depth: int) -> None:
        self.start, self.end, self.target = start * _UNIT, (start + size) * _UNIT, target * _UNIT
        self.depth, self.extra = depth >> 1, 1 + (depth & 1)


def handlers(table: bytes) -> list[Handler]:
    """Decode an exception table, in the order of their starts."""
    numbers = _numbers(table)
    return [Handler(*entry) for entry in zip(numbers, numbers, numbers, numbers, strict=True)]


def _numbers(table: bytes) -> Iterator[int]:
    """Six bits a byte, the most significant first; bit 6 says that more follow."""
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            yield value
            value = 0


class Instructions:
    """What this interpreter's instructions do to the stack; ``opcode`` is loaded when it is met."""

    def __init__(self) -> None:
        import opcode  # 0.7 ms, and few snapshots need it

        self.names: list[str] = opcode.opname
        self.numbers: dict[str, int] = opcode.opmap
        self._effect: Callable[..., int] = opcode.stack_effect
        self._extends: int = opcode.EXTENDED_ARG
        self._jumps = {number for number in opcode.hasjrel if self.names[number] != _NO_JUMP}
        self._ends = {self.numbers.get(name) for name in (*_LAST, *_ALWAYS)}
        self._arguments = set(self.numbers.values())
        self._arguments -= set(range(opcode.HAVE_ARGUMENT))
        self._known: dict[tuple[int, int | None], tuple[int | None, int | None]] = {}
        self._plain, self._caches = _plain_forms(self.numbers)
        self.begin_of_exit = bytes(
            [self.numbers["PUSH_EXC_INFO"], 0, self.numbers["WITH_EXCEPT_START"], 0]
        )
        """How the handler of a ``with`` block begins."""

    def decode(self, code: bytes) -> dict[int, Instruction]:
        """The instructions, unspecialized, by their offsets.

        Raises:
            ValueError: A debugger has patched the code, or it is damaged.
        """
        found: dict[int, Instruction] = {}
        plain, caches, extends = self._plain, self._caches, self._extends
        at = argument = 0
        while at < len(code):
            number = plain.get(code[at])
            if number is None:
                raise ValueError(f"instruction {code[at]} is not a plain one")
            argument = argument << 8 | code[at + 1]
            after = at + _UNIT + caches[number] * _UNIT
            found[at] = number, argument, after
            if number != extends:
                argument = 0
            at = after
        return found

    def depths(
        self, code: dict[int, Instruction], table: list[Handler], *, generator: bool
    ) -> dict[int, int]:
        """Height of the stack before each instruction that can be reached, by its offset.

        Raises:
            ValueError: Two ways to one instruction differ: this code is not understood.
        """
        found: dict[int, int] = {}
        # Before 3.13 what is sent to a generator first is not the effect of an instruction.
        to_do = [(0, 1 if generator and sys.version_info < (3, 13) else 0)]
        to_do += [(each.target, each.depth + each.extra) for each in table]
        while to_do:
            at, depth = to_do.pop()
            while at not in found:
                found[at] = depth
                number, argument, after = code[at]
                jump, step = self._effects(number, argument)
                if jump is not None:
                    to_do.append((self._target(number, argument, after), depth + jump))
                if step is None:
                    break
                at, depth = after, depth + step
            else:
                if found[at] != depth:
                    raise ValueError(f"the stack at offset {at} could be of two heights")
        return found

    def _target(self, number: int, argument: int, after: int) -> int:
        """Where a jump leads to."""
        return after + (-argument if "BACKWARD" in self.names[number] else argument) * _UNIT

    def _effects(self, number: int, argument: int) -> tuple[int | None, int | None]:
        """How an instruction changes the height where it jumps and where it goes on, if it does."""
        known = argument if number in self._arguments else None
        found = self._known.get((number, known))
        if found is None:
            found = self._known[number, known] = self._read_effects(number, known)
        return found

    def _read_effects(self, number: int, known: int | None) -> tuple[int | None, int | None]:
        if number == self._extends:
            return None, 0
        jump = self._effect(number, known, jump=True) if number in self._jumps else None
        step = None if number in self._ends else self._effect(number, known, jump=False)
        return jump, step


def _plain_forms(numbers: dict[str, int]) -> tuple[dict[int, int], dict[int, int]]:
    """What each number was before it was specialized or patched, and how many caches follow it.

    A code object gives its plain form when it is asked for, with the caches emptied: one is
    made of all numbers, each followed by ones that would be left as they are.
    """
    patched = {n: name for name, n in numbers.items() if name.startswith(_PATCHED)}
    left_out = {numbers[name] for name in _NEEDS_MORE if name in numbers} | set(patched)
    asked = [number for number in range(256) if number not in left_out]
    apart = bytes([numbers["NOP"], 0]) * _PADDING
    sample = b"".join(bytes([number, 0]) + apart for number in asked)
    plain = (lambda: 0).__code__.replace(co_code=sample).co_code
    forms, caches = {}, {}
    step = _UNIT + len(apart)
    for at, number in zip(range(0, len(plain), step), asked, strict=True):
        forms[number] = plain[at]
        caches[plain[at]] = plain[at + _UNIT : at + step : _UNIT].count(0)
    for number, name in patched.items():
        original = numbers.get(name.removeprefix(_PATCHED))
        if name not in _NEEDS_MORE and original is not None:
            forms[number] = original
    return forms, caches
