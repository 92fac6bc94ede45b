"""The interpreters of the process: the main one, and those that it has made beside it."""

from __future__ import annotations

import posix
import sys

from bcd.ptrace.calibrate.search import Search
from bcd.ptrace.errors import CalibrationError, DeadlineReached, MemoryFault
from bcd.ptrace.memory import FAULTS, LiveMemory

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.layout import InterpreterLayout
    from bcd.ptrace.target import Target

_MOST = 1000


class Interpreter:
    """One interpreter.

    Attributes:
        id: As ``concurrent.interpreters`` gives it, 0 for the main one.
        address: Of its state.
        gil_holder: State of the thread that has its GIL; of the GIL that the main interpreter
            uses, that had it last. 0 where nobody has it, or it is not known.
        own_gil: Whether its threads run beside those of the others.
    """

    __slots__ = ("address", "gil_holder", "id", "own_gil")

    def __init__(self, number: int, address: int, gil_holder: int, *, own_gil: bool) -> None:
        self.id = number
        self.address = address
        self.gil_holder = gil_holder
        self.own_gil = own_gil


def interpreters(target: Target) -> list[Interpreter]:
    """All interpreters, the main one first; those that cannot be read are noted.

    Raises:
        CalibrationError: Not even the main one was found.
    """
    thread, memory = target.layout.thread, target.memory
    runtime = thread.runtime + target.layout.slide
    try:
        address = memory.word(runtime + thread.runtime_interpreter)
    except MemoryFault as fault:
        raise CalibrationError(f"the interpreter of the target was not found: {fault}") from None
    holder = 0
    try:
        holder = memory.word(runtime + thread.gil_holder)
    except FAULTS as fault:
        target.remarks.note(f"who holds the GIL: {fault}")
    found = [Interpreter(0, address, holder, own_gil=False)]
    try:
        newest = memory.word(runtime + thread.runtime_interpreter - 8)
        if newest != address:
            found += _others(target, newest, found[0])
            _note_what_is_shared(target)
    except (CalibrationError, DeadlineReached, *FAULTS) as fault:
        target.remarks.note(f"interpreters beside the main one: {fault}")
    return found


def _note_what_is_shared(target: Target) -> None:
    """Say what earlier versions do not keep apart.

    Source: Modules/_xxsubinterpretersmodule.c of 3.11 and 3.12, ``_run_script_in_interpreter``;
    Modules/_asynciomodule.c of 3.11, whose registers are static.
    """
    if sys.version_info < (3, 13):
        target.remarks.note(
            "interpreters beside the main one: before Python 3.13, a thread that runs their code"
            " may be listed there with the tid of the thread that made them"
        )
    if sys.version_info < (3, 12):
        target.remarks.note(
            "interpreters beside the main one: in Python 3.11 they share asyncio's register, and"
            " their tasks are listed as the main one's"
        )


def _others(target: Target, newest: int, main: Interpreter) -> list[Interpreter]:
    from bcd.ptrace.calibrate.interpreters import calibrate_interpreters  # for few targets

    descriptor = posix.open("/proc/self/mem", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        layout = calibrate_interpreters(Search(LiveMemory(descriptor)), target.layout.thread)
    finally:
        posix.close(descriptor)
    found: dict[int, Interpreter] = {}
    address = newest
    while address and address not in found and len(found) < _MOST:
        found[address] = _interpreter(target, address, layout, main)
        address = target.memory.word(address + layout.next)
    found.pop(main.address, None)
    return sorted(found.values(), key=lambda each: each.id)


def _interpreter(
    target: Target, address: int, layout: InterpreterLayout, main: Interpreter
) -> Interpreter:
    number = target.memory.int64(address + layout.id)
    if layout.gil < 0:
        return Interpreter(number, address, main.gil_holder, own_gil=False)
    gil = target.memory.word(address + layout.gil)
    if gil == target.memory.word(main.address + layout.gil):
        return Interpreter(number, address, main.gil_holder, own_gil=False)
    held = target.memory.int32(gil + layout.gil_held)
    holder = target.memory.word(gil + layout.gil_holder) if held else 0
    return Interpreter(number, address, holder, own_gil=True)
