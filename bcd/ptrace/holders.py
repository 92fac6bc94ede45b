"""Builtin objects that hold a few others: ranges, slices, views, proxies, generic aliases."""

from __future__ import annotations

import types

from bcd.ptrace.objects import DICT, TUPLE, TYPE, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.values import Renderer, Show

HEAD = object.__basicsize__


class Holders:
    """Renders what holds others; each method takes an address, its type, and a depth.

    Args:
        renderer: Renders values of the target.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._objects = renderer.objects
        self._memory = renderer.memory
        self._none_type = renderer.objects.static(type(None))

    def table(self) -> dict[type, Show]:
        """What renders values of which type."""
        return {
            range: self.range,
            slice: self.slice,
            types.CellType: self.cell,
            types.MappingProxyType: self.proxy,
            types.SimpleNamespace: self.namespace,
            types.GenericAlias: self.alias,
            types.UnionType: self.union,
            classmethod: self.wrapper,
            staticmethod: self.wrapper,
            type({}.keys()): self.view,
            type({}.values()): self.view,
            type({}.items()): self.view,
        }

    def _three(self, first: int, depth: int) -> list[str]:
        return [self._renderer.inner(part, depth - 1) for part in self._memory.words(first, 3)]

    def range(self, address: int, _info: TypeInfo, depth: int) -> str:
        """A range, its step where it is not 1."""
        parts = self._three(address + self._objects.layout.misc.range_start, depth)
        return f"range({', '.join(parts[:2] if parts[2] == '1' else parts)})"

    def slice(self, address: int, _info: TypeInfo, depth: int) -> str:
        """A slice."""
        parts = self._three(address + self._objects.layout.misc.slice_start, depth)
        return f"slice({', '.join(parts)})"

    def cell(self, address: int, _info: TypeInfo, depth: int) -> str:
        """A variable that a closure holds."""
        content = self._memory.word(address + self._objects.layout.misc.cell)
        return f"<cell: {self._renderer.inner(content, depth - 1)}>" if content else "<cell: empty>"

    def proxy(self, address: int, _info: TypeInfo, depth: int) -> str:
        """A read-only view of a mapping."""
        mapping = self._memory.word(address + self._objects.layout.misc.proxy)
        if self._objects.type_of(mapping).flags & DICT:
            return f"mappingproxy({self._renderer.inner(mapping, depth)})"
        return f"mappingproxy({self._renderer.inner(mapping, depth - 1)})"

    def namespace(self, address: int, info: TypeInfo, depth: int) -> str:
        """A namespace that is nothing but its attributes."""
        exact = info.address == self._objects.static(types.SimpleNamespace)
        pairs = list(self._objects.attributes(address))
        inside = self._renderer.fields(address, pairs, len(pairs), depth)
        return f"{'namespace' if exact else info.short}({inside})"

    def view(self, address: int, info: TypeInfo, depth: int) -> str:
        """The keys, values or items of a dict."""
        mapping = self._memory.word(address + HEAD)
        pairs, size = self._renderer.entries(mapping), self._objects.dict_size(mapping)
        return self._renderer.view(mapping, info, pairs, size, depth)

    def wrapper(self, address: int, info: TypeInfo, depth: int) -> str:
        """A class method or static method around its function."""
        function = self._memory.word(address + HEAD)
        return f"<{info.short}({self._renderer.inner(function, depth - 1)})>"

    def alias(self, address: int, info: TypeInfo, depth: int) -> str:
        """A generic type with its arguments, such as ``list[int]``."""
        members = self._renderer.members
        origin = members.pointer(address, info, "__origin__")
        arguments = members.pointer(address, info, "__args__")
        parts = self._arguments(arguments, depth)
        star = "*" if members.number(address, info, "__unpacked__") else ""
        return f"{star}{self._type_text(origin, depth)}[{', '.join(parts) or '()'}]"

    def union(self, address: int, info: TypeInfo, depth: int) -> str:
        """Types of which one is meant, such as ``int | None``."""
        arguments = self._renderer.members.pointer(address, info, "__args__")
        return " | ".join(self._arguments(arguments, depth))

    def _arguments(self, arguments: int, depth: int) -> list[str]:
        if not self._objects.type_of(arguments).flags & TUPLE:
            return [self._renderer.inner(arguments, depth - 1)]
        items, size = self._objects.sequence(arguments, self._renderer.limits["items"])
        if size > len(items):
            self._renderer.mark_cut()
        more = [f"… {size - len(items):,} more"] if size > len(items) else []
        return [self._type_text(item, depth - 1) for item in items] + more

    def _type_text(self, address: int, depth: int) -> str:
        if address == self._none_type:
            return "None"
        if address == self._objects.static(...):
            return "..."
        if self._objects.type_of(address).flags & TYPE:
            return self._objects.type_info(address).full_name
        return self._renderer.inner(address, depth)
