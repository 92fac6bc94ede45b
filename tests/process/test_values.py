"""Values read from a frozen process equal their ``repr`` in the process itself."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter, OrderedDict, deque
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bcd.ptrace.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    from tests.process.agreement import Agreement

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

STANDARD = """
D('0')
D('-0.00')
D('1E+3')
D('1E-30')
D('3.14159265358979323846264338327950288419716939937510')
D('Infinity')
D('-Infinity')
D('NaN')
D('-NaN123')
D('sNaN')
D(7) / D(3)
F(1, 3)
F(-22, 7)
F(0)
datetime_(2024, 2, 29)
datetime_(2024, 2, 29, 23, 59, 58)
datetime_(1, 1, 1, 0, 0, 0, 1)
datetime_(2024, 2, 29, tzinfo=utc)
datetime_(2024, 2, 29, 1, 2, 3, 4, tzinfo=HOUR)
datetime_(2024, 10, 27, 2, 30, fold=1)
datetime_(2024, 10, 27, 2, 30, fold=1, tzinfo=NAMED)
datetime_(2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo('UTC'))
SubDate(2024, 1, 2, 3, 4)
date(9999, 12, 31)
time(0)
time(23, 59, 59, 999999)
time(1, 2, tzinfo=HOUR)
time(1, 2, fold=1)
delta()
delta(days=-1, seconds=5)
delta(microseconds=1)
delta(days=999999999)
utc
HOUR
NAMED
timezone(delta(0), 'Z')
zoneinfo.ZoneInfo('Europe/Paris')
uuid.UUID(int=0)
uuid.UUID('12345678-1234-5678-1234-567812345678')
SubUUID(int=5)
Path('/')
Path('.')
Path('')
Path('a')
Path('/usr/lib')
Path('/usr//lib/./x/')
Path('//two/slashes')
Path('///three')
Path('a', '/b', 'c')
Path('a', '', 'c')
Path('a') / 'b' / 'c'
Path('é/\\udcff')
used_path()
joined_path()
parent_path()
PurePath('x', 'y')
PureWindowsPath('c:/x')
SubPath('/s')
[Path('/a'), Path('b')]
ip('127.0.0.1')
ip('0.0.0.0')
ip('::')
ip('::1')
ip('2001:db8::1')
ip('2001:0:0:1::2')
ip('1:0:2:3:4:5:6:7')
ip('0:0:1:0:0:0:2:0')
ip('::ffff:1.2.3.4')
ip('::1.2.3.4')
ip('fe80::1%eth0')
net('10.0.0.0/8')
net('2001:db8::/32')
net('1.2.3.4')
ipaddress.ip_interface('10.1.2.3/8')
ipaddress.ip_interface('2001:db8::1/64')
deque()
deque([1, 'two', [3]])
deque(range(50))
deque([1], 0)
deque([1, 2, 3], maxlen=2)
rotated()
deque_cycle()
SubDeque([1])
OrderedDict()
OrderedDict(a=1, b=[2])
OrderedDict(a=1).keys()
moved()
moved().keys()
moved().values()
moved().items()
SubOrdered(a=1)
defaultdict(list)
defaultdict(list, a=[1])
defaultdict(None, {1: 2})
defaultdict(int, Counter('ab'))
Counter()
Counter('mississippi')
Counter(a=-1, b=0, c=5)
Counter({'x': 1.5, 'y': 2})
ChainMap()
ChainMap({'a': 1}, {'b': ChainMap({})})
types.MappingProxyType({'a': 1})
namespace()
namespace(a=1, b=namespace(c='x'))
SubNamespace(a=1)
SubSet([1])
{'a': 1}.keys()
{'a': 1, 'b': [2]}.values()
{'a': 1, 'b': {3: 4}}.items()
{}.keys()
array.array('i')
array.array('i', [1, -2, 3])
array.array('d', [1.5, float('inf')])
array.array('B', b'abc')
array.array('l', [2**40])
array.array('Q', [2**64 - 1])
array.array('f', [0.5])
array.array('u', 'text')
re.compile('a+')
re.compile('')
re.compile(b'a')
re.compile('a', re.I)
re.compile('a', re.I | re.M | re.S | re.X)
re.compile('a', re.A)
re.compile(b'a', re.L)
re.compile("it's")
re.compile('x' * 300)
re.match('a(b)?', 'abc')
re.search('b', 'abc')
re.search(b'b+', b'abbc')
re.search('€', 'x€')
re.match('', 'x')
re.match('.*', 'long' * 30)
Permission.READ
Permission.READ | Permission.WRITE
Permission(0)
~Permission.READ
Mask.A | Mask.B
Mask(0)
Mask(8)
Outer.Kind.A
http.HTTPStatus.NOT_FOUND
signal.SIGTERM
re.IGNORECASE
re.IGNORECASE | re.DOTALL
socket_kind()
Color
Permission
enum.Enum
Account('Ada')
Account('Ada', 1.5, 3)
Position(1)
Position(1, Position(2, [3]))
Deep('x', inner=Account('y'))
ValueError()
ValueError('x')
ValueError('x', 2)
KeyError(('a',))
OSError(2, 'No such file', 'name')
UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')
StopIteration(5)
SystemExit(3)
ExceptionGroup('two', [ValueError(1), KeyError('k')])
failure('x')
failure()
bare
slotted
object()
[bare]
outer.method
Outer.made
Outer.still
outer.still
len
[].append
{}.get
dict.fromkeys
'x'.join
math.sin
operator.itemgetter
list.append
int.__add__
int.real
int.__doc__
slotted_member()
property()
classmethod(int)
staticmethod(len)
partial(len)
partial(print, 1, 'two', sep='')
partial(partial(int, '5'), base=8)
memoryview(b'x')
kept
dead
weakref.ref(Bare)
weakref.ref(function)
weakref.WeakValueDictionary()
weakref.WeakKeyDictionary()
weakref.WeakSet()
iter([])
iter(())
iter({})
iter(range(3))
iter('x')
iter({1})
zip()
enumerate([])
map(int, [])
reversed([])
itertools.count
io.StringIO('x')
io.BytesIO(b'x')
text_file()
byte_file()
byte_file('wb')
byte_file('r+b')
raw_file()
raw_file('wb')
raw_file('ab')
sys
re
math
types
zoneinfo
__import__('encodings.utf_8')
__import__('__main__')
types.ModuleType('made')
typing.TypeVar('T', bound=int)
typing.TypeVar('T', covariant=True)
typing.ParamSpec('P')
[typing.TypeVar('T', contravariant=True)]
contextvars.ContextVar('plain')
contextvars.ContextVar('with_default', default=[1])
contextvars.copy_context()
list[int]
dict[str, list[int]]
tuple[int, ...]
tuple[()]
list[Account]
collections.deque[int]
int | None
int | str | list[int]
threading.Lock()
locked(threading.Lock())
threading.RLock()
locked(threading.RLock())
locked(threading.RLock(), 3)
event(False)
event(True)
threading.Condition()
threading.Condition(threading.Lock())
threading.Semaphore(3)
threading.BoundedSemaphore(2)
threading.Barrier(3)
threading.current_thread()
thread(False)
thread(False, True)
thread(True)
thread(True, keep=True)
thread(True, True, keep=True)
queue.Queue
asyncio.Event()
asyncio_event()
asyncio.Lock()
asyncio_locked()
asyncio.Semaphore(3)
asyncio.Semaphore(0)
asyncio.Condition()
asyncio_queue()
asyncio_queue(1, 'x', maxsize=5)
asyncio.LifoQueue()
future()
future(result=[1])
future(error=ValueError('x'))
future(cancel=True)
task(sleeper(), 'never', 0)
function.__code__
Outer.method.__code__
sys._getframe()
""".strip().split("\n")

SECRETS = Redactor()


def is_open(text: str) -> bool:
    """Whether a text is none that is redacted: neither names a secret nor has a login in it.

    Hypothesis tries words that it finds in the code around.
    """
    return "@" not in text and not SECRETS.is_secret(text)


texts = st.text(max_size=30).filter(is_open)
binaries = st.binary(max_size=30).filter(lambda raw: is_open(raw.decode("latin-1")))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats()
    | st.complex_numbers()
    | texts
    | binaries
    | binaries.map(bytearray)
)
hashables = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | binaries,
    lambda inner: st.tuples(inner) | st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=5,
)
moments = (
    st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False)
    | st.dates()
    | st.times()
    | st.timedeltas()
)
addresses = st.ip_addresses() | st.ip_addresses(network="10.0.0.0/8").map(ipaddress.ip_network)
standard = (
    moments
    | addresses
    | st.decimals()
    | st.fractions()
    | st.uuids()
    | st.lists(st.text("ab/.é", max_size=4), max_size=4).map(lambda parts: PurePosixPath(*parts))
    | st.dictionaries(texts, st.integers(), max_size=5).map(Counter)
)
values = st.recursive(
    scalars | standard,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.lists(inner, max_size=6).map(deque)
        | st.lists(inner, max_size=6).map(lambda held: deque(held, 3))
        | st.dictionaries(hashables, inner, max_size=5).map(OrderedDict)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashables, inner, max_size=5)
        | st.sets(hashables, max_size=6)
        | st.frozensets(hashables, max_size=6)
    ),
    max_leaves=6,
)


def compare(kind: str, expressions: list[str], run_target: Run, agreement: Agreement) -> None:
    """Compare values with what ``type`` and ``repr`` say of them in the process itself."""
    (traced,) = run_target("values.py", stdin=json.dumps(expressions))
    (error,) = traced.snapshot["exception"]["list"]
    _, *shown = error["frames"][-1]["locals"]
    agreement.variables(kind, traced.truth, shown, expressions)
    assert agreement.differences == []


class TestValues:
    def test_standard_library(self, run_target: Run, agreement: Agreement) -> None:
        """Each value of the standard library's types is its repr."""
        compare("standard values", STANDARD, run_target, agreement)

    def test_equal_repr(self, run_target: Run, agreement: Agreement) -> None:
        """Each value of a builtin type, named tuple, enumeration or class is its repr."""
        compare("builtin values", EXPRESSIONS, run_target, agreement)

    def test_generators(self, run_target: Run, agreement: Agreement) -> None:
        """Generators, coroutines and asynchronous generators say where each of them stands."""
        (traced,) = run_target("generators.py")
        frames = traced.snapshot["threads"][0]["frames"]
        (main,) = [frame for frame in frames if frame["function"] == "main"]
        shown = {variable["name"]: variable["value"] for variable in main["locals"]}
        agreement.told("generators", dict(traced.truth), shown)
        assert agreement.differences == []
        states = {text.rpartition(", ")[2].partition(" at line")[0] for _, text in traced.truth}
        assert states == {"finished>", "not started>", "running>", "suspended"}

    @settings(
        max_examples=4,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(given_values=st.lists(values, min_size=30, max_size=60))
    def test_any_value_equals_repr(
        self, run_target: Run, agreement: Agreement, given_values: list[object]
    ) -> None:
        """Generated, nested values of builtin and library types are read as what they are."""
        expressions = [repr(value) for value in given_values]
        compare("generated values", expressions, run_target, agreement)
