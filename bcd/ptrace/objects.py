"""Python objects in the memory of the target: their types, contents and attributes.

Everything is read, nothing is run. Any method may raise ``MemoryFault``.
"""

from __future__ import annotations

import builtins
import sys
import types

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.layout import Layout
from bcd.ptrace.memory import Memory

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

WORD = 8
INLINE_VALUES = 1 << 2
MANAGED_DICT = 1 << 4
HEAP_TYPE = 1 << 9
INT, LIST, TUPLE, BYTES, STR, DICT, EXCEPTION, TYPE = (1 << bit for bit in range(24, 32))
"""Bits of ``tp_flags``. Source: CPython Include/object.h, the same in 3.11 to 3.15."""

MAX_SLOTS = 4096
"""Entries of one container that are looked at: a dict may hold 300,000 deleted ones."""

_MOST_NAMES = 1 << 16
"""Entries of a dict of names that are looked at for one of them."""

_HOLDS_OBJECT = (6, 16)
"""Kinds of members that are objects: ``T_OBJECT``, ``T_OBJECT_EX``. Source: structmember.h."""
_MAX_TEXT = 1 << 40
_MAX_INDEX = 40
_BLOCK = 64


class TypeInfo:
    """What is known of one type of the target.

    Attributes:
        name: Qualified name without its module.
        full_name: With its module, save for builtins.
        mro: Addresses of the types in its method resolution order.
        by_python: Whether a class statement made it, or something that works alike.
        slots: (name, offset) of what ``__slots__`` made, base classes first.
        marks: Class attributes that say what kind of class it is → address of their value.
    """

    __slots__ = (
        "address",
        "basicsize",
        "by_python",
        "cached_keys",
        "dictoffset",
        "flags",
        "full_name",
        "itemsize",
        "marks",
        "mro",
        "name",
        "slots",
    )

    address: int
    basicsize: int
    by_python: bool
    cached_keys: int
    dictoffset: int
    flags: int
    full_name: str
    itemsize: int
    marks: dict[str, int]
    mro: tuple[int, ...]
    name: str
    slots: list[tuple[str, int]]

    @property
    def short(self) -> str:
        """Its ``__name__``."""
        return self.name.rpartition(".")[2]


_MARKS = frozenset(
    {
        "__attrs_attrs__",
        "__dataclass_fields__",
        "__module__",
        "__repr__",
        "__str__",
        "_fields",
        "_member_map_",
    }
)
_BEGINNINGS = frozenset(
    int.from_bytes(mark[:WORD].encode().ljust(WORD, b"\0"), "little") for mark in _MARKS
)
"""The first words of their texts: these alone rule out nearly all other names of a class."""


class Objects:
    """Reads objects of the target through its memory and the layout of its interpreter."""

    def __init__(self, memory: Memory, layout: Layout) -> None:
        self.memory = memory
        self.layout = layout
        self._slide = layout.slide
        self._types: dict[int, TypeInfo] = {}
        self._builtin = {
            self.static(own): own
            for own in (*vars(builtins).values(), *vars(types).values())
            if isinstance(own, type) and not own.__flags__ & HEAP_TYPE
        }
        self._names: dict[int, str] = {}
        self._member_descriptor = self.static(type(TypeInfo.__dict__["name"]))
        self._str = self.static(str)
        container = layout.container
        self._length_at = container.str_length // WORD
        self._state_at = container.str_state // WORD
        self._state_shift = container.str_state % WORD * 8
        self._text_head = max(self._length_at, self._state_at) + 1

    def static(self, own: object) -> int:
        """The target's address of a static object of the interpreter, such as ``int``."""
        return id(own) + self._slide

    def type_address(self, address: int) -> int:
        """The address of an object's type."""
        return self.memory.word(address + WORD)

    def type_of(self, address: int) -> TypeInfo:
        """The type of an object."""
        kind = self.memory.word(address + WORD)
        return self._types.get(kind) or self.type_info(kind)

    def type_info(self, address: int) -> TypeInfo:
        """What is known of the type at an address."""
        info = self._types.get(address)
        if info is None:
            info = self._read_type(address)
            self._types[address] = info
        return info

    def is_a(self, info: TypeInfo, own: type) -> bool:
        """Whether a type is, or derives from, a static type of the interpreter."""
        return self.static(own) in info.mro

    def name(self, address: int) -> str:
        """A short string that is likely to be met again: a name of a function or attribute."""
        text = self._names.get(address)
        if text is None:
            text, _ = self.text(address, 512)
            self._names[address] = text
        return text

    def text(self, address: int, limit: int) -> tuple[str, int]:
        """A string's first ``limit`` characters, and its length in characters."""
        head = self.memory.words(address, self._text_head)
        if head[1] != self._str and not self.type_info(head[1]).flags & STR:
            raise MemoryFault(f"no string at {address:#x}")
        layout = self.layout.container
        length, state = head[self._length_at], head[self._state_at] >> self._state_shift
        kind = state >> layout.str_kind_shift & 7
        if length > _MAX_TEXT or kind not in (1, 2, 4):
            raise MemoryFault(f"no sensible string at {address:#x}")
        if not state & layout.str_compact_bit:
            data = self.memory.word(address + layout.str_data)
        elif state & layout.str_ascii_bit:
            data = address + layout.str_ascii
        else:
            data = address + layout.str_compact
        return self._characters(data, min(length, limit), kind), length

    def _characters(self, data: int, count: int, kind: int) -> str:
        raw = self.memory.read(data, count * kind) if count else b""
        if kind == 1:
            return str(raw, "latin-1")
        # Not by a codec: in memory two surrogates are two characters, to a codec they are one.
        return "".join(map(chr, memoryview(raw).cast("H" if kind == 2 else "I")))  # noqa: PLR2004

    def integer(self, address: int, max_bits: int = 4000) -> int | None:
        """The value of an int, None when it has more than ``max_bits`` bits."""
        layout = self.layout.container
        if layout.int_tag_shift:
            tag = self.memory.word(address + layout.int_tag)
            count, negative = tag >> layout.int_tag_shift, tag & 3 == 2  # noqa: PLR2004
        else:
            size = self.memory.int64(address + layout.int_tag)
            count, negative = abs(size), size < 0
        bits = sys.int_info.bits_per_digit
        if count * bits > max_bits:
            return None
        value = 0
        if count == 1:  # as nearly all have
            value = self.memory.int32(address + layout.int_digits)
        elif count:
            raw = self.memory.read(address + layout.int_digits, 4 * count)
            for position, digit in enumerate(memoryview(raw).cast("I")):
                value |= digit << bits * position
        return -value if negative else value

    def sequence(self, address: int, limit: int) -> tuple[tuple[int, ...], int]:
        """Addresses of a list's or tuple's first ``limit`` items, and its length."""
        layout, word = self.layout.container, self.memory.word
        if self.type_of(address).flags & TUPLE:
            size, start = word(address + layout.tuple_size), address + layout.tuple_items
        else:
            size = word(address + layout.list_size)
            start = word(address + layout.list_items) if size else 0
        if size > _MAX_TEXT:
            raise MemoryFault(f"no sensible sequence at {address:#x}")
        count = min(size, limit)
        return (self.memory.words(start, count) if count else ()), size

    def raw_bytes(self, address: int, limit: int) -> tuple[bytes, int]:
        """The first ``limit`` bytes of a bytes or bytearray object, and its length."""
        layout = self.layout.container
        if self.type_of(address).flags & BYTES:
            size = self.memory.word(address + layout.bytes_size)
            start = address + layout.bytes_data
        else:
            size = self.memory.word(address + layout.bytearray_size)
            start = self.memory.word(address + layout.bytearray_data) if size else 0
        count = min(size, limit)
        return (self.memory.read(start, count) if count else b""), size

    def dict_size(self, address: int) -> int:
        """How many items a dict has."""
        return self.memory.word(address + self.layout.dict.used)

    def dict_items(self, address: int, most: int = MAX_SLOTS) -> Iterator[tuple[int, int]]:
        """(key, value) addresses of a dict, in order; ``most`` entries are seen."""
        layout = self.layout.dict
        keys = self.memory.word(address + layout.keys)
        values = self.memory.word(address + layout.values)
        if values:
            yield from self._shared_items(keys, values)
            return
        start, count, kind = self._entries(keys, most)
        step = 3 if kind == layout.general else 2
        for done in range(0, count, _BLOCK):
            size = min(_BLOCK, count - done) * step
            words = self.memory.words(start + done * step * WORD, size)
            for key, value in zip(words[step - 2 :: step], words[step - 1 :: step], strict=True):
                if key and value:
                    yield key, value

    def _entries(self, keys: int, most: int = MAX_SLOTS) -> tuple[int, int, int]:
        """Where the entries start, how many are in use or deleted, and the kind of the keys."""
        layout = self.layout.dict
        index = self.memory.byte(keys + layout.index_bytes)
        count = self.memory.word(keys + layout.count)
        if index > _MAX_INDEX or count > 1 << index:
            raise MemoryFault(f"no sensible dict at {keys:#x}")
        kind = self.memory.byte(keys + layout.kind)
        return keys + layout.header + (1 << index), min(count, most), kind

    def _shared_items(self, keys: int, values: int) -> Iterator[tuple[int, int]]:
        start, count, _ = self._entries(keys)
        if not count:
            return
        names = self.memory.words(start, 2 * count)[::2]
        held = self.memory.words(values + self.layout.dict.first_value, count)
        for name, value in zip(names, held, strict=True):
            if name and value:
                yield name, value

    def set_size(self, address: int) -> int:
        """How many items a set has."""
        return self.memory.word(address + self.layout.container.set_used)

    def set_slots(self, address: int) -> int:
        """How many slots the table of a set has, most of them empty."""
        return self.memory.word(address + self.layout.container.set_mask) + 1

    def set_items(self, address: int, most: int = MAX_SLOTS) -> Iterator[int]:
        """Addresses of a set's items in the order of its table; ``most`` slots are seen."""
        layout = self.layout.container
        slots = self.set_slots(address)
        table = self.memory.word(address + layout.set_table)
        deleted = (1 << 64) - 1  # the hash of the entry that stands for a deleted one
        for done in range(0, min(slots, most), _BLOCK):
            size = min(_BLOCK, slots - done)
            words = self.memory.words(table + done * 2 * WORD, size * 2)
            for item, hashed in zip(words[::2], words[1::2], strict=True):
                if item and hashed != deleted:
                    yield item

    def lookup(self, dictionary: int, name: str) -> int:
        """The value under a string in a dict, 0 where there is none."""
        return self.lookup_each(dictionary, (name,)).get(name, 0)

    def lookup_each(self, dictionary: int, names: Collection[str]) -> dict[str, int]:
        """The values under several strings in a dict, of those that are there."""
        found: dict[str, int] = {}
        word, length_at = self.memory.word, self.layout.container.str_length
        lengths = frozenset(map(len, names))
        for key, value in self.dict_items(dictionary, _MOST_NAMES):
            # The length first: it rules out nearly all, and a program has thousands of modules.
            if word(key + length_at) not in lengths or not self.type_of(key).flags & STR:
                continue
            name = self.name(key)
            if name in names and name not in found:
                found[name] = value
                if len(found) == len(names):
                    break
        return found

    def attributes(self, address: int) -> Iterator[tuple[str, int]]:
        """(name, address of the value) of what an instance holds: ``__slots__``, then its dict."""
        info = self.type_of(address)
        for name, offset in info.slots:
            value = self.memory.word(address + offset)
            if value:
                yield name, value
        for key, value in self._instance_items(address, info):
            known = self._names.get(key)
            if known is not None:
                yield known, value
            elif self.type_of(key).flags & STR:
                yield self.name(key), value

    def attribute(self, address: int, name: str) -> int:
        """The address of one attribute's value, 0 where the instance has none of that name."""
        for found, value in self.attributes(address):
            if found == name:
                return value
        return 0

    def _instance_items(self, address: int, info: TypeInfo) -> Iterator[tuple[int, int]]:
        if info.flags & MANAGED_DICT:
            dictionary, values = self._managed(address, info)
        else:
            dictionary, values = self._plain_dict(address, info), 0
        if values:
            yield from self._shared_items(info.cached_keys, values)
        elif dictionary:
            yield from self.dict_items(dictionary)

    def _managed(self, address: int, info: TypeInfo) -> tuple[int, int]:
        """The instance's dict and its values, one of which is 0.

        Source: CPython Include/internal/pycore_object.h: 3.11 keeps both before the object;
        3.12 one tagged word; 3.13 the values behind the object, with a byte that says valid.
        """
        dictionary = self.memory.word(address - 3 * WORD)
        if sys.version_info >= (3, 13):
            inline = address + (info.basicsize + WORD - 1) // WORD * WORD
            if info.flags & INLINE_VALUES and self.memory.byte(inline + 3):
                return 0, inline
            return dictionary, 0
        if sys.version_info >= (3, 12):
            return (0, dictionary + 1) if dictionary & 1 else (dictionary, 0)
        return dictionary, self.memory.word(address - 4 * WORD)

    def _plain_dict(self, address: int, info: TypeInfo) -> int:
        offset = info.dictoffset
        if offset == 0:
            return 0
        if offset < 0:
            count = abs(self.memory.int64(address + 2 * WORD))
            size = info.basicsize + count * info.itemsize
            offset += (size + WORD - 1) // WORD * WORD
        return self.memory.word(address + offset)

    def _read_type(self, address: int) -> TypeInfo:
        own = self._builtin.get(address)
        return self._read_foreign(address) if own is None else self._like(own)

    def _like(self, own: type) -> TypeInfo:
        """A type that is part of the interpreter, which runs both processes.

        To read those from memory took 70 of 680 reads of a process with 7 threads.
        """
        info = TypeInfo()
        info.address = self.static(own)
        info.flags, info.basicsize = own.__flags__, own.__basicsize__
        info.itemsize, info.dictoffset = own.__itemsize__, own.__dictoffset__
        info.name = own.__name__
        of_builtins = own.__module__ == "builtins"
        info.full_name = info.name if of_builtins else f"{own.__module__}.{info.name}"
        info.mro = tuple(map(self.static, own.__mro__))
        info.by_python, info.cached_keys, info.slots, info.marks = False, 0, [], {}
        return info

    def _read_foreign(self, address: int) -> TypeInfo:
        layout = self.layout.type
        info = TypeInfo()
        info.address = address
        info.flags = self.memory.word(address + layout.flags)
        info.basicsize = self.memory.word(address + layout.basicsize)
        info.itemsize = self.memory.word(address + layout.itemsize)
        info.dictoffset = self.memory.int64(address + layout.dictoffset)
        dealloc = self.memory.word(address + layout.dealloc)
        info.by_python = dealloc == layout.dealloc_of_classes + self.layout.slide
        info.mro = self._mro(address)
        info.cached_keys, info.slots, info.marks = 0, [], {}
        if info.flags & HEAP_TYPE:
            info.cached_keys = self.memory.word(address + layout.cached_keys)
            self._read_class(info)
        else:
            self._name_static(info)
        return info

    def _mro(self, address: int) -> tuple[int, ...]:
        mro = self.memory.word(address + self.layout.type.mro)
        if not mro:
            return (address,)
        layout = self.layout.container
        count = self.memory.word(mro + layout.tuple_size)
        if count > MAX_SLOTS:
            raise MemoryFault(f"no type at {address:#x}")
        return self.memory.words(mro + layout.tuple_items, count)

    def _name_static(self, info: TypeInfo) -> None:
        pointer = self.memory.word(info.address + self.layout.type.name)
        info.full_name = self.memory.c_string(pointer, 256)
        info.name = info.full_name.rpartition(".")[2]

    def _read_class(self, info: TypeInfo) -> None:
        qualname = self.memory.word(info.address + self.layout.type.qualname)
        # Not by `text`, which asks for the type of the string: that could be this very type.
        info.name = info.full_name = ""
        self._types[info.address] = info
        info.name = info.full_name = self.name(qualname)
        self._read_class_dict(info)
        for base in info.mro[1:]:
            parent = self.type_info(base)
            info.slots = parent.slots + [s for s in info.slots if s not in parent.slots]
            for name, value in parent.marks.items():
                if name != "__module__":  # the nearest base's is the one that counts
                    info.marks.setdefault(name, value)
        module = info.marks.get("__module__", 0)
        if module and self.type_of(module).flags & STR and self.name(module) != "builtins":
            info.full_name = f"{self.name(module)}.{info.name}"

    def _read_class_dict(self, info: TypeInfo) -> None:
        dictionary = self.memory.word(info.address + self.layout.type.dict)
        if not dictionary:
            return
        has_members = self._has_members(info)
        word, beginning_at = self.memory.word, self.layout.container.str_ascii
        for key, value in self.dict_items(dictionary):
            if has_members and self.type_address(value) == self._member_descriptor:
                self._read_member(info, key, value)
            elif word(key + beginning_at) in _BEGINNINGS and self.name(key) in _MARKS:
                info.marks[self.name(key)] = value

    def _has_members(self, info: TypeInfo) -> bool:
        """Whether a class has members of its own, which descriptors in its dict stand for.

        Most have none, and to look at what type each attribute is touches memory that nothing
        else does: 73 of 754 pages of a process with 7 threads.
        """
        table = self.memory.word(info.address + self.layout.type.members)
        return bool(table and self.memory.word(table))

    def _read_member(self, info: TypeInfo, key: int, descriptor: int) -> None:
        definition = self.memory.word(descriptor + self.layout.misc.descriptor_member)
        if self.memory.int32(definition + WORD) in _HOLDS_OBJECT:
            info.slots.append((self.name(key), self.memory.int64(definition + 2 * WORD)))
