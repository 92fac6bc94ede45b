"""The members of C types: what a type's own table says that its objects hold.

Source: CPython Include/descrobject.h, PyMemberDef: name, kind, offset, flags and text of help, a
word each, up to one without a name; ``tp_members`` of a type points to them.
"""

from __future__ import annotations

from _struct import unpack

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.objects import WORD, Objects, TypeInfo

OBJECTS = (6, 16)
"""Kinds of members that are objects: ``T_OBJECT``, ``T_OBJECT_EX``. Source: structmember.h."""

_NUMBERS = {
    0: ("<h", 2),
    1: ("<i", 4),
    2: ("<q", 8),
    3: ("<f", 4),
    4: ("<d", 8),
    8: ("<b", 1),
    9: ("<B", 1),
    10: ("<H", 2),
    11: ("<I", 4),
    12: ("<Q", 8),
    14: ("<?", 1),
    17: ("<q", 8),
    18: ("<Q", 8),
    19: ("<q", 8),
}
"""Kinds of members that are numbers → format and size. Source: structmember.h."""

_MOST = 64
_ENTRY = 5 * WORD

Member = tuple[int, int]
"""Kind and offset."""


class Members:
    """Reads members of the target's objects.

    Args:
        objects: Reads the target's objects.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._known: dict[int, dict[str, Member]] = {}
        self._numbers: dict[int, list[tuple[str, Member]]] = {}

    def of(self, info: TypeInfo) -> dict[str, Member]:
        """The members of a type and its bases by name, those of the bases first."""
        found = self._known.get(info.address)
        if found is None:
            found = self._known[info.address] = {}
            for base in reversed(info.mro):
                found.update(self._table(base))
        return found

    def numbers_of(self, info: TypeInfo) -> list[tuple[str, Member]]:
        """The members that are numbers, without those that Python keeps for itself."""
        found = self._numbers.get(info.address)
        if found is None:
            found = self._numbers[info.address] = [
                (name, member)
                for name, member in self.of(info).items()
                if member[0] in _NUMBERS and not name.startswith("__")
            ]
        return found

    def _table(self, kind: int) -> dict[str, Member]:
        table = self._memory.word(kind + self._objects.layout.type.members)
        found: dict[str, Member] = {}
        for index in range(_MOST if table else 0):
            name, kind_, offset = self._memory.words(table + index * _ENTRY, 3)
            if not name:
                break
            found[self._memory.c_string(name, 100)] = kind_ & 0xFFFFFFFF, offset
        return found

    def pointer(self, address: int, info: TypeInfo, name: str) -> int:
        """The address of the object that a member holds, 0 where it holds none.

        Raises:
            MemoryFault: The type has no such member.
        """
        kind, offset = self._member(info, name)
        if kind not in OBJECTS:
            raise MemoryFault(f"{name} of {info.full_name} is no object")
        return self._memory.word(address + offset)

    def number(self, address: int, info: TypeInfo, name: str) -> int | float:
        """The number that a member holds.

        Raises:
            MemoryFault: The type has no such member.
        """
        number = self.read_number(address, self._member(info, name))
        if number is None:
            raise MemoryFault(f"{name} of {info.full_name} is no number")
        return number

    def read_number(self, address: int, member: Member) -> int | float | None:
        """The number that a member holds, None where it is of another kind."""
        form = _NUMBERS.get(member[0])
        if form is None:
            return None
        return unpack(form[0], self._memory.read(address + member[1], form[1]))[0]  # type: ignore[no-any-return]

    def _member(self, info: TypeInfo, name: str) -> Member:
        member = self.of(info).get(name)
        if member is None:
            raise MemoryFault(f"{info.full_name} has no member {name}")
        return member
