"""The threads of one interpreter: their names, stacks, and what they wait for."""

from __future__ import annotations

from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import STR
from bcd.ptrace.stacks import Frames, Stacks
from bcd.ptrace.thread_waits import ThreadWaits

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from bcd.ptrace.interpreters import Interpreter
    from bcd.ptrace.later import Later
    from bcd.ptrace.target import Target


class Threads:
    """Reads the threads of one interpreter.

    Args:
        target: The process that is read.
        frames: Reads its frames.
        interpreter: The interpreter.
    """

    def __init__(self, target: Target, frames: Frames, interpreter: Interpreter) -> None:
        self._target = target
        self.interpreter = interpreter
        self.stacks = Stacks(target, frames, interpreter.address)
        self._names = self._read_names()
        self.waits = ThreadWaits(target, frames, self.stacks, self._names)
        """What they wait for, as far as it was told."""

    def states(self, first: Collection[int]) -> list[tuple[int, int]]:
        """(state, tid) of each thread, those whose tid is among ``first`` before the others."""
        found: list[tuple[int, int]] = []
        try:
            found.extend((state, self.stacks.native_id(state)) for state in self.stacks.states())
        except FAULTS as fault:
            self._target.remarks.note(f"threads: the list of them breaks off: {fault}")
        return sorted(found, key=lambda thread: thread[1] not in first)

    def read(self, state: int, faulted: Collection[int], later: Later) -> dict[str, Any]:
        """One thread, as in a snapshot.

        Args:
            state: Its state.
            faulted: The tids of threads that are to blame.
            later: Where the variables of the others are put off to.
        """
        tid = self.stacks.native_id(state)
        has_gil = state == self.interpreter.gil_holder
        name, daemon = self._names.get(self.stacks.ident(state), (None, None))
        put_off = None if tid in faulted else later
        thread = {
            "tid": tid,
            "name": name,
            "daemon": daemon,
            "faulted": tid in faulted,
            "gil": has_gil,
            "frames": self.stacks.stack(state, trim=has_gil, later=put_off),
        }
        if self.interpreter.id:
            thread["interpreter"] = self.interpreter.id
        return thread

    def _read_names(self) -> dict[int, tuple[str, bool | None]]:
        """Ident → name and daemon of the threads that ``threading`` knows."""
        found: dict[int, tuple[str, bool | None]] = {}
        objects = self._target.objects
        try:
            names = self.stacks.module_dict("threading")
            active = objects.lookup(names, "_active") if names else 0
            for key, thread in objects.dict_items(active) if active else ():
                held = dict(objects.attributes(thread))
                name, daemon = held.get("_name", 0), held.get("_daemonic", 0)
                if name and objects.type_of(name).flags & STR:
                    true = objects.static(True)
                    ident = objects.integer(key) or 0
                    text = self._target.short_text(name, "the name of a thread")
                    found[ident] = (text, daemon == true)
        except FAULTS as fault:
            self._target.remarks.note(f"names of threads: {fault}")
        return found
