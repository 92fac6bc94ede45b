"""What an instance holds, whatever way its class keeps it."""

from __future__ import annotations

import collections
import types
from typing import TYPE_CHECKING, Any

import pytest

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.objects import MAX_SLOTS, Objects

if TYPE_CHECKING:
    from bcd.ptrace.layout import Layout
    from bcd.ptrace.memory import LiveMemory


class Plain:
    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class Usual:
    def __init__(self, first: object, second: object) -> None:
        self.first = first
        self.second = second


class Slotted:
    __slots__ = ("alpha", "beta")

    def __init__(self) -> None:
        self.alpha = "a"


class MoreSlots(Slotted):
    __slots__ = ("gamma",)

    def __init__(self) -> None:
        super().__init__()
        self.gamma = "g"


class SlotsAndDict(MoreSlots):
    pass


class PrivateSlot:
    __slots__ = ("__hidden",)

    def __init__(self) -> None:
        self.__hidden = 1


class Mapping(dict[str, int]):
    def __init__(self) -> None:
        super().__init__(a=1)
        self.extra = "extra"


class Number(int):
    extra: str


class Text(str):
    extra: str
    __slots__ = ("extra",)


class Pair(tuple[int, int]):  # noqa: SLOT001 - has a dict behind its items
    extra: str


class FailureError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__("failed", code)
        self.code = code


class Many:
    def __init__(self) -> None:
        for number in range(50):
            setattr(self, f"attribute_{number}", number)


class WithMeta(type):
    pass


class Made(metaclass=WithMeta):
    def __init__(self) -> None:
        self.made = True


def held(objects: Objects, value: object) -> dict[str, int]:
    """Name → address of what an instance holds, as read."""
    found = list(objects.attributes(id(value)))
    assert len(dict(found)) == len(found), "each name once"
    return dict(found)


def truth(value: Any, *slots: str) -> dict[str, int]:
    """The same by the interpreter's own means."""
    names = {name: id(getattr(value, name)) for name in slots if hasattr(value, name)}
    return names | {name: id(item) for name, item in getattr(value, "__dict__", {}).items()}


class TestAttributes:
    def test_plain(self, objects: Objects) -> None:
        """Attributes of the usual kind, before their dict was ever asked for."""
        value = Usual("one", ["two"])
        found = held(objects, value)
        assert found == truth(value)
        assert list(found) == ["first", "second"]

    def test_a_dict_that_was_asked_for(self, objects: Objects) -> None:
        """Likewise once ``__dict__`` exists, also when more was put into it."""
        value = Usual(1, 2)
        names = value.__dict__
        assert held(objects, value) == truth(value)
        names["third"] = 3
        assert held(objects, value) == truth(value)
        assert set(held(objects, value)) == {"first", "second", "third"}

    def test_a_dict_put_in_its_place(self, objects: Objects) -> None:
        """Another dict may take the place of the first."""
        value = Usual(1, 2)
        value.__dict__ = {"other": "x"}
        assert held(objects, value) == truth(value)

    def test_deleted_attributes(self, objects: Objects) -> None:
        """What was deleted is gone, whether the keys are still shared or not."""
        values = [Usual(number, str(number)) for number in range(3)]
        del values[0].first
        values[1].third = 3  # type: ignore[attr-defined]
        del values[1].second
        for value in values:
            assert held(objects, value) == truth(value)

    def test_none_at_all(self, objects: Objects) -> None:
        """An instance without attributes has none."""
        for value in (Plain(), object(), 3, None, Slotted.__new__(Slotted)):
            assert held(objects, value) == {}

    def test_more_than_thirty(self, objects: Objects) -> None:
        """More attributes than a shared set of keys takes are read all, in order."""
        for _ in range(3):
            value = Many()
            assert held(objects, value) == truth(value)
            assert list(held(objects, value)) == [f"attribute_{n}" for n in range(50)]

    def test_slots(self, objects: Objects) -> None:
        """Slots that are set, one's own and the inherited ones, base classes first."""
        assert held(objects, Slotted()).keys() == {"alpha"}
        value = MoreSlots()
        assert held(objects, value) == truth(value, "alpha", "beta", "gamma")
        value.beta = "b"  # type: ignore[attr-defined]
        assert list(held(objects, value)) == ["alpha", "beta", "gamma"]

    def test_slots_and_a_dict(self, objects: Objects) -> None:
        """A class without slots below one with them has both."""
        value: Any = SlotsAndDict()
        value.delta = "d"
        assert held(objects, value) == truth(value, "alpha", "gamma")

    def test_private_slots(self, objects: Objects) -> None:
        """A slot with a mangled name is read under a name that tells it."""
        (name,) = held(objects, PrivateSlot())
        assert name.endswith("__hidden")

    @pytest.mark.parametrize("kind", [Number, Pair])
    def test_subclasses_of_variable_size(self, objects: Objects, kind: Any) -> None:
        """A dict behind a number's digits or a tuple's items is found."""
        values = [kind()] if kind is Pair else [kind(0), kind(7), kind(-(2**200))]
        if kind is Pair:
            values += [kind((1, 2)), kind(range(9))]
        for value in values:
            value.extra = "extra"
            assert held(objects, value) == truth(value)

    def test_subclasses_of_builtins(self, objects: Objects) -> None:
        """Attributes of a dict's, string's and exception's subclass."""
        text, error = Text("text"), FailureError(7)
        text.extra = "extra"
        assert held(objects, Mapping()).keys() == {"extra"}
        assert held(objects, text) == truth(text, "extra")
        assert held(objects, error) == truth(error)
        assert held(objects, error).keys() == {"code"}

    def test_instances_of_a_metaclass(self, objects: Objects) -> None:
        """A class made by a metaclass is a class, and its instances are instances."""
        assert held(objects, Made()).keys() == {"made"}
        assert objects.type_of(id(Made)).name == "WithMeta"

    def test_one_by_name(self, objects: Objects) -> None:
        """One attribute is found by its name, 0 stands for none."""
        value = Usual(1, 2)
        assert objects.attribute(id(value), "second") == id(2)
        assert objects.attribute(id(value), "third") == 0


class TestTypes:
    @pytest.mark.parametrize(
        ("value", "name"),
        [
            (1, "int"),
            (None, "NoneType"),
            (Plain(), f"{__name__}.Plain"),
            (collections.OrderedDict(), "collections.OrderedDict"),
            (collections.deque(), "collections.deque"),
            (types.SimpleNamespace(), "types.SimpleNamespace"),
            (ValueError(), "ValueError"),
            (int, "type"),
        ],
    )
    def test_full_names(self, objects: Objects, value: object, name: str) -> None:
        """A type is named with its module, save for builtins."""
        assert objects.type_of(id(value)).full_name == name

    def test_local_classes(self, objects: Objects) -> None:
        """A class inside of a function is named by its qualified name."""

        class Local:
            pass

        assert objects.type_of(id(Local())).name.endswith("test_local_classes.<locals>.Local")

    def test_is_a(self, objects: Objects) -> None:
        """Whether a type derives from a builtin one."""
        assert objects.is_a(objects.type_of(id(Number(1))), int)
        assert not objects.is_a(objects.type_of(id("x")), int)


class TestContainers:
    @pytest.mark.parametrize("size", [0, 1, 5, 8, 9, 200, 70_000])
    def test_dicts_of_any_size(self, objects: Objects, size: int) -> None:
        """Keys and values come in order, up to the limit, whatever the size of the index."""
        for value in ({n: str(n) for n in range(size)}, {str(n): n for n in range(size)}):
            pairs = [(id(key), id(item)) for key, item in list(value.items())[:MAX_SLOTS]]
            assert list(objects.dict_items(id(value))) == pairs
            assert objects.dict_size(id(value)) == size

    def test_a_dict_of_deleted_entries(self, objects: Objects) -> None:
        """A dict of very many deleted entries costs no more than the limit of slots."""
        value = dict.fromkeys(range(300_000))
        for number in range(299_999):
            del value[number]
        assert len(list(objects.dict_items(id(value)))) <= 1
        assert objects.dict_size(id(value)) == 1

    @pytest.mark.parametrize("size", [0, 1, 4, 5, 100, 5000])
    def test_sets(self, objects: Objects, size: int) -> None:
        """The items of a set come in the order in which it iterates."""
        for value in (set(range(size)), frozenset(str(n) for n in range(size))):
            found = list(objects.set_items(id(value)))
            assert found == [id(item) for item in value][: len(found)]
            assert objects.set_size(id(value)) == size

    def test_lookup(self, objects: Objects) -> None:
        """A value is found by the string of its key; other keys do no harm."""
        value = {1: "number", "name": "text", ("name",): "tuple"}
        assert objects.lookup(id(value), "name") == id(value["name"])
        assert objects.lookup(id(value), "none") == 0

    def test_texts(self, objects: Objects) -> None:
        """A text is read up to a limit, with its whole length."""
        text = "é€" * 500
        assert objects.text(id(text), 7) == (text[:7], 1000)
        with pytest.raises(MemoryFault):
            objects.text(id(3), 7)

    @pytest.mark.parametrize("shift", [0, 29, 30, 31, 59, 60, 61, 1000, 3900])
    def test_integers(self, objects: Objects, shift: int) -> None:
        """Integers of any number of digits and either sign."""
        for value in ((1 << shift) - 1, 1 << shift, -(1 << shift)):
            assert objects.integer(id(value)) == value
        huge = 1 << 100_000
        assert objects.integer(id(huge)) is None


def test_a_type_that_names_itself(own: LiveMemory, layout: Layout) -> None:
    """A class whose name is of a subclass of str, or that is its own metaclass's, ends."""

    class Name(str):
        __slots__ = ()

    strange = type(Name("Strange"), (), {"__module__": Name("somewhere")})
    assert Objects(own, layout).type_info(id(strange)).name == "Strange"
