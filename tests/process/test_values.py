"""Values read from a frozen process equal their ``repr`` in the process itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]

EXPRESSIONS = """
None
True
False
...
NotImplemented
0
1
-1
255
-5
256
257
2**30
2**30 - 1
-2**30
2**31
2**60
2**60 - 1
2**63
-2**64
10**100
-10**100
0.0
-0.0
1.5
-2.25e-300
1e22
1e16
5e-324
inf
-inf
nan
0j
1+2j
-0.0-3.5j
complex(inf, nan)
''
'a'
'plain text'
"it's"
'double "quoted"'
'both \\' and "'
'back\\\\slash'
'line\\nbreak\\ttab\\r\\x00\\x1b\\x7f'
'\\xa0\\xad\\u200b\\u2028\\ufeff'
'é'
'ÿ'
'Ā'
'€uro'
'\\U0001f600 smile'
'\\ud800'
'\\udc80 \\udcff'
'\\ud83d\\ude00'
'a\\ud800\\U0001f600'
'\\U0010ffff'
'x' * 2000
'é' * 2000
'日' * 1000
b''
b'bytes'
b"it's"
b'both \\' and "'
bytes(range(256))
bytearray()
bytearray(b'abc\\x00')
shifted_bytearray()
[]
[1]
[1, 'two', 3.0, None]
[[], [[]], [[[]]]]
()
(1,)
((),)
((1,),)
(1, 2)
('a', ('b', ('c',)))
{}
{1: 2}
{'k': 'v', 2: [3], (4, 5): {6: 7}, None: True}
{'é': '\\ud800', 'it\\'s': "x"}
dict.fromkeys(range(50))
dict(a=1, b=2)
deleted_from_dict()
set()
{1}
{1, 2, 3}
{'a', 'b'}
set_after_discards()
frozenset()
frozenset({1})
frozenset({'x', 'y'})
{frozenset({1, 2})}
range(0)
range(5)
range(2, 9)
range(9, 2, -3)
range(2**70)
slice(None)
slice(1)
slice(1, 2)
slice(None, None, -1)
slice('a', [1], (2,))
list_cycle()
dict_cycle()
tuple_cycle()
pair_cycle()
mixed_cycle()
Point(1, 2)
Point(x=[1], y=Point('a', None))
Pair('left', 'right')
Lonely(1)
Color.RED
Color.GREEN
Color.MIXED
Level.HIGH
Word.HELLO
Flags.ONE
[Color.RED, Level.LOW]
function
local()
Plain.method
Plain.Nested.method
lambda: 0
Plain
Plain.Nested
int
dict
type
object
ValueError
collections.OrderedDict
[int, Plain]
True, False
[True, None, ..., 1, 'x']
{'a': [(1, {2: {3}})]}
[0.1] * 50
""".strip().split("\n")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=30)
    | st.binary(max_size=30)
    | st.binary(max_size=10).map(bytearray)
)
hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.tuples(inner) | st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=5,
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashables, inner, max_size=5)
        | st.sets(hashables, max_size=6)
        | st.frozensets(hashables, max_size=6)
    ),
    max_leaves=6,
)


def differences(expressions: list[str], run_target: Run) -> list[tuple[str, str, str]]:
    """(expression, truth, shown) of the values that are not shown as they are."""
    (traced,) = run_target("values.py", stdin=json.dumps(expressions))
    (error,) = traced.snapshot["exception"]["list"]
    _, *shown = error["frames"][-1]["locals"]
    assert len(shown) == len(expressions)
    pairs = zip(expressions, traced.truth, shown, strict=True)
    return [
        (expression, f"{kind}: {text}", f"{variable['type']}: {variable['value']}")
        for expression, (kind, text), variable in pairs
        if (kind, text) != (variable["type"], variable["value"])
    ]


class TestValues:
    def test_equal_repr(self, run_target: Run) -> None:
        """Each value of a builtin type, named tuple, enumeration or class is its repr."""
        assert differences(EXPRESSIONS, run_target) == []

    @settings(
        max_examples=4,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(given_values=st.lists(values, min_size=20, max_size=40))
    def test_any_builtin_value_equals_repr(
        self, run_target: Run, given_values: list[object]
    ) -> None:
        """Generated, nested values are read as what they are, on every version."""
        assert differences([repr(value) for value in given_values], run_target) == []
