"""Frames with their lines and variables, and the stacks of threads made of them."""

from __future__ import annotations

import sys
import types
from itertools import count

from bcd.ptrace.codes import Code
from bcd.ptrace.errors import DeadlineReached, MemoryFault
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import DICT
from bcd.ptrace.target import Target

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from bcd.ptrace.later import Later

    Item = TypeVar("Item")

Frame = dict[str, object]

_OPTIMIZED = 0x1
"""``CO_OPTIMIZED`` of ``co_flags``: the variables are in slots. Source: inspect's documentation."""

_OF_THE_COMPILER = frozenset({"__classdict__", "__conditional_annotations__"})
"""Cells of class bodies for annotations: nobody wrote them. Source: Python/symtable.c."""

_CELL_KINDS = 0xC0
"""``CO_FAST_CELL | CO_FAST_FREE``. Source: CPython Include/internal/pycore_code.h, 3.11 to 3.15."""
_HIDDEN = 0x10
"""``CO_FAST_HIDDEN``: of a comprehension that runs within a module's or class's body (3.12+)."""
_LONGEST_STACK = 20_000
USED_UP = "the time, the number of values or the room for them was used up"
_ROOM = 110
"""Characters of a frame in a snapshot, besides its variables and names."""

_WANTED_MODULES = frozenset({"asyncio.tasks", "bcd", "linecache", "threading"})
"""All are looked for at once: a program may have thousands of modules."""
_FOREIGN = ("/site-packages/", "/dist-packages/")


def not_ours(own_folder: str) -> tuple[str, ...]:
    """The folders whose code is not the application's: bcd's and the standard library."""
    library = sys._stdlib_dir  # type: ignore[attr-defined] # noqa: SLF001 - without os.py
    return tuple(path for path in (library, own_folder) if path)


def in_app(file: str, foreign: tuple[str, ...]) -> bool:
    """Whether a file is the application's own.

    Args:
        file: As the code object names it.
        foreign: From :func:`not_ours`.
    """
    if file.startswith("<") or any(part in file for part in _FOREIGN):
        return False
    return not file.startswith(foreign)


class Frames:
    """Reads interpreter frames.

    Args:
        target: The process that is read.
        own_folder: The folder of bcd, whose frames are no part of the application.
    """

    def __init__(self, target: Target, own_folder: str) -> None:
        self._target = target
        self._memory = target.memory
        self._objects = target.objects
        self._layout = target.layout.frame
        self._codes = target.codes
        self._not_ours = not_ours(own_folder)
        self._places: dict[tuple[int, int], Frame] = {}
        self._cell_type = target.objects.static(types.CellType)
        self.own_folder = own_folder
        self.modules: dict[str, str] = {}
        """File → name of its module, of the frames that were read."""

    def code_of(self, frame: int) -> Code | None:
        """The code of a frame; None for one that stands for C code."""
        return self._codes.of_frame(frame)

    def walk(self, frame: int) -> Iterator[int]:
        """The addresses of a frame and its callers, innermost first, Python's alone."""
        seen = 0
        while frame and seen < _LONGEST_STACK:
            if self.code_of(frame) is not None:
                yield frame
            frame = self._memory.word(frame + self._layout.previous)
            seen += 1
        if frame:
            self._target.remarks.cut(f"a stack: its innermost {_LONGEST_STACK:,} frames")

    def without_own(self, frames: list[int]) -> list[int]:
        """Frames, given innermost first, without bcd's own innermost ones."""
        for index, frame in enumerate(frames):
            code = self.code_of(frame)
            if code is None or not code.file.startswith(self.own_folder):
                return frames[index:]
        return []

    def of_object(self, frame_object: int) -> int:
        """The interpreter frame of a frame object."""
        return self._memory.word(frame_object + self._layout.of_object)

    def read(self, frame: int, instruction: int | None = None, *, variables: bool = True) -> Frame:
        """One frame as it stands in a snapshot.

        Args:
            frame: Address of the interpreter frame.
            instruction: Offset in bytes of the instruction, where the frame's own is not meant.
            variables: Whether the variables are read.
        """
        code = self.code_of(frame)
        if code is None:
            raise MemoryFault(f"the frame at {frame:#x} has no code")
        if instruction is None:
            instruction = self._codes.instruction(frame, code)
        place = self._places.get((code.start, instruction))
        if place is None:
            place = self._places[code.start, instruction] = self._place(code, instruction)
            if code.file not in self.modules:
                self.modules[code.file] = self._module_of(frame)
        self._target.budget.count_room(_ROOM + len(code.function) + len(code.file))
        entry = {**place, "locals": []}
        if variables:
            try:
                self.read_variables(entry, frame)
            except DeadlineReached:
                self._target.remarks.cut(f"variables: {USED_UP}")
        return entry

    def _place(self, code: Code, instruction: int) -> Frame:
        """A frame without its variables: many threads and tasks stand at the same place."""
        line, end_line, column, end_column = code.position(instruction)
        return {
            "function": code.function,
            "file": code.file,
            "line": line,
            "end_line": end_line,
            "column": column,
            "end_column": end_column,
            "in_app": in_app(code.file, self._not_ours),
        }

    def _module_of(self, frame: int) -> str:
        """The name of the module that a frame's code belongs to, "" where it has none."""
        try:
            names = self._memory.word(frame + self._layout.globals)
            name = self._objects.lookup(names, "__name__") if names else 0
            return self._objects.name(name) if name else ""
        except FAULTS:
            return ""

    def read_variables(self, entry: Frame, frame: int) -> None:
        """Read the variables of a frame into its entry; what cannot be read is noted.

        Raises:
            DeadlineReached: No more may be read; those that were read before are there.
        """
        code = self.code_of(frame)
        if code is None:
            return
        variables: list[dict[str, object]] = []
        entry["locals"] = variables
        limit = self._target.limits["variables"]
        try:
            for name, value in self._variables(frame, code):
                if len(variables) >= limit:
                    self._target.remarks.cut(f"{code.function}: the first {limit} variables")
                    return
                variables.append(self._target.renderer.variable(name, value))
        except MemoryError:
            self._target.memory.forget()
            self._target.budget.over = True
            self._target.remarks.cut("variables: the tracer may not use more memory")
        except FAULTS as fault:
            self._target.remarks.note(f"variables of {code.function}: {fault}")

    def _variables(self, frame: int, code: Code) -> Iterator[tuple[str, int]]:
        names = 0 if code.flags & _OPTIMIZED else self._memory.word(frame + self._layout.locals)
        if not names or not self._objects.type_of(names).flags & DICT:
            return ((name, value) for name, _, value in self._slots(frame, code))
        return self._of_body(frame, code, names)

    def _of_body(self, frame: int, code: Code, names: int) -> Iterator[tuple[str, int]]:
        """The variables of the body of a module or class, which are in a dict."""
        inlined = set()
        for name, kind, value in self._slots(frame, code):
            if kind & _HIDDEN:
                inlined.add(name)
            elif self._objects.lookup(names, name):
                continue  # the body's own hides it
            yield name, value
        at_module_level = names == self._memory.word(frame + self._layout.globals)
        for key, value in self._objects.dict_items(names):
            name = self._objects.name(key)
            # What every module has would push out what is its own.
            if not (at_module_level and name.startswith("__")) and name not in inlined:
                yield name, value

    def slots(self, frame: int) -> Iterator[tuple[str, int]]:
        """(name, address of the value) of the variables that a function keeps in its frame."""
        code = self.code_of(frame)
        if code is not None:
            yield from ((name, value) for name, _, value in self._slots(frame, code))

    def _slots(self, frame: int, code: Code) -> Iterator[tuple[str, int, int]]:
        """(name, kind, value) of the slots that are bound."""
        if not code.names:
            return
        values = self._memory.words(frame + self._layout.variables, len(code.names))
        mask = self._target.layout.pointer_mask
        for name, kind, slot in zip(code.names, code.kinds, values, strict=True):
            value = slot & mask
            if value and kind & _CELL_KINDS and self._is_cell(value):
                value = self._memory.word(value + self._target.layout.misc.cell)
            if value and name not in _OF_THE_COMPILER:
                yield name, kind, value

    def _is_cell(self, value: int) -> bool:
        return self._objects.type_address(value) == self._cell_type


class Stacks:
    """Reads the threads of the target's interpreter.

    Args:
        target: The process that is read.
        frames: Reads its frames.
        interpreter: Address of the interpreter's state.
    """

    def __init__(self, target: Target, frames: Frames, interpreter: int) -> None:
        self._target = target
        self._memory = target.memory
        self._frames = frames
        self._layout = target.layout.thread
        self.interpreter = interpreter
        self._modules: dict[str, int] | None = None

    def states(self) -> Iterator[int]:
        """Addresses of the states of the threads, newest thread first."""
        state = self._memory.word(self.interpreter + self._layout.interpreter_threads)
        seen: set[int] = set()
        while state and state not in seen:
            seen.add(state)
            yield state
            state = self._memory.word(state + self._layout.next)

    def module_dict(self, name: str) -> int:
        """The dict of one of the wanted modules of the target, 0 where it is not imported."""
        module = self._module(name)
        return self._memory.word(module + self._target.layout.misc.module_dict) if module else 0

    def _module(self, name: str) -> int:
        modules = self._memory.word(self.interpreter + self._layout.interpreter_modules)
        if self._modules is None:
            try:
                self._modules = self._target.objects.lookup_each(modules, _WANTED_MODULES)
            except FAULTS:  # perhaps behind the one that is sought
                return self._target.objects.lookup(modules, name)
        return self._modules.get(name, 0)

    def current_frame(self, state: int) -> int:
        """Address of a thread's innermost frame, 0 where it has none."""
        frame = self._memory.word(state + self._layout.frame)
        for step in self._layout.frame_steps:
            frame = self._memory.word(frame + step) if frame else 0
        return frame

    def handled(self, state: int) -> int:
        """Address of the exception that a thread handles, as ``sys.exception()``; 0 for none."""
        none = self._target.objects.static(None)
        entry = self._memory.word(state + self._layout.handled)
        for _ in range(_LONGEST_STACK):
            error = self._memory.word(entry + self._layout.handled_value)
            if error and error != none:
                return error
            entry = self._memory.word(entry + self._layout.handled_previous)
            if not entry:
                break
        return 0

    def native_id(self, state: int) -> int:
        """The thread's id as the kernel and ``ps -L`` know it."""
        return self._memory.word(state + self._layout.native_id)

    def ident(self, state: int) -> int:
        """The thread's id as ``threading`` knows it."""
        return self._memory.word(state + self._layout.ident)

    def stack(self, state: int, *, trim: bool, later: Later | None = None) -> list[Frame]:
        """The frames of a thread, innermost last.

        Args:
            state: The thread's state.
            trim: Leave out bcd's own innermost frames: the thread is tracing itself.
            later: Where their variables are put off to, None to read them now.
        """
        addresses: list[int] = []
        try:
            addresses.extend(self._frames.walk(self.current_frame(state)))
        except FAULTS as fault:
            self._target.remarks.note(f"stack of thread {self.native_id(state)}: {fault}")
        if trim:
            addresses = self._frames.without_own(addresses)
        return self.read_all(addresses, f"thread {self.native_id(state)}", later=later)

    def read_all(
        self,
        addresses: list[int],
        what: str,
        *,
        variables: bool = True,
        later: Later | None = None,
    ) -> list[Frame]:
        """Read frames, given innermost first, into a list innermost last; the middle is cut.

        Args:
            addresses: The frames.
            what: Whose they are, for the remarks.
            variables: Whether their variables are read.
            later: Where these are put off to, None to read them now.
        """
        callees = count()

        def read(frame: int) -> Frame:
            entry = self._frames.read(frame, variables=variables and later is None)
            if variables and later is not None:
                later.add(next(callees), entry, frame)
            return entry

        return read_bounded(self._target, addresses[::-1], what, read)


def read_bounded(
    target: Target, items: list[Item], what: str, read: Callable[[Item], Frame]
) -> list[Frame]:
    """Read the first and last frames that the limit admits, innermost (the last) first.

    Innermost first, because they tell the most when the time is short.
    """
    limit = target.limits["frames"]
    skipped = max(0, len(items) - limit)
    if skipped:
        target.remarks.cut(f"{what}: {len(items):,} frames, the first and last {limit // 2:,} kept")
        items = items[: limit // 2] + items[len(items) - (limit - limit // 2) :]
    frames: list[Frame] = []
    for index in range(len(items) - 1, -1, -1):
        try:
            frame = read(items[index])
        except FAULTS as fault:
            target.remarks.note(f"a frame of {what}: {fault}")
            continue
        if skipped and index == limit // 2:
            frame["skipped_before"] = skipped
        frames.append(frame)
    return frames[::-1]
