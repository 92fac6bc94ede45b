"""What a thread or a task waits for, in words, and who has to act before it goes on."""

from __future__ import annotations

from _struct import unpack

from bcd.ptrace.objects import STR

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.target import Target


class Wait:
    """What one thread or task waits for.

    Attributes:
        words: As in a snapshot.
        holder: Who has to act first: the state of a thread or the address of a task, 0 where it
            is not known.
        bounded: It may go on without that, after some time.
    """

    __slots__ = ("bounded", "holder", "words")

    def __init__(self, words: str, holder: int = 0, *, bounded: bool = False) -> None:
        self.words = words
        self.holder = holder
        self.bounded = bounded


class Fields:
    """Reads what objects say of themselves in their attributes.

    Args:
        target: The process that is read.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._objects = target.objects

    def at(self, address: int) -> str:
        """An object by the name of its type and its address."""
        return f"{self._objects.type_of(address).name} at {address:#x}"

    def follow(self, address: int, *names: str) -> int:
        """The address of an attribute of an attribute …, 0 where one is missing or None."""
        for name in names:
            address = self._objects.attribute(address, name) if address else 0
            if address == self._objects.static(None):
                return 0
        return address

    def text(self, address: int, name: str) -> str:
        """A text in an attribute, without secrets; "" where there is none."""
        held = self.follow(address, name)
        if not held or not self._objects.type_of(held).flags & STR:
            return ""
        return self._target.short_text(held, f"the {name.strip('_')} of {self.at(address)}")

    def number(self, address: int) -> int | float | None:
        """The value of an int or a float, None where it is neither."""
        if not address:
            return None
        info = self._objects.type_of(address)
        if self._objects.is_a(info, float):
            place = address + self._target.layout.container.float_value
            return unpack("<d", self._target.memory.read(place, 8))[0]  # type: ignore[no-any-return]
        return self._objects.integer(address) if self._objects.is_a(info, int) else None

    def count(self, address: int, name: str) -> int | None:
        """A whole number in an attribute, None where there is none."""
        number = self.number(self.follow(address, name))
        return number if isinstance(number, int) else None

    def size(self, address: int) -> int | None:
        """How many items a set, list, tuple or dict has, None for anything else."""
        if not address:
            return None
        info = self._objects.type_of(address)
        if any(self._objects.is_a(info, kind) for kind in (set, frozenset)):
            return self._objects.set_size(address)
        if any(self._objects.is_a(info, kind) for kind in (list, tuple)):
            return self._objects.sequence(address, 0)[1]
        return self._objects.dict_size(address) if self._objects.is_a(info, dict) else None

    def items(self, address: int) -> list[int]:
        """The items of a set, list or tuple that can be looked at; empty for anything else."""
        if not address:
            return []
        info = self._objects.type_of(address)
        if any(self._objects.is_a(info, kind) for kind in (set, frozenset)):
            return list(self._objects.set_items(address))
        if any(self._objects.is_a(info, kind) for kind in (list, tuple)):
            return list(self._objects.sequence(address, self._target.limits["tasks"])[0])
        return []

    def is_none(self, address: int) -> bool:
        """Whether there is nothing, or None."""
        return not address or address == self._objects.static(None)


def seconds(number: float) -> str:
    """A time in words; it has to be finite."""
    return f"{number:.1f} s" if number < 100 else f"{number:,.0f} s"  # noqa: PLR2004 - digits


def is_finite(number: float) -> bool:
    """Whether a time has an end; one of ``math.inf`` has none. `math` may be a file to load."""
    return number - number == 0
