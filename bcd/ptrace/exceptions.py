"""The exception with its chain and groups, each with its traceback, frame by frame."""

from __future__ import annotations

from bcd.ptrace.errors import DeadlineReached
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.messages import Messages
from bcd.ptrace.objects import EXCEPTION, TypeInfo
from bcd.ptrace.stacks import Frame, Frames, read_bounded
from bcd.ptrace.target import Target

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from typing import Any

_LONGEST_TRACEBACK = 100_000
UNKNOWN = "?"


class Exceptions:
    """Reads exceptions of the target.

    Args:
        target: The process that is read.
        frames: Reads its frames.
        most: How many exceptions of a chain are read, None for the limit of the reading.

    Attributes:
        addresses: Of the exceptions that were read.
    """

    def __init__(self, target: Target, frames: Frames, most: int | None = None) -> None:
        self._target = target
        self._memory = target.memory
        self._objects = target.objects
        self._layout = target.layout.exception
        self._frames = frames
        self._messages = Messages(target)
        self._most = target.limits["exceptions"] if most is None else most
        self.addresses: list[int] = []

    def read(self, root: int, text: str | None) -> dict[str, Any]:
        """An exception and all that it is chained to, each once.

        Args:
            root: Address of the exception.
            text: What ``str()`` gave for it in the program itself, None where that is not known.

        Returns:
            The index of the root and the flat list, as in a snapshot.
        """
        entries: list[dict[str, object]] = []
        order = self.addresses = [root]
        index = {root: 0}
        limit = self._most
        for address in order:
            if len(entries) >= limit:
                break
            entry = self._blank()
            entries.append(entry)
            self._fill(entry, address, text if address == root else None)
            for name, related in self._related(address):
                known = self._number(related, index, order, limit)
                if name == "children" and known is not None:
                    entry["children"].append(known)  # type: ignore[attr-defined]
                elif name != "children":
                    entry[name] = known
        # What all of them say comes before the variables of one, which may use up the time.
        for entry, address in zip(entries, order, strict=False):
            self._read_frames(entry, address)
        return {"root": 0, "list": entries}

    def _number(
        self, address: int, index: dict[int, int], order: list[int], limit: int
    ) -> int | None:
        """The index that an exception has or gets; None when there is no room for it."""
        if address not in index:
            if len(order) >= limit:
                self._target.remarks.cut(f"exceptions: the first {limit} of the chain are kept")
                return None
            index[address] = len(order)
            order.append(address)
        return index[address]

    def _blank(self) -> dict[str, object]:
        return {
            "type": UNKNOWN,
            "message": "",
            "notes": [],
            "frames": [],
            "cause": None,
            "context": None,
            "suppress_context": False,
            "children": [],
        }

    def _fill(self, entry: dict[str, object], address: int, text: str | None) -> None:
        """Read one exception, each part guarded: a fault in one must not cost the others."""
        try:
            info = self._objects.type_of(address)
        except FAULTS as fault:
            self._target.remarks.note(f"an exception: {fault}")
            return
        if not info.flags & EXCEPTION:
            self._target.remarks.note(f"an exception: there is none at {address:#x}")
            return
        entry["type"] = info.full_name
        try:
            suppressed = self._memory.byte(address + self._layout.suppress_context)
            entry["suppress_context"] = bool(suppressed)
            message = self._message(address, info, text)
            entry["message"] = self._target.redactor.text(message)
            entry["notes"] = self._notes(address)
        except (DeadlineReached, *FAULTS) as fault:
            self._target.remarks.note(f"message of {info.full_name}: {fault}")

    def _message(self, address: int, info: TypeInfo, text: str | None) -> str:
        if text is None:
            return self._messages.message(address, info)
        return self._messages.bounded(text)

    def _related(self, address: int) -> list[tuple[str, int]]:
        found = []
        for name, offset in (("cause", self._layout.cause), ("context", self._layout.context)):
            try:
                other = self._memory.word(address + offset)
                if other:
                    found.append((name, other))
            except FAULTS as fault:
                self._target.remarks.note(f"{name} of an exception: {fault}")
        try:
            found += [("children", child) for child in self._children(address)]
        except FAULTS as fault:
            self._target.remarks.note(f"an exception group: {fault}")
        return found

    def _children(self, address: int) -> tuple[int, ...]:
        if not self._objects.is_a(self._objects.type_of(address), BaseExceptionGroup):
            return ()
        group = self._memory.word(address + self._layout.group_exceptions)
        return self._objects.sequence(group, self._target.limits["exceptions"])[0]

    def _traceback(self, address: int) -> list[tuple[int, int]]:
        """(frame object, offset of the instruction) of an exception, innermost last."""
        layout = self._target.layout.traceback
        entry = self._memory.word(address + self._layout.traceback)
        found: list[tuple[int, int]] = []
        none = self._objects.static(None)
        while entry and entry != none and len(found) < _LONGEST_TRACEBACK:
            instruction = self._memory.int32(entry + layout.last_instruction)
            found.append((self._memory.word(entry + layout.frame), instruction))
            entry = self._memory.word(entry + layout.next)
        if len(found) == _LONGEST_TRACEBACK:
            self._target.remarks.cut(f"a traceback: the first {_LONGEST_TRACEBACK:,} frames")
        return found

    def _read_frames(self, entry: dict[str, object], address: int) -> None:
        def read(item: tuple[int, int]) -> Frame:
            return self._frames.read(self._frames.of_object(item[0]), item[1])

        what = str(entry["type"])
        try:
            traceback = self._traceback(address) if what != UNKNOWN else []
            entry["frames"] = read_bounded(self._target, traceback, what, read)
        except FAULTS as fault:
            self._target.remarks.note(f"traceback of {what}: {fault}")

    def _notes(self, address: int) -> list[str]:
        notes = 0
        if self._layout.notes >= 0:
            notes = self._memory.word(address + self._layout.notes)
        if not notes:
            held = self._memory.word(address + self._layout.dict)
            notes = self._objects.lookup(held, "__notes__") if held else 0
        if not notes:
            return []
        items, size = self._objects.sequence(notes, self._target.limits["items"])
        if size > len(items):
            self._target.remarks.cut(f"notes of an exception: the first {len(items)} of {size:,}")
        return [self._target.redactor.text(self._messages.text(item)) for item in items]
