"""Rendering values as ``repr`` would, from memory alone: none of their code is run."""

from __future__ import annotations

import types
from itertools import chain

from bcd.ptrace.bounds import Budget, Limits
from bcd.ptrace.codes import Codes
from bcd.ptrace.holders import Holders
from bcd.ptrace.instances import Instances
from bcd.ptrace.library import Library
from bcd.ptrace.members import Members
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
from bcd.ptrace.scalars import CUT, LOOK_AHEAD, Scalars

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Show = Callable[[int, TypeInfo, int], str]

_HEADER = (2, 3)
"""Items of a name with its value; some libraries keep the name in two spellings."""

_OPTION = "'-"
"""Begin of an argument that may name what follows it, as ``repr`` shows it."""

_ROOM = 60
"""Characters of a variable in a snapshot, besides its name, type and value."""

_DEEPEST = -8
"""What holds one other thing, such as a cell, is gone into beyond the depth, but not for ever."""


class Renderer:
    """Renders values of the target as text.

    Args:
        codes: Reads the target's code objects.
        objects: Reads the target's objects.
        limits: How much of a value is shown.
        budget: How many values, and until when.
        redactor: Replaces secrets.
    """

    def __init__(
        self, codes: Codes, objects: Objects, limits: Limits, budget: Budget, redactor: Redactor
    ) -> None:
        self.codes = codes
        self.objects = objects
        self.memory = objects.memory
        self.members = Members(objects)
        self.limits = limits.values
        self.redactor = redactor
        self._budget = budget
        self._path: list[int] = []
        self._cut = False
        self._shown: dict[int, tuple[dict[str, object], int, int]] = {}
        self._scalars = scalars = Scalars(self)
        self.named = Named(self)
        self.instances = Instances(self)
        holders = Holders(self)
        self._by_type = self._known_types(holders)
        self._by_flag: tuple[tuple[int, Show], ...] = (
            (TYPE, self.named.kind),
            (EXCEPTION, self.instances.exception),
            (DICT, self._dict_subclass),
            (TUPLE, self._tuple_subclass),
            (LIST, self._wrapped(self._list)),
            (STR, self._wrapped(scalars.text)),
            (BYTES, self._wrapped(scalars.binary)),
            (INT, self._wrapped(scalars.integer)),
        )
        self._by_base: tuple[tuple[type, Show], ...] = (
            (float, self._wrapped(scalars.real)),
            (complex, self._wrapped(scalars.complex_number)),
            (bytearray, self._wrapped(scalars.binary)),
            (set, self._set),
            (frozenset, self._set),
            (types.ModuleType, self.named.module),
            (types.SimpleNamespace, holders.namespace),
            (self.named.reference_type, self.named.reference),
        )
        self._library = Library(self)

    def variable(self, name: str, address: int) -> dict[str, object]:
        """One variable, as it stands in a snapshot.

        A value is read once: ``self`` or a request stands in frame after frame. It counts each
        time, because it takes room in the snapshot each time.

        Raises:
            DeadlineReached: Nothing more may be read.
        """
        if self.redactor.is_secret(name):
            return self._read_variable(name, address)
        shown = self._shown.get(address)
        if shown is not None:
            known, count, room = shown
            self._budget.spend(count)
            self._budget.take_room(room + len(name))
            return {**known, "name": name}
        left = self._budget.left
        entry = self._read_variable(name, address)
        room = _ROOM + len(str(entry["value"])) + len(str(entry["type"]))
        self._shown[address] = entry, left - self._budget.left, room
        self._budget.take_room(room + len(name))
        return entry

    def _read_variable(self, name: str, address: int) -> dict[str, object]:
        self._cut = False
        entry: dict[str, object] = {"name": name, "type": "?", "value": ""}
        try:
            entry["type"] = self.objects.type_of(address).full_name
            entry["value"] = self._bounded(self._named(name, address, self.limits["depth"]))
        except FAULTS as fault:
            entry["value"] = f"<unreadable: {fault}>"
        finally:
            self._path.clear()
        entry["address"] = hex(address)
        if self._cut:
            entry["truncated"] = True
        return entry

    def _bounded(self, text: str) -> str:
        limit = self.limits["value"]
        if len(text) <= limit:
            return text
        self._cut = True
        return f"{text[:limit]}{CUT}"

    def render(self, address: int) -> str:
        """The text of a value that has no name."""
        try:
            return self._value(address, self.limits["depth"])
        finally:
            self._path.clear()

    def _named(self, name: str, address: int, depth: int) -> str:
        if self.redactor.is_secret(name):
            return self._secret(address)
        return self._value(address, depth)

    def _secret(self, address: int) -> str:
        """Replace a value, and learn it if it is a text or a number, or a list of such."""
        if address == self.objects.static(None):
            return "None"
        if not self._learn(address) and self.objects.type_of(address).flags & (LIST | TUPLE):
            for item in self.objects.sequence(address, self.limits["items"])[0]:
                self._learn(item)
        return REDACTED

    def _learn(self, address: int) -> bool:
        """Remember a secret, so that it is replaced elsewhere; False if it is none to look for."""
        info = self.objects.type_of(address)
        if info.flags & STR:
            self.redactor.learn(self.objects.text(address, LOOK_AHEAD)[0])
        elif info.flags & BYTES:
            raw = self.objects.raw_bytes(address, LOOK_AHEAD)[0]
            self.redactor.learn(raw.decode("utf-8", "replace"))
        elif info.flags & INT:
            self.redactor.learn(str(self.objects.integer(address)))
        else:
            return False
        return True

    def _value(self, address: int, depth: int) -> str:
        self._budget.spend()
        if depth < _DEEPEST:
            self._cut = True
            return CUT
        info = self.objects.type_of(address)
        render = self._by_type.get(info.address)
        if render is None:
            render = self._by_type[info.address] = self._of_subclass(info)
        return render(address, info, depth)

    def inner(self, address: int, depth: int) -> str:
        """An inner value: a fault in it must not cost the others."""
        try:
            return self._value(address, depth)
        except FAULTS:
            return f"<unreadable at {address:#x}>"

    def _known_types(self, holders: Holders) -> dict[int, Show]:
        scalars = self._scalars
        table: dict[type, Show] = {
            type(None): self._constant("None"),
            type(...): self._constant("Ellipsis"),
            type(NotImplemented): self._constant("NotImplemented"),
            bool: scalars.boolean,
            int: scalars.integer,
            float: scalars.real,
            complex: scalars.complex_number,
            str: scalars.text,
            bytes: scalars.binary,
            bytearray: scalars.binary,
            list: self._list,
            tuple: self._tuple,
            dict: self.mapping,
            set: self._set,
            frozenset: self._set,
            **self.named.table(),
            **holders.table(),
        }
        return {self.objects.static(own): show for own, show in table.items()}

    def _constant(self, text: str) -> Show:
        return lambda _address, _info, _depth: text

    def _of_subclass(self, info: TypeInfo) -> Show:
        """How to render a type that is met for the first time."""
        if "_member_map_" in info.marks and not info.flags & TYPE:
            return self.instances.enum_member
        special = self._library.show(info)
        return self._or_else(special, self._plain(info)) if special else self._plain(info)

    def _plain(self, info: TypeInfo) -> Show:
        for bit, show in self._by_flag:
            if info.flags & bit:
                return show
        for own, show in self._by_base:
            if self.objects.is_a(info, own):
                return show
        return self.instances.instance

    def _or_else(self, special: Show, plain: Show) -> Show:
        """A class may claim to be another: what cannot be shown as that is shown as it is."""

        def show(address: int, info: TypeInfo, depth: int) -> str:
            try:
                return special(address, info, depth)
            except FAULTS:
                return plain(address, info, depth)

        return show

    # Containers

    def stands_for(self, address: int, depth: int) -> str | None:
        """What stands for the inside of a container that is not gone into; None when it is."""
        if address in self._path:
            return "..."
        if depth <= 0:
            self._cut = True
            return CUT
        return None

    def mark_cut(self) -> None:
        """Say that the variable that is rendered is not shown in full."""
        self._cut = True

    def join(self, parts: list[str], size: int) -> str:
        """The parts of a container that has ``size``, and how many more there are."""
        left_out = size - len(parts)
        if left_out > 0:
            self._cut = True
            parts.append(f"{CUT} {left_out:,} more")
        return ", ".join(parts)

    def _list(self, address: int, _info: TypeInfo, depth: int) -> str:
        items, size = self.objects.sequence(address, self.limits["items"])
        if size in _HEADER and self._is_header(items[0], BYTES):
            return f"[{self._header(items, depth)}]"
        return f"[{self.items(address, items, size, depth)}]" if size else "[]"

    def _tuple(self, address: int, _info: TypeInfo, depth: int) -> str:
        items, size = self.objects.sequence(address, self.limits["items"])
        if size in _HEADER and self._is_header(items[0], BYTES | STR):
            return f"({self._header(items, depth)})"
        text = self.items(address, items, size, depth) if size else ""
        return f"({text},)" if size == 1 and text not in ("...", CUT) else f"({text})"

    def _header(self, items: tuple[int, ...], depth: int) -> str:
        *names, value = items
        return ", ".join([*(self.inner(name, depth - 1) for name in names), self._secret(value)])

    def _is_header(self, name: int, kinds: int) -> bool:
        """Whether what stands before a value is a secret name, as in a header of a request."""
        return bool(self.objects.type_of(name).flags & kinds) and self.is_secret(name)

    def is_secret(self, name: int) -> bool:
        """Whether a value under this key is secret."""
        info = self.objects.type_of(name)
        if info.flags & STR:
            return self.redactor.is_secret(self.objects.text(name, 100)[0])
        if info.flags & BYTES:
            raw = self.objects.raw_bytes(name, 100)[0]
            return self.redactor.is_secret(raw.decode("latin-1"))
        return False

    def within(self, address: int, parts: Iterable[str], size: int, depth: int) -> str:
        """The inside of a container that is gone into unless it stands inside of itself.

        Args:
            address: The container.
            parts: The texts of its parts, made as they are asked for.
            size: How many there are.
            depth: How deep to go.
        """
        stands_for = self.stands_for(address, depth) if size else ""
        if stands_for is not None:
            return stands_for
        self._path.append(address)
        made = [part for _, part in zip(range(self.limits["items"]), parts, strict=False)]
        self._path.pop()
        return self.join(made, size)

    def items(self, address: int, items: Iterable[int], size: int, depth: int) -> str:
        """The inside of a container of items, no more of them than the limit admits."""
        stands_for = self.stands_for(address, depth)
        if stands_for is not None:
            return stands_for
        self._path.append(address)
        parts: list[str] = []
        secret = False
        for item in items:
            part = self.inner(item, depth - 1)
            if secret and part[:2] != _OPTION:
                part = self._of_option(item)
            parts.append(part)
            secret = part[:2] == _OPTION and self.redactor.is_option(part[1:-1])
        self._path.pop()
        return self.join(parts, size)

    def _of_option(self, address: int) -> str:
        """What stands for the value of an option, as of a program that is to be started."""
        try:
            return self._secret(address)
        except FAULTS:
            return f"<unreadable at {address:#x}>"

    def mapping(self, address: int, _info: TypeInfo, depth: int) -> str:
        """A dict, in its own order."""
        size = self.objects.dict_size(address)
        return self.pairs(address, self.entries(address), size, depth)

    def entries(self, address: int) -> Iterator[tuple[int, int]]:
        """(key, value) addresses of a dict, so many as may be looked at."""
        return self.objects.dict_items(address, self.limits["slots"])

    def pairs(self, address: int, pairs: Iterable[tuple[int, int]], size: int, depth: int) -> str:
        """A mapping like a dict: its (key, value) addresses, of which ``size`` exist."""
        parts = (": ".join(self.entry(key, value, depth - 1)) for key, value in pairs)
        return f"{{{self.within(address, parts, size, depth)}}}"

    def entry(self, key: int, value: int, depth: int) -> tuple[str, str]:
        """The texts of a key and its value, which may be secret."""
        try:
            text = self._value(key, depth)
            secret = self._secret(value) if self.is_secret(key) else None
        except FAULTS:
            return f"<unreadable at {key:#x}>", "?"
        return text, self.inner(value, depth) if secret is None else secret

    def tuples(self, address: int, pairs: Iterable[tuple[int, int]], size: int, depth: int) -> str:
        """The inside of a list of a mapping's (key, value) tuples."""
        parts = (f"({', '.join(self.entry(key, value, depth - 2))})" for key, value in pairs)
        return self.within(address, parts, size, depth)

    def view(
        self,
        mapping: int,
        info: TypeInfo,
        pairs: Iterable[tuple[int, int]],
        size: int,
        depth: int,
    ) -> str:
        """The keys, values or items of a mapping: the name of the view's type says which."""
        if info.name.endswith("items"):
            return f"{info.name}([{self.tuples(mapping, pairs, size, depth)}])"
        at = 1 if info.name.endswith("values") else 0
        parts = (self.entry(key, value, depth - 1)[at] for key, value in pairs)
        return f"{info.name}([{self.within(mapping, parts, size, depth)}])"

    def _set(self, address: int, info: TypeInfo, depth: int) -> str:
        size = self.objects.set_size(address)
        name = "" if info.address == self.objects.static(set) else info.short
        if not size:
            return f"{info.short}()"
        items: list[int] = []
        for item in self.objects.set_items(address, self.limits["slots"]):
            if len(items) >= self.limits["items"]:
                break
            items.append(item)
        text = f"{{{self.items(address, items, size, depth)}}}"
        return f"{name}({text})" if name else text

    def _dict_subclass(self, address: int, info: TypeInfo, depth: int) -> str:
        return f"{info.name}({self.mapping(address, info, depth)})"

    def _tuple_subclass(self, address: int, info: TypeInfo, depth: int) -> str:
        fields = info.marks.get("_fields", 0)
        if fields and self.objects.type_of(fields).flags & TUPLE:
            return self.instances.named_tuple(address, info, depth)
        return f"{info.name}({self._tuple(address, info, depth)})"

    def _wrapped(self, render: Show) -> Show:
        """For a subclass of a builtin: its name around what the builtin shows."""
        return lambda address, info, depth: f"{info.name}({render(address, info, depth)})"

    def fields(
        self,
        address: int,
        pairs: Iterable[tuple[str, int]],
        size: int,
        depth: int,
        others: Iterable[str] = (),
    ) -> str:
        """The inside of an object: ``name=value`` of its attributes, of which ``size`` exist.

        Args:
            address: The object.
            pairs: Names and addresses of values.
            size: How many there are, with the others.
            depth: How deep to go.
            others: Further parts that are texts already.
        """
        named = (f"{name}={self.field(name, value, depth - 1)}" for name, value in pairs)
        return self.within(address, chain(named, others), size, depth)

    def field(self, name: str, address: int, depth: int) -> str:
        """The text of a value that has a name, which may be secret."""
        try:
            return self._named(name, address, depth)
        except FAULTS:
            return f"<unreadable at {address:#x}>"
