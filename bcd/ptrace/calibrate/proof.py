"""The proof of a layout: what it reads of known objects is what they hold."""

from __future__ import annotations

from bcd.ptrace.errors import CalibrationError, ReadError
from bcd.ptrace.objects import Objects

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.layout import Layout
    from bcd.ptrace.memory import LiveMemory


class _Base:
    __slots__ = ("slot",)


class _Sample(_Base):
    def __init__(self, first: object, second: object) -> None:
        self.slot = second
        self.first = first
        self.second = second


class _Error(Exception):
    pass


def prove(layout: Layout, memory: LiveMemory) -> None:
    """Read samples of what differs most between versions, and compare.

    Raises:
        CalibrationError: Something read is not what is there.
    """
    objects = Objects(memory, layout)
    try:
        wrong = [what for what, proven in _samples(objects) if not proven]
    except (ReadError, KeyError, ValueError) as fault:
        wrong = [f"{type(fault).__name__}: {fault}"]
    if wrong:
        raise CalibrationError(
            f"this interpreter's layout could not be proven: {', '.join(wrong)};"
            " bcd's tracer does not support this build of CPython"
        )


def _samples(objects: Objects) -> list[tuple[str, bool]]:
    one, two = object(), object()
    held = {"slot": id(two), "first": id(one), "second": id(two)}
    inline, with_dict, thinned = (_Sample(one, two) for _ in range(3))
    materialised = with_dict.__dict__
    del thinned.first
    error = _Error("text")
    error.detail = one  # type: ignore[attr-defined]
    number, negative = 1 << 100 | 12345, -(1 << 40)
    pairs, members = {one: two, "text": one}, {one, two}
    texts = ("plain", "caf\xe9", "\u20ac", "\U0001f600")
    return [
        ("the attributes of an instance", dict(objects.attributes(id(inline))) == held),
        ("the attributes in a dict", dict(objects.attributes(id(with_dict))) == held),
        (
            "a dict that was asked for",
            len(list(objects.dict_items(id(materialised)))) == len(held) - 1,
        ),
        ("a deleted attribute", set(dict(objects.attributes(id(thinned)))) == {"slot", "second"}),
        (
            "the attributes of an exception",
            dict(objects.attributes(id(error))) == {"detail": id(one)},
        ),
        ("an int", objects.integer(id(number)) == number),
        ("a negative int", objects.integer(id(negative)) == negative),
        ("a dict", next(objects.dict_items(id(pairs))) == (id(one), id(two))),
        ("a set", set(objects.set_items(id(members))) == {id(one), id(two)}),
        ("strings", all(objects.text(id(text), 10) == (text, len(text)) for text in texts)),
        ("a class", objects.type_of(id(inline)).name == "_Sample"),
        ("a builtin type", objects.type_of(id(number)).full_name == "int"),
    ]
