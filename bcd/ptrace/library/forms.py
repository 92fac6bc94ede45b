"""Texts made of the attributes of instances, by a form: for classes made in Python."""

from __future__ import annotations

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.instances import text_of
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import DICT, STR, WORD, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.ptrace.calibrate.search import Search
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

    Part = Callable[[Renderer, int, TypeInfo, int], str]


_LARGEST = 1024
"""Bytes of an object that are looked at for others."""


def form(text: str) -> Maker:
    """Make what renders values by a form.

    Args:
        text: The text, with placeholders: ``{name}`` stands for the value of an attribute as
            ``repr`` shows it, ``{name!s}`` as ``str`` shows it, ``{@}`` for the address, ``{%}``
            for the class's name, ``{%%}`` for its full name.
    """
    pieces = text.replace("}", "{").split("{")
    texts, parts = pieces[::2], [_part(piece) for piece in pieces[1::2]]

    def make(renderer: Renderer, _search: Search) -> Show:
        def show(address: int, info: TypeInfo, depth: int) -> str:
            filled = [part(renderer, address, info, depth) for part in parts]
            return "".join(map("".join, zip(texts, [*filled, ""], strict=True)))

        return show

    return make


def _part(piece: str) -> Part:
    if piece == "@":
        return lambda _renderer, address, _info, _depth: f"{address:#x}"
    if piece.startswith("%"):
        return lambda _renderer, _address, info, _depth: info.full_name if piece[1:] else info.short
    name, as_text, _ = piece.partition("!s")

    def render(renderer: Renderer, address: int, _info: TypeInfo, depth: int) -> str:
        value = attribute(renderer, address, name)
        if as_text and not renderer.redactor.is_secret(name):
            return text_of(renderer, value)
        return renderer.field(name, value, depth - 1)

    return render


def attribute(renderer: Renderer, address: int, name: str) -> int:
    """The address of an attribute's value.

    Raises:
        MemoryFault: The instance holds none of that name.
    """
    value = renderer.objects.attribute(address, name)
    if not value:
        raise MemoryFault(f"no attribute {name} at {address:#x}")
    return value


def references(renderer: Renderer, address: int) -> Iterator[int]:
    """The objects that an object of a C type points to, in the order of its memory.

    For members that nothing names. What looks like an object may be the remains of one: whoever
    asks has to know of what type the wanted one is.
    """
    objects = renderer.objects
    own_type = objects.static(type)
    size = min(objects.type_of(address).basicsize, _LARGEST)
    for word in renderer.memory.words(address + 2 * WORD, size // WORD - 2):
        try:
            metatype = objects.type_address(objects.type_address(word)) if word else 0
            of_metatype = objects.type_address(metatype) if metatype else 0
            if own_type in (metatype, of_metatype):
                yield word
        except FAULTS:
            continue


def number(renderer: Renderer, address: int, name: str) -> int:
    """The value of an attribute that is a whole number.

    Raises:
        MemoryFault: It holds none, or an enormous one.
    """
    value = renderer.objects.integer(attribute(renderer, address, name))
    if value is None:
        raise MemoryFault(f"{name} at {address:#x} is no number of a sensible size")
    return value


def fields(*names: str, holder: str | None = None) -> Maker:
    """Make what shows some attributes, those that tell the most, as ``<Name a=1, b=2>``.

    Args:
        names: Attributes in order; those that an instance does not hold are left out.
        holder: An attribute whose dict has more of them.
    """

    def make(renderer: Renderer, _search: Search) -> Show:
        def show(address: int, info: TypeInfo, depth: int) -> str:
            held = _held(renderer, address, holder)
            pairs = [(name, held[name]) for name in names if name in held]
            if not pairs:
                raise MemoryFault(f"no fields of {info.full_name} at {address:#x}")
            inside = renderer.fields(address, pairs, len(pairs), depth)
            return f"<{info.name} {inside}>"

        return show

    return make


def _held(renderer: Renderer, address: int, holder: str | None) -> dict[str, int]:
    held = dict(renderer.objects.attributes(address))
    if holder is not None:
        held.update(names_of(renderer, held.get(holder, 0)))
    return held


def names_of(renderer: Renderer, mapping: int) -> dict[str, int]:
    """The values of a dict under strings; none where there is no dict."""
    objects = renderer.objects
    if not mapping or not objects.type_of(mapping).flags & DICT:
        return {}
    return {
        objects.name(key): value
        for key, value in renderer.entries(mapping)
        if objects.type_of(key).flags & STR
    }
