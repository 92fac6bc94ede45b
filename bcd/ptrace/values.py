"""Rendering values as ``repr`` would, from memory alone: none of their code is run."""

from __future__ import annotations

import types
from _struct import unpack

from bcd.ptrace.bounds import Budget, Limits
from bcd.ptrace.library import Library
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.named import Named
from bcd.ptrace.objects import (
    BYTES,
    DICT,
    EXCEPTION,
    INT,
    LIST,
    STR,
    TUPLE,
    TYPE,
    Objects,
    TypeInfo,
)
from bcd.ptrace.redact import REDACTED, Redactor

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    _Render = Callable[[int, TypeInfo, int], str]

CUT = "…"
_LOOK_AHEAD = 4096
"""Characters of a string that are read to find secrets, though fewer are shown."""

_PAIR = 2


class Renderer:
    """Renders values of the target as text.

    Args:
        objects: Reads the target's objects.
        limits: How much of a value is shown.
        budget: How many values, and until when.
        redactor: Replaces secrets.
    """

    def __init__(
        self, objects: Objects, limits: Limits, budget: Budget, redactor: Redactor
    ) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._limits = limits
        self._budget = budget
        self._redactor = redactor
        self._path: list[int] = []
        self._cut = False
        self._shown: dict[int, tuple[dict[str, object], int]] = {}
        named = Named(objects)
        self._by_type = self._known_types(named)
        self._by_flag: tuple[tuple[int, _Render], ...] = (
            (TYPE, named.kind),
            (EXCEPTION, self._exception),
            (DICT, self._dict_subclass),
            (TUPLE, self._tuple_subclass),
            (LIST, self._wrapped(self._list)),
            (STR, self._wrapped(self._str)),
            (BYTES, self._wrapped(self._bytes)),
            (INT, self._wrapped(self._int)),
        )
        self._by_base: tuple[tuple[type, _Render], ...] = (
            (float, self._wrapped(self._float)),
            (set, self._set),
            (frozenset, self._set),
            (types.ModuleType, named.module),
        )
        self._library = Library(objects, lambda address: self._guarded(address, 1))

    def variable(self, name: str, address: int) -> dict[str, object]:
        """One variable, as it stands in a snapshot.

        A value is read once: ``self`` or a request stands in frame after frame. It counts each
        time, because it takes room in the snapshot each time.

        Raises:
            DeadlineReached: Nothing more may be read.
        """
        if self._redactor.is_secret(name):
            return self._read_variable(name, address)
        if address in self._shown:
            known, count = self._shown[address]
            self._budget.spend(count)
            self._budget.take_room(len(str(known["value"])))
            return {**known, "name": name}
        left = self._budget.left
        entry = self._read_variable(name, address)
        self._shown[address] = entry, left - self._budget.left
        return entry

    def _read_variable(self, name: str, address: int) -> dict[str, object]:
        self._cut = False
        entry: dict[str, object] = {"name": name, "type": "?", "value": ""}
        try:
            entry["type"] = self._objects.type_of(address).full_name
            entry["value"] = self._bounded(self._named(name, address, self._limits["depth"]))
        except FAULTS as fault:
            entry["value"] = f"<unreadable: {fault}>"
        finally:
            self._path.clear()
        self._budget.take_room(len(str(entry["value"])))
        entry["address"] = hex(address)
        if self._cut:
            entry["truncated"] = True
        return entry

    def _bounded(self, text: str) -> str:
        limit = self._limits["value"]
        if len(text) <= limit:
            return text
        self._cut = True
        return f"{text[:limit]}{CUT}"

    def render(self, address: int) -> str:
        """The text of a value that has no name."""
        try:
            return self._value(address, self._limits["depth"])
        finally:
            self._path.clear()

    def _named(self, name: str, address: int, depth: int) -> str:
        if self._redactor.is_secret(name):
            return self._secret(address)
        return self._value(address, depth)

    def _secret(self, address: int) -> str:
        """Replace a value, and learn it if it is a text or a number."""
        info = self._objects.type_of(address)
        if address == self._objects.static(None):
            return "None"
        if info.flags & STR:
            self._redactor.learn(self._objects.text(address, _LOOK_AHEAD)[0])
        elif info.flags & BYTES:
            raw = self._objects.raw_bytes(address, _LOOK_AHEAD)[0]
            self._redactor.learn(raw.decode("utf-8", "replace"))
        elif info.flags & INT:
            self._redactor.learn(str(self._objects.integer(address)))
        return REDACTED

    def _value(self, address: int, depth: int) -> str:
        self._budget.spend()
        info = self._objects.type_of(address)
        render = self._by_type.get(info.address)
        if render is None:
            render = self._by_type[info.address] = self._of_subclass(info)
        return render(address, info, depth)

    def _guarded(self, address: int, depth: int) -> str:
        """An inner value: a fault in it must not cost the others."""
        try:
            return self._value(address, depth)
        except FAULTS:
            return f"<unreadable at {address:#x}>"

    def _known_types(self, named: Named) -> dict[int, _Render]:
        table: dict[type, _Render] = {
            type(None): self._constant("None"),
            type(...): self._constant("Ellipsis"),
            type(NotImplemented): self._constant("NotImplemented"),
            bool: self._bool,
            int: self._int,
            float: self._float,
            complex: self._complex,
            str: self._str,
            bytes: self._bytes,
            bytearray: self._bytes,
            list: self._list,
            tuple: self._tuple,
            dict: self._dict,
            set: self._set,
            frozenset: self._set,
            range: self._range,
            slice: self._slice,
            types.FunctionType: named.function,
            types.MethodType: named.method,
            types.BuiltinFunctionType: named.builtin,
            types.ModuleType: named.module,
            types.CellType: self._cell,
            types.MappingProxyType: self._proxy,
            types.CoroutineType: named.generator,
            types.GeneratorType: named.generator,
            types.AsyncGeneratorType: named.generator,
            types.CodeType: named.code,
            type: named.kind,
        }
        return {self._objects.static(own): render for own, render in table.items()}

    def _of_subclass(self, info: TypeInfo) -> _Render:
        """How to render a type that is met for the first time."""
        if "_member_map_" in info.marks:
            return self._enum_member
        read = self._library.reader(info.full_name)
        if read is not None:
            return lambda address, _info, _depth: read(address)
        for bit, render in self._by_flag:
            if info.flags & bit:
                return render
        for own, render in self._by_base:
            if self._objects.is_a(info, own):
                return render
        return self._instance

    # Constants, numbers and strings

    def _constant(self, text: str) -> _Render:
        return lambda _address, _info, _depth: text

    def _bool(self, address: int, _info: TypeInfo, _depth: int) -> str:
        return "True" if address == self._objects.static(True) else "False"

    def _int(self, address: int, _info: TypeInfo, _depth: int) -> str:
        value = self._objects.integer(address)
        if value is None:
            self._cut = True
            return "<int of more than 4,000 bits>"
        return str(value)

    def _float(self, address: int, _info: TypeInfo, _depth: int) -> str:
        offset = self._objects.layout.container.float_value
        return repr(unpack("<d", self._memory.read(address + offset, 8))[0])

    def _complex(self, address: int, _info: TypeInfo, _depth: int) -> str:
        offset = self._objects.layout.container.float_value
        return repr(complex(*unpack("<2d", self._memory.read(address + offset, 16))))

    def _str(self, address: int, _info: TypeInfo, _depth: int) -> str:
        limit = self._limits["string"]
        text, length = self._objects.text(address, _LOOK_AHEAD)
        shown = self._redactor.text(text)
        if length <= limit or (len(shown) <= limit and length == len(text)):
            return repr(shown)
        self._cut = True
        part = repr(shown[:limit])
        return f"{part[:-1]}{CUT}{part[-1]} ({length:,} characters)"

    def _bytes(self, address: int, info: TypeInfo, _depth: int) -> str:
        limit = self._limits["string"]
        raw, length = self._objects.raw_bytes(address, _LOOK_AHEAD)
        shown = self._redactor.text(raw.decode("latin-1")).encode("latin-1", "replace")
        part = shown[:limit]
        text = repr(part if info.flags & BYTES else bytearray(part))  # they quote differently
        if len(shown) > limit or length > len(raw):
            self._cut = True
            end = 1 if info.flags & BYTES else 2
            text = f"{text[:-end]}{CUT}{text[-end:]} ({length:,} bytes)"
        return text

    # Containers

    def _stands_for(self, address: int, depth: int) -> str | None:
        """What stands for the inside of a container that is not gone into; None when it is."""
        if address in self._path:
            return "..."
        if depth <= 0:
            self._cut = True
            return CUT
        return None

    def _join(self, parts: list[str], size: int) -> str:
        left_out = size - len(parts)
        if left_out > 0:
            self._cut = True
            parts.append(f"{CUT} {left_out:,} more")
        return ", ".join(parts)

    def _list(self, address: int, _info: TypeInfo, depth: int) -> str:
        items, size = self._objects.sequence(address, self._limits["items"])
        return f"[{self._items(address, items, size, depth)}]" if size else "[]"

    def _tuple(self, address: int, _info: TypeInfo, depth: int) -> str:
        items, size = self._objects.sequence(address, self._limits["items"])
        if size == _PAIR and self._is_secret_pair(items[0]):
            return f"({self._guarded(items[0], depth - 1)}, {self._secret(items[1])})"
        text = self._items(address, items, size, depth) if size else ""
        return f"({text},)" if size == 1 and text not in ("...", CUT) else f"({text})"

    def _is_secret_pair(self, first: int) -> bool:
        """Whether a pair is a name and its value, such as a header of a request."""
        info = self._objects.type_of(first)
        if info.flags & STR:
            return self._redactor.is_secret(self._objects.text(first, 100)[0])
        if info.flags & BYTES:
            raw = self._objects.raw_bytes(first, 100)[0]
            return self._redactor.is_secret(raw.decode("latin-1"))
        return False

    def _items(self, address: int, items: Iterable[int], size: int, depth: int) -> str:
        stands_for = self._stands_for(address, depth)
        if stands_for is not None:
            return stands_for
        self._path.append(address)
        parts = [self._guarded(item, depth - 1) for item in items]
        self._path.pop()
        return self._join(parts, size)

    def _dict(self, address: int, _info: TypeInfo, depth: int) -> str:
        size = self._objects.dict_size(address)
        if not size:
            return "{}"
        stands_for = self._stands_for(address, depth)
        if stands_for is not None:
            return f"{{{stands_for}}}"
        self._path.append(address)
        parts: list[str] = []
        for key, value in self._objects.dict_items(address, self._limits["slots"]):
            if len(parts) >= self._limits["items"]:
                break
            parts.append(self._entry(key, value, depth - 1))
        self._path.pop()
        return f"{{{self._join(parts, size)}}}"

    def _entry(self, key: int, value: int, depth: int) -> str:
        try:
            text = self._value(key, depth)
            shown = self._secret(value) if self._is_secret_pair(key) else None
        except FAULTS:
            return f"<unreadable at {key:#x}>"
        return f"{text}: {self._guarded(value, depth) if shown is None else shown}"

    def _set(self, address: int, info: TypeInfo, depth: int) -> str:
        size = self._objects.set_size(address)
        name = "" if info.address == self._objects.static(set) else info.name
        if not size:
            return f"{info.name}()"
        items: list[int] = []
        for item in self._objects.set_items(address, self._limits["slots"]):
            if len(items) >= self._limits["items"]:
                break
            items.append(item)
        text = f"{{{self._items(address, items, size, depth)}}}"
        return f"{name}({text})" if name else text

    def _dict_subclass(self, address: int, info: TypeInfo, depth: int) -> str:
        return f"{info.name}({self._dict(address, info, depth)})"

    def _tuple_subclass(self, address: int, info: TypeInfo, depth: int) -> str:
        fields = info.marks.get("_fields", 0)
        if not fields or not self._objects.type_of(fields).flags & TUPLE:
            return f"{info.name}({self._tuple(address, info, depth)})"
        limit = self._limits["items"]
        names = [self._objects.name(name) for name in self._objects.sequence(fields, limit)[0]]
        items, size = self._objects.sequence(address, limit)
        pairs = zip(names, items, strict=False)
        return f"{info.name}({self._attributes(address, pairs, size, depth)})"

    def _wrapped(self, render: _Render) -> _Render:
        """For a subclass of a builtin: its name around what the builtin shows."""
        return lambda address, info, depth: f"{info.name}({render(address, info, depth)})"

    # What holds a few others

    def _three(self, first: int) -> list[str]:
        return [self._guarded(part, 1) for part in self._memory.words(first, 3)]

    def _range(self, address: int, _info: TypeInfo, _depth: int) -> str:
        start, stop, step = self._three(address + self._objects.layout.misc.range_start)
        return f"range({start}, {stop})" if step == "1" else f"range({start}, {stop}, {step})"

    def _slice(self, address: int, _info: TypeInfo, _depth: int) -> str:
        parts = self._three(address + self._objects.layout.misc.slice_start)
        return f"slice({', '.join(parts)})"

    def _cell(self, address: int, _info: TypeInfo, depth: int) -> str:
        content = self._memory.word(address + self._objects.layout.misc.cell)
        return f"<cell: {self._guarded(content, depth - 1)}>" if content else "<cell: empty>"

    def _proxy(self, address: int, _info: TypeInfo, depth: int) -> str:
        mapping = self._memory.word(address + self._objects.layout.misc.proxy)
        return f"mappingproxy({self._guarded(mapping, depth)})"

    # Instances of classes made by Python code, and everything else

    def _enum_member(self, address: int, info: TypeInfo, depth: int) -> str:
        name = value = 0
        for attribute, found in self._objects.attributes(address):
            name = found if attribute == "_name_" else name
            value = found if attribute == "_value_" else value
        if not name or not self._objects.type_of(name).flags & STR:
            return self._instance(address, info, depth)
        shown = self._guarded(value, depth - 1) if value else "?"
        return f"<{info.name}.{self._objects.name(name)}: {shown}>"

    def _exception(self, address: int, info: TypeInfo, depth: int) -> str:
        args = self._memory.word(address + self._objects.layout.exception.args)
        if not args:
            return f"{info.name}()"
        text = self._guarded(args, depth)
        return f"{info.name}{text[:-2]})" if text.endswith(",)") else f"{info.name}{text}"

    def _instance(self, address: int, info: TypeInfo, depth: int) -> str:
        held = self._objects.attributes(address)
        first = next(held, None)
        if first is None:
            return f"<{info.full_name} at {address:#x}>"
        stands_for = self._stands_for(address, depth)
        if stands_for is not None:
            return f"<{info.name} {stands_for}>"
        pairs = [first, *held]
        dataclass = "__dataclass_fields__" in info.marks
        text = self._attributes(address, pairs, len(pairs), depth)
        return f"{info.name}({text})" if dataclass else f"<{info.name} {text}>"

    def _attributes(
        self, address: int, pairs: Iterable[tuple[str, int]], size: int, depth: int
    ) -> str:
        self._path.append(address)
        parts: list[str] = []
        for name, value in pairs:
            if len(parts) >= self._limits["items"]:
                break
            parts.append(f"{name}={self._attribute(name, value, depth - 1)}")
        self._path.pop()
        return self._join(parts, size)

    def _attribute(self, name: str, address: int, depth: int) -> str:
        try:
            return self._named(name, address, depth)
        except FAULTS:
            return f"<unreadable at {address:#x}>"
