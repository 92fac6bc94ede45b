"""Values as text: what ``repr`` shows, within limits, without running any code."""

from __future__ import annotations

import collections
import functools
import math
import types
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bcd.ptrace.errors import DeadlineReached
from bcd.ptrace.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.ptrace.target import Target

# What is redacted is not shown as it is: names of secrets, and what looks like a login.
SECRETS = Redactor()
texts = st.text().filter(lambda text: "@" not in text and not SECRETS.is_secret(text))
binaries = st.binary().filter(
    lambda raw: b"@" not in raw and not SECRETS.is_secret(raw.decode("latin-1"))
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats()
    | st.complex_numbers()
    | texts
    | st.text(st.characters(categories=["Cs", "Cc", "So", "Lu", "Zs"]))
    | binaries
    | binaries.map(bytearray)
    | st.builds(range, st.integers(), st.integers(), st.integers(1, 9))
    | st.builds(slice, st.integers(), st.none() | st.integers(), st.none())
)
hashables = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | binaries,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=5),
    max_leaves=5,
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(hashables, inner)
        | st.sets(hashables)
        | st.frozensets(hashables)
    ),
)
WIDE = {"items": 100_000, "string": 100_000, "value": 10_000_000, "depth": 1000}


class Hostile:
    def __repr__(self) -> NoReturn:
        raise SystemExit("never to be run")

    __str__ = __repr__

    def __init__(self) -> None:
        self.harmless = 1


@dataclass
class Account:
    owner: str
    balance: float


class TestRepr:
    @settings(max_examples=400, deadline=None)
    @given(value=values)
    def test_any_builtin_value(self, shown: Callable[..., str], value: object) -> None:
        """Whatever builtin value there is, it is shown as repr shows it."""
        expected = repr(value)
        assume(not Redactor()._may_hold(expected))
        assert shown(value, **WIDE) == expected

    @settings(max_examples=100, deadline=None)
    @given(text=st.text(min_size=1), limit=st.integers(1, 40))
    def test_cut_texts(self, shown: Callable[..., str], text: str, limit: int) -> None:
        """A text that is cut shows its beginning, the mark, and how long it is."""
        assume(not Redactor()._may_hold(text))
        result = shown(text, string=limit)
        if len(text) <= limit:
            assert result == repr(text)
        else:
            begin = repr(text[:limit])
            assert result == f"{begin[:-1]}…{begin[-1]} ({len(text):,} characters)"

    def test_nothing_is_run(self, shown: Callable[..., str]) -> None:
        """An object whose repr would end the process is shown by what it holds."""
        assert shown(Hostile()) == "<Hostile harmless=1>"
        assert shown([Hostile()]) == "[<Hostile harmless=1>]"

    def test_instances(self, shown: Callable[..., str]) -> None:
        """Data classes look like their constructor; what holds nothing has its address."""
        assert shown(Account("Ada", 1.5)) == "Account(owner='Ada', balance=1.5)"
        value = object()
        assert shown(value) == repr(value)

    def test_subclasses_of_builtins(self, shown: Callable[..., str]) -> None:
        """A subclass is named around what the builtin shows."""

        class Number(int):
            pass

        assert shown(Number(5)).endswith("Number(5)")
        assert shown(collections.UserDict(a=1)) == "{'a': 1}"
        assert shown(collections.Counter("aab")) == "Counter({'a': 2, 'b': 1})"

    def test_exceptions(self, shown: Callable[..., str]) -> None:
        """An exception in a variable shows its type and arguments."""
        assert shown(ValueError()) == "ValueError()"
        assert shown(ValueError("x")) == "ValueError('x')"
        assert shown(KeyError("x", 2)) == "KeyError('x', 2)"

    def test_attributes_of_exceptions(self, shown: Callable[..., str]) -> None:
        """What an exception was given beside its arguments stands behind them, without notes."""
        error = ValueError("x")
        error.status, error.token = 404, "abcdefgh"  # type: ignore[attr-defined]
        error.add_note("note")
        assert shown(error) == "ValueError('x', status=404, token=[redacted])"

    def test_generators(self, shown: Callable[..., str]) -> None:
        """A generator says where it stands."""

        def steps() -> Iterator[int]:
            yield 1

        made, at = steps(), steps.__code__.co_firstlineno + 1
        where = f"<generator object {steps.__qualname__} at {id(made):#x}"
        assert shown(made) == f"{where}, not started>"
        next(made)
        assert shown(made) == f"{where}, suspended at line {at}>"
        assert not list(made)
        assert shown(made) == f"{where}, finished>"

    def test_members_of_c_types(self, shown: Callable[..., str]) -> None:
        """An object of a C type that nothing knows shows its type, address and members."""
        value = super(Hostile, Hostile())
        text = shown(value)
        assert text.startswith("<super object at ")
        assert shown(memoryview(b"x")).startswith("<memory at ")
        import select

        assert shown(select.epoll(1)).startswith("<select.epoll object at ")

    def test_own_repr_of_data_classes(self, shown: Callable[..., str]) -> None:
        """A data class with a repr of its own is shown by its fields, which is not run."""

        @dataclass(repr=False)
        class Own:
            number: int

            def __repr__(self) -> str:
                raise SystemExit

        assert shown(Own(1)).endswith("Own(number=1)")

    def test_cycles(self, shown: Callable[..., str]) -> None:
        """What holds itself ends in dots, at any distance."""
        value: Any = Account("Ada", 0)
        value.owner = {"account": [value]}
        assert "..." in shown(value, depth=50)
        assert len(shown(value, depth=50)) < 200

    def test_odd_things(self, shown: Callable[..., str]) -> None:
        """Functions, methods, weak references, cells, generators: a text, never a fault."""
        value = Hostile()
        oddities = [
            len,
            [].append,
            value.__init__,  # type: ignore[misc]
            weakref.ref(value),
            functools.partial(len, "x"),
            (letter for letter in "x"),
            property(),
            memoryview(b"x"),
            math,
            type("Made", (), {}),
            vars(Hostile),
            {}.keys(),
            iter([]),
            NotImplemented,
        ]
        for oddity in oddities:
            text = shown(oddity)
            assert text, oddity
            assert "unreadable" not in text, oddity


class TestLimits:
    def test_items(self, target: Callable[..., Target]) -> None:
        """So many items of a container are shown, and how many more there are."""
        for value, more in (([0] * 25, "20 more"), (dict.fromkeys(range(25), 0), "20 more")):
            entry = target(items=5).renderer.variable("value", id(value))
            assert str(entry["value"]).count("0") >= 5
            assert more in str(entry["value"])
            assert entry["truncated"] is True
        exact = [1, 2, 3, 4, 5]
        assert "truncated" not in target(items=5).renderer.variable("value", id(exact))

    def test_slots(self, target: Callable[..., Target]) -> None:
        """So many slots of a container's table are looked at; what is farther counts as more."""
        value = dict.fromkeys(range(300_000))
        for number in range(299_999):
            del value[number]
        entry = target(slots=100).renderer.variable("value", id(value))
        assert entry["value"] == "{… 1 more}"
        assert entry["truncated"] is True
        shown = target(slots=300_000).renderer.variable("value", id(value))
        assert shown["value"] == "{299999: None}"
        numbers = set(range(1000, 1500))
        assert "490 more" in str(
            target(slots=1010).renderer.variable("value", id(numbers))["value"]
        )
        assert "500 more" in str(target(slots=1).renderer.variable("value", id(numbers))["value"])

    def test_depth(self, target: Callable[..., Target]) -> None:
        """Nesting is shown so deep, then a mark; the variable says that it was cut."""
        value = [[[["deep"]]]]
        entry = target(depth=2).renderer.variable("value", id(value))
        assert entry["value"] == "[[[…]]]"
        assert entry["truncated"] is True

    def test_a_very_deep_list(self, shown: Callable[..., str]) -> None:
        """A hundred thousand lists in each other are no recursion error."""
        value: list[Any] = []
        for _ in range(100_000):
            value = [value]
        assert shown(value) == "[[[[…]]]]"
        while value:
            value = value[0]

    def test_long_strings(self, shown: Callable[..., str]) -> None:
        """Of a string of 40 MB only the beginning is read."""
        value = "x" * 40_000_000
        assert shown(value) == f"'{'x' * 200}…' (40,000,000 characters)"

    @pytest.mark.parametrize("value", ["x" * 10_000, b"x" * 10_000, bytearray(10_000)])
    def test_long_limits(self, shown: Callable[..., str], value: object) -> None:
        """A text that the limit lets through is whole, however long the limit is."""
        assert shown(value, string=10_000, value=100_000) == repr(value)

    def test_one_value(self, target: Callable[..., Target]) -> None:
        """The text of one variable is limited, however it comes about."""
        value = [["x" * 50] * 10] * 10
        entry = target(value=100).renderer.variable("value", id(value))
        assert len(str(entry["value"])) <= 110
        assert entry["truncated"] is True

    def test_all_values(self, target: Callable[..., Target]) -> None:
        """After so many values nothing more is rendered."""
        renderer = target(values=3).renderer
        value = [1, 2]
        assert renderer.variable("value", id(value))["value"] == "[1, 2]"
        with pytest.raises(DeadlineReached):
            renderer.variable("value", id(3))

    def test_secrets(self, target: Callable[..., Target]) -> None:
        """A value under a secret name is replaced, at any depth, and learnt."""
        made = target()
        value = {"user": "ada", "password": "hunter2hunter2", "inner": [{"api_key": 12345678}]}
        entry = made.renderer.variable("value", id(value))
        assert entry["value"] == (
            "{'user': 'ada', 'password': [redacted], 'inner': [{'api_key': [redacted]}]}"
        )
        headers = [("Authorization", "Bearer abc"), (b"Cookie", b"x=1")]
        entry = made.renderer.variable("headers", id(headers))
        assert entry["value"] == "[('Authorization', [redacted]), (b'Cookie', [redacted])]"
        for held in (
            [[b"authorization", b"abcdefgh"]],
            [(b"Authorization", b"authorization", b"abcdefgh")],
            {"HTTP_AUTHORIZATION": "abcdefgh", "HTTP_COOKIE": "sid=abcdefgh"},
            collections.OrderedDict(set_cookie="abcdefgh").items(),
            functools.partial(print, auth="abcdefgh"),
            types.SimpleNamespace(api_key="abcdefgh"),
            collections.ChainMap({"session": "abcdefgh"}),
        ):
            text = str(made.renderer.variable("held", id(held))["value"])
            assert "abcdefgh" not in text
            assert "[redacted]" in text
        assert made.renderer.variable("token", id("abc"))["value"] == "[redacted]"
        assert made.redactor.scrub("says hunter2hunter2") == "says [redacted]"
