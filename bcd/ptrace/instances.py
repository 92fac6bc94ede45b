"""Instances of classes: by what they hold, in the order in which it was set."""

from __future__ import annotations

import types

from bcd.ptrace.members import OBJECTS
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import BYTES, DICT, MAX_SLOTS, STR, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.ptrace.values import Renderer

_NOISE = {
    "_sa_instance_state": "sqlalchemy.orm.state.InstanceState",
    "_state": "django.db.models.base.ModelState",
}
"""Attributes that a library keeps in an instance for itself, with their types."""


class Instances:
    """Renders instances; each method takes an address, its type, and a depth.

    Args:
        renderer: Renders values of the target.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._objects = renderer.objects
        self._memory = renderer.memory
        self._hidden: dict[int, frozenset[str]] = {}

    def bare(self, address: int, info: TypeInfo, _depth: int) -> str:
        """What ``object.__repr__`` shows."""
        return f"<{info.full_name} object at {address:#x}>"

    def enum_member(self, address: int, info: TypeInfo, depth: int) -> str:
        """A member of an enumeration, or a combination of flags."""
        held = {
            name: value
            for name, value in self._objects.attributes(address)
            if name in ("_name_", "_value_")
        }
        if len(held) < 2:  # noqa: PLR2004 - a name and a value
            return self.instance(address, info, depth)
        name = ""
        if self._objects.type_of(held["_name_"]).flags & STR:
            name = self._objects.name(held["_name_"])
        if name and self._is_global(info):
            module = info.full_name.partition(".")[0]
            return "|".join(f"{module}.{part}" for part in name.split("|"))
        shown = self._renderer.inner(held["_value_"], depth - 1)
        return f"<{info.short}{'.' if name else ''}{name}: {shown}>"

    def _is_global(self, info: TypeInfo) -> bool:
        """Whether an enumeration's members are names of its module, such as ``re.DOTALL``."""
        return self._code_of_repr(info) in ("global_enum_repr", "global_flag_repr")

    def _code_of_repr(self, info: TypeInfo) -> str:
        """The qualified name in the code of a class's ``__repr__``, "" where it is no function."""
        function = info.marks.get("__repr__", 0)
        if not function or self._objects.type_address(function) != self._objects.static(
            types.FunctionType
        ):
            return ""
        code = self._memory.word(function + self._objects.layout.misc.function_code)
        read = self._renderer.codes.read(code)
        return read.function if read else ""

    def exception(self, address: int, info: TypeInfo, depth: int) -> str:
        """An exception: its arguments, then the attributes that it was given beside them."""
        args = self._memory.word(address + self._objects.layout.exception.args)
        text = self._renderer.inner(args, depth) if args else "()"
        if text.endswith(",)"):
            text = f"{text[:-2]})"
        pairs = [pair for pair in self._objects.attributes(address) if not pair[0].startswith("__")]
        if pairs:
            own = self._renderer.fields(address, pairs, len(pairs), depth)
            text = f"{text[:-1]}{'' if text == '()' else ', '}{own})"
        return f"{info.short}{text}"

    def named_tuple(self, address: int, info: TypeInfo, depth: int) -> str:
        """A tuple whose items have names."""
        fields = info.marks["_fields"]
        limit = self._renderer.limits["items"]
        names = [self._objects.name(name) for name in self._objects.sequence(fields, limit)[0]]
        items, size = self._objects.sequence(address, limit)
        pairs = zip(names, items, strict=False)
        return f"{info.short}({self._renderer.fields(address, pairs, size, depth)})"

    def instance(self, address: int, info: TypeInfo, depth: int) -> str:
        """Any other object: its attributes, else what it is and where."""
        try:
            pairs = list(self._held(address, info))
            numbers = self._numbers(address, info)
        except FAULTS:
            return self.bare(address, info, depth)
        if not pairs and not numbers:
            return self.bare(address, info, depth)
        size = len(pairs) + len(numbers)
        text = self._renderer.fields(address, pairs, size, depth, numbers)
        if not info.by_python:
            return f"<{info.full_name} object at {address:#x} {text}>"
        return f"{info.name}({text})" if self._like_constructor(info) else f"<{info.name} {text}>"

    def _like_constructor(self, info: TypeInfo) -> bool:
        return "__dataclass_fields__" in info.marks or "__attrs_attrs__" in info.marks

    def _held(self, address: int, info: TypeInfo) -> Iterator[tuple[str, int]]:
        """The attributes and the objects in C members, without what a library keeps there."""
        hidden = self._hidden.get(info.address)
        if hidden is None:
            hidden = self._hidden[info.address] = self._hidden_fields(info)
        for name, value in self._objects.attributes(address):
            if name not in hidden and not (name in _NOISE and self._is_noise(name, value)):
                yield name, value
        if not info.by_python and not info.slots:
            for name, (kind, offset) in self._renderer.members.of(info).items():
                value = self._memory.word(address + offset) if kind in OBJECTS else 0
                if value and not name.startswith("__"):
                    yield name, value

    def _is_noise(self, name: str, address: int) -> bool:
        try:
            return self._objects.type_of(address).full_name == _NOISE[name]
        except FAULTS:
            return False

    def _numbers(self, address: int, info: TypeInfo) -> list[str]:
        """The numbers in C members."""
        members = self._renderer.members
        return [
            f"{name}={members.read_number(address, member)!r}"
            for name, member in members.numbers_of(info)
        ]

    def _hidden_fields(self, info: TypeInfo) -> frozenset[str]:
        """Fields that their class leaves out of its ``repr``: they are noise or secrets."""
        fields = info.marks.get("__dataclass_fields__", 0) or info.marks.get("__attrs_attrs__", 0)
        if not fields:
            return frozenset()
        if self._objects.type_of(fields).flags & DICT:
            found = [field for _, field in self._objects.dict_items(fields)]
        else:
            found = list(self._objects.sequence(fields, MAX_SLOTS)[0])
        false = self._objects.static(False)
        parts = [dict(self._objects.attributes(field)) for field in found]
        return frozenset(
            self._objects.name(part["name"]) for part in parts if part.get("repr") == false
        )


def text_of(renderer: Renderer, address: int, limit: int = 200) -> str:
    """A string or bytes as it is, without its secrets; anything else as ``repr`` shows it."""
    info = renderer.objects.type_of(address)
    if info.flags & STR:
        return renderer.redactor.text(renderer.objects.text(address, limit)[0])
    if info.flags & BYTES:
        raw, _ = renderer.objects.raw_bytes(address, limit)
        return renderer.redactor.text(raw.decode("utf-8", "replace"))
    return renderer.inner(address, 0)
