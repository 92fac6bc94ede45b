"""Values that are endless, lie about themselves, or are no values at all: a text, never harm."""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import random
import types
from typing import TYPE_CHECKING, Any

import pytest

from bcd.ptrace.library import _GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.ptrace.target import Target

    Shown = Callable[..., str]

MANY = 100_000


class Holder:
    """Holds one other."""

    def __init__(self, held: object) -> None:
        self.held = held


def _named() -> Iterator[str]:
    for group in sorted(set(_GROUPS.values())):
        module = importlib.import_module(f"bcd.ptrace.library.{group}")
        yield from getattr(module, "REPRS", {})
        yield from getattr(module, "FIELDS", {})
        yield from getattr(module, "MADE_IN_C", {})


def _in_itself(kind: str) -> Any:
    held: Any = {
        "deque": collections.deque(),
        "dict": collections.OrderedDict(),
        "default": collections.defaultdict(list),
        "namespace": types.SimpleNamespace(),
        "error": ValueError(),
        "chain": collections.ChainMap(),
        "partial": functools.partial(print),
        "holder": Holder(None),
    }[kind]
    if kind == "deque":
        held.append(held)
    elif kind in ("dict", "default", "chain"):
        held["self"] = held
    elif kind == "error":
        held.args = (held,)
    elif kind == "partial":
        held.__setstate__((print, (held,), {}, {}))
    else:
        held.held = held
    return held


WRAPPERS: list[Callable[[Any], object]] = [
    lambda inner: collections.deque([inner]),
    lambda inner: collections.OrderedDict(inner=inner),
    lambda inner: collections.defaultdict(None, inner=inner),
    lambda inner: collections.ChainMap({"inner": inner}),
    lambda inner: types.SimpleNamespace(inner=inner),
    lambda inner: types.MappingProxyType({"inner": inner}),
    lambda inner: {"inner": inner}.values(),
    lambda inner: functools.partial(print, inner),
    ValueError,
    staticmethod,
    lambda inner: slice(inner, None),
    types.CellType,
    lambda inner: types.GenericAlias(list, (inner,)),
    Holder,
]


class TestEndless:
    @pytest.mark.parametrize("wrap", WRAPPERS)
    def test_deep(self, target: Callable[..., Target], wrap: Callable[[Any], object]) -> None:
        """A hundred thousand of any kind in each other are shown so deep, and cut."""
        value: object = 0
        kept = []  # taken apart from the outside in: C's own recursion is not the subject
        for _ in range(MANY):
            value = wrap(value)
            kept.append(value)
        entry = target().renderer.variable("value", id(value))
        assert len(str(entry["value"])) < 2000
        assert entry["truncated"] is True
        assert "unreadable" not in str(entry["value"])
        del value
        while kept:
            kept.pop()

    @pytest.mark.parametrize(
        "kind", ["deque", "dict", "default", "namespace", "error", "chain", "partial", "holder"]
    )
    def test_cycles(self, shown: Shown, kind: str) -> None:
        """What holds itself ends in dots."""
        value = _in_itself(kind)
        text = shown(value, depth=50)
        assert "..." in text
        assert len(text) < 500

    @pytest.mark.parametrize(
        "value",
        [
            [0] * 5_000_000,
            collections.deque(range(1_000_000)),
            dict.fromkeys(range(300_000)).keys(),
            collections.Counter(range(300_000)),
            collections.OrderedDict.fromkeys(range(300_000)),
            collections.ChainMap(*[{}] * 100_000),
            types.SimpleNamespace(**{f"a{n}": n for n in range(50_000)}),
            functools.partial(print, *range(100_000)),
            ValueError(*range(100_000)),
            types.GenericAlias(list, tuple(range(100_000))),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_large(self, target: Callable[..., Target], value: object) -> None:
        """Of a large value so many items are shown, how many more there are, and that it is cut."""
        made = target(values=100)
        entry = made.renderer.variable("value", id(value))
        assert " more" in str(entry["value"])
        assert len(str(entry["value"])) < 1100
        assert entry["truncated"] is True

    def test_mostly_deleted(self, shown: Shown) -> None:
        """What has 300,000 deleted entries is looked at only so far."""
        for value in (
            collections.OrderedDict.fromkeys(range(300_000)),
            collections.defaultdict(int, dict.fromkeys(range(300_000))),
        ):
            for number in range(299_999):
                del value[number]
            assert len(shown(value)) < 100


class TestLies:
    def test_false_names(self, shown: Shown) -> None:
        """A class that calls itself as one of a library is shown by what it holds."""
        for name in _named():
            module, _, qualname = name.rpartition(".")
            kind = type("Fake", (), {"__module__": module or "builtins", "__slots__": ("held",)})
            kind.__qualname__ = qualname
            value: Any = kind()
            value.held = [7]
            text = shown([value])
            assert "unreadable" not in text, name
            assert len(text) < 300, name

    def test_false_attributes(self, shown: Shown) -> None:
        """Attributes that are not what their class keeps there cost nothing else."""
        for name in _named():
            module, _, qualname = name.rpartition(".")
            kind = type("Fake", (), {"__module__": module or "builtins"})
            kind.__qualname__ = qualname
            value: Any = kind()
            names = ("_ip", "maps", "_str", "_mgr", "scope", "environ", "_lock", "_value", "model")
            vars(value).update(dict.fromkeys(names, object()))
            assert "unreadable" not in shown([value]), name

    def test_false_answers(self, shown: Shown) -> None:
        """Neither ``__class__`` nor ``__len__`` nor any other method is asked."""

        class Liar(list[int]):
            @property  # type: ignore[misc]
            def __class__(self) -> Any:
                raise SystemExit

            def __len__(self) -> int:
                raise SystemExit

            __iter__ = __getitem__ = __repr__ = __len__  # type: ignore[assignment]

        assert shown(Liar([1, 2])).endswith("Liar([1, 2])")

    def test_own_repr(self, shown: Shown) -> None:
        """A class with a ``__repr__`` of its own is shown by what it holds, whatever its base."""

        class Own(collections.deque[int]):
            def __repr__(self) -> str:
                raise SystemExit

        text = shown(Own([1]))
        assert text.startswith("<")
        assert "Own object at" in text


class TestGarbage:
    def test_any_address(self, target: Callable[..., Target]) -> None:
        """Whatever stands at an address, there is a text for it, bounded."""
        chance = random.Random(7)  # noqa: S311 - the same addresses each time
        live = [[n, str(n), {n: n}, Holder(n)] for n in range(50)]
        for _ in range(400):
            address = id(chance.choice(live)) + 8 * chance.randrange(-64, 64)
            with contextlib.suppress(OverflowError):
                entry = target(values=5000).renderer.variable("value", address)
                assert len(str(entry["value"])) < 1200

    def test_freed(self, target: Callable[..., Target]) -> None:
        """An object that is gone is shown as what is there now, or as unreadable."""
        for _ in range(50):
            address = id(collections.OrderedDict(a=Holder(1)))
            entry = target().renderer.variable("value", address)
            assert isinstance(entry["value"], str)
