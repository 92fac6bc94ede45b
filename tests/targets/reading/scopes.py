"""Errors in every kind of scope that Python has, in one group; odd layout on purpose."""

import contextlib
import dataclasses
import functools
import importlib
import itertools
import linecache
import marshal
import operator
import os
import py_compile
import re
import runpy
import sys
import types
import zipfile

import truth

import bcd

FOLDER = os.path.join(os.path.dirname(sys.argv[1]), "größe 日本")
os.makedirs(FOLDER)


def file(name, source, encoding="utf-8"):
    path = os.path.join(FOLDER, name)
    with open(path, "w", encoding=encoding, newline="") as out:
        out.write(source)
    os.utime(path, (0, 0))
    return path


def run_file(name, source, encoding="utf-8"):
    path = file(name, source, encoding)
    del source  # too long to be shown
    with open(path, "rb") as code:
        exec(compile(code.read(), path, "exec"), {"__name__": name})


# Functions and their variables


def deleted_cell():
    value, other = [1], [2]

    def inner():
        return value, other

    del value
    inner()


def cell_deleted_within():
    held = 3

    def inner(argument):
        nonlocal held
        own = held
        del held
        return argument, own, held

    inner([])


def deep_closures():
    a = 1

    def second(b):
        c = a + b

        def third():
            nonlocal c
            c += 1

            def fourth(d=c):
                e = [a, b, c, d]
                return (lambda f: f / (a - 1))(e[0])

            return fourth()

        return third()

    second(2)


def cells_made_before_the_first_line(first, second, *third, fourth=4, **fifth):
    return (lambda: (first, second, third, fourth, fifth, 1 / 0))()


def many_variables():
    names = "".join(f"    v{n} = {n}\n" for n in range(1000))
    source = [f"def many():\n{names}    v0 / 0\nmany()\n"]
    del names
    run_file("many.py", source.pop())


def keywords_only(*, a, b=None, **rest):
    rest["added"] = a
    raise LookupError(b)


def defaults(a=1, /, b=(2,), *c, d="d"):
    assert not a, (b, c, d)


def very_long_line():
    run_file("long.py", "x = [" + "1, " * 3000 + "]; y = {'k': 2}; z = x[1] / (y['k'] - 2)\n")


def many_lines():
    run_file("lines.py", "\n" * 70000 + "value = (\n" + "\n" * 300 + "1 /\n" + "\n" * 500 + "0)\n")


# Comprehensions, generators


def comprehension_at_module_level():
    run_file("comprehended.py", "item = 'outer'\nkept = [1 / item for item in (1, 0)]\n")


def comprehension_in_class_body():
    class Body:
        item = "outer"
        data = (2, 0)
        divided = [4 // item for item in data]


def nested_comprehensions_with_cells():
    outer = 7
    return [[(lambda: x + y + outer / z)() for z in (1, 0)] for x in (1, 2) for y in {x: 3}]


def set_and_dict_comprehension():
    return {key: {1 % part for part in parts} for key, parts in {"a": (1,), "b": (0,)}.items()}


def walrus_in_comprehension():
    return [last for number in (3, 0) if (last := 6 // number)]


def generator_in_generator():
    def numbers(stop):
        yield from (10 / (stop - n) for n in range(5))

    def doubled(source):
        for number in source:
            yield 2 * number

    return [*map(str, doubled(numbers(3)))]


def generator_closed_with_error():
    def stubborn():
        try:
            yield "first"
        except GeneratorExit:
            cleaned = "cleaned"
            raise RuntimeError(cleaned)

    started = stubborn()
    next(started)
    started.close()


def generator_stop_iteration():
    def stops():
        yield next(iter([]))

    return list(stops())


def running_generator():
    def itself():
        yield next(running)

    running = itself()
    next(running)


# Coroutines without a loop


def asynchronous(function):
    @functools.wraps(function)
    def run():
        function().send(None)

    return run


@asynchronous
async def asynchronous_generator():
    async def produce(limit):
        for number in range(limit):
            yield number
        raise ValueError("exhausted")

    kept = [item async for item in produce(2)]


@asynchronous
async def asynchronous_comprehension():
    async def half(number):
        return 1 / number

    return {n: await half(n) for n in (1, 0)}


@asynchronous
async def asynchronous_with():
    @contextlib.asynccontextmanager
    async def managed(name):
        try:
            yield name
        finally:
            done = "done"

    async with managed("a") as first, managed("b") as second:
        raise ValueError(first, second)


@asynchronous
async def thrown_into_asynchronous_generator():
    async def waits():
        received = yield 1

    started = waits()
    await anext(started)
    await started.athrow(LookupError("thrown in"))


@asynchronous
async def awaitable_object():
    class Awaitable:
        def __await__(self):
            self.entered = True
            yield from (1 / n for n in (0,))

    await Awaitable()


# Statements


def exception_group():
    try:
        raise ExceptionGroup("group", [ValueError(1), ExceptionGroup("in", [KeyError(2)]), OSError(3)])
    except* ValueError as first:
        kept = first.exceptions
        raise LookupError("first") from first
    except* KeyError as second:
        1 / 0


def exception_group_unhandled():
    try:
        raise ExceptionGroup("group", [ValueError(1), TypeError("t")])
    except* ValueError:
        seen = True


def in_else_of_try():
    try:
        fine = 1
    except ValueError:
        never = 2
    else:
        raise ValueError(fine)
    finally:
        last = 3


def return_in_finally_of_callee():
    def swallow():
        try:
            1 / 0
        except ZeroDivisionError as error:
            kept = error
            return kept

    raise swallow()


def exit_raises():
    class Manager:
        def __enter__(self):
            return self

        def __exit__(self, kind, value, traceback):
            raise RuntimeError("in exit")

    with Manager() as manager:
        raise ValueError("in body")


def matching():
    @dataclasses.dataclass
    class Point:
        x: int
        y: object

    for subject in (Point(1, [2, 3]), {"k": [1, 2, 3]}, 5):
        match subject:
            case Point(x=1, y=[first, *others]):
                seen = first
            case {"k": [_, *tail], **rest} if tail:
                matched = rest
            case int(number) | float(number):
                raise ValueError(number)


def match_on_raising_property():
    class Odd:
        __match_args__ = ("value",)

        @property
        def value(self):
            return 1 / 0

    match Odd():
        case Odd(value):
            return value


def formatted():
    class Odd:
        def __format__(self, spec):
            raise ValueError(spec)

    odd = Odd()
    return f"{1 + 1!r:>4} {odd:x>3}"


def with_many_parts(): a = 1; b = 0; return (a
    if a else b) + [a, b][
        a // b
    ]


def while_walrus():
    queue = [3, 2, 1]
    while (item := queue.pop()):
        kept = item


def star_expressions():
    first, *rest = "abc"
    return dict(**{"a": 1}, **{"a": first}), rest


def unpacking():
    (a, b), c = [1, 2], 3
    d, e = a, b, c


def assertion_with_message():
    value = {"k": 1}
    assert value["k"] == 2, f"not {value}"


def global_and_nonlocal():
    run_file("globals.py", "count = 1\ndef change():\n  global count\n  count += 1\n  own = 2\n  del count\n  count\nchange()\n")


def chained_comparison():
    return 1 < 2 < "3" < 4


def implicit_str():
    class Odd:
        def __bool__(self): raise ValueError("no truth")

        def __eq__(self, other): return Odd()

    if Odd() == 3: never = 1


# Classes


def metaclass():
    class Meta(type):
        def __new__(meta, name, bases, space, **options):
            made = super().__new__(meta, name, bases, space)
            raise TypeError(name)

    class Made(metaclass=Meta, option=1):
        attribute = 2


def class_hooks():
    class Base:
        def __init_subclass__(cls, /, given, **rest):
            raise ValueError(given)

    class Derived(Base, given=7):
        pass


def set_name():
    class Descriptor:
        def __set_name__(self, owner, name):
            raise LookupError(name)

    class Holder:
        attribute = Descriptor()


def nested_class_bodies():
    level = 0

    class Outer:
        level = 1

        class Middle:
            level = 2
            kept = level

            class Inner:
                nonlocal level
                raise ValueError(level)


def property_and_getattr():
    class Odd:
        @property
        def attribute(self):
            raise AttributeError("in property")

        def __getattr__(self, name):
            missing = name * 2
            raise AttributeError(missing)

    return Odd().attribute


def dataclass_post_init():
    @dataclasses.dataclass(frozen=True, slots=True)
    class Frozen:
        a: int
        b: list = dataclasses.field(default_factory=list)

        def __post_init__(self):
            self.a = 3

    Frozen(1)


def dataclass_generated():
    class Odd:
        def __eq__(self, other):
            return 1 / 0

    @dataclasses.dataclass(order=True)
    class Pair:
        a: object

    return Pair(Odd()) == Pair(Odd())


def cached():
    class Holder:
        @functools.cached_property
        def value(self):
            return {}["cached"]

    return Holder().value


def single_dispatch():
    @functools.singledispatch
    def shown(argument):
        raise TypeError(argument)

    @shown.register
    def _(argument: int):
        return [][argument]

    return shown(3)


def slots_and_weak():
    class Slotted:
        __slots__ = ("a", "__weakref__")

        def __init__(self):
            self.a = 1
            return self.b

    Slotted()


def super_chain():
    class A:
        def run(self): raise ValueError("A")

    class B(A):
        def run(self): return super().run()

    class C(B):
        def run(self): return super(C, self).run()

    C().run()


def deep_qualname():
    class A:
        class B:
            def method(self):
                def inner():
                    class C:
                        run = lambda self: 1 / 0
                    return C().run()
                return inner()

    A.B().method()


# Called by C


def through_c():
    def fails(*args):
        return operator.truediv(*args)

    return list(itertools.starmap(functools.partial(fails, 1), [(1,), (0,)]))


def reduce_and_sub():
    def replace(match):
        return functools.reduce(lambda a, b: a / b, [1, int(match[0])])

    return re.sub("[0-9]", replace, "a1b0")


def sort_and_compare():
    class Odd:
        def __lt__(self, other):
            raise TypeError("not in order")

    return sorted([Odd(), Odd()])


def hash_in_dict():
    class Odd:
        def __hash__(self):
            return 1 / 0

    return {Odd(): 1}


def del_and_iter():
    class Odd:
        def __iter__(self): return self

        def __next__(self): return [].pop()

    return sum(Odd())


def codec_error_handler():
    import codecs

    def handler(error):
        raise ValueError(error.start)

    codecs.register_error("odd", handler)
    return "é".encode("ascii", "odd")


def importing():
    file("broken_module_of_ours.py", "x = 1\ndef call(a):\n    return 1 / a\ncall(0)\n")
    sys.path.insert(0, FOLDER)
    import broken_module_of_ours


def run_by_runpy():
    runpy.run_path(file("run.py", "import sys\nname = __name__\nraise SystemExit(name)\n"))


# Code made by code


def in_linecache():
    source = "def made(a):\n    b = a\n    return b / 0\nmade(1)\n"
    linecache.cache["<made 1>"] = (len(source), None, source.splitlines(True), "<made 1>")
    exec(compile(source, "<made 1>", "exec"), {"__name__": "made"})


def in_linecache_like_a_file():
    source = "value = 'é € 😀'\nvalue / 0\n"
    name = "/no/such/file-1234.py"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), {"__name__": "made"})


def not_in_linecache():
    exec("def made(a):\n    return a / 0\nmade(1)", {"__name__": "nowhere"})


def nested_exec():
    exec("a = 1\nexec('b = 2\\nb / 0')")


def exec_with_closure():
    n = 4

    def uses():
        return n

    code = (lambda: n / 0).__code__
    exec(code, {"__name__": "with closure"}, closure=uses.__closure__)


def evaluated_lambda():
    return eval("(lambda q: [q for w in (0,) if q / w])(1)", {"__name__": "evaluated"})


def without_line_table():
    code = (lambda a: a / 0).__code__
    types.FunctionType(code.replace(co_linetable=b""), {})(1)


def renamed_code():
    code = (lambda a: a / 0).__code__
    changed = code.replace(co_name="näme", co_qualname="Ä.b", co_filename="dir/ätherisch.py", co_firstlineno=7)
    types.FunctionType(changed, {})(1)


def odd_names():
    code = compile("def f(a):\n b = 1\n raise ValueError(b)\nf(0)", "\udc80/\ud800.py", "exec")
    exec(code, {"__name__": "\udc81"})


def odd_variables():
    space = {"no name": 1, "\ud800": 2, "": 3, "日本": 4, "a" * 300: 5}
    exec("x = 1; x / 0", {}, space)


def own_mapping():
    class Space(dict):
        def __missing__(self, key):
            return {"one": 1, "zero": 0}[key]

    exec("held = one\nheld / zero", {}, Space())


def compiled_only():
    source = file("only_compiled.py", "def f(a):\n    b = [a]\n    return b[a]\nf(1)\n")
    py_compile.compile(source, os.path.join(FOLDER, "bare", "only_compiled.pyc"), doraise=True)
    os.unlink(source)
    sys.path.insert(0, os.path.join(FOLDER, "bare"))
    importlib.import_module("only_compiled")


def in_archive():
    archive = os.path.join(FOLDER, "archive.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("packed/__init__.py", "")
        out.writestr("packed/inner.py", "# é\ndef f(a):\n    # before\n    return 1 / a\n\nf(0)\n")
    os.utime(archive, (0, 0))
    sys.path.insert(0, archive)
    importlib.import_module("packed.inner")


def in_application_archive():
    archive = os.path.join(FOLDER, "app.pyz")
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("__main__.py", "import sys\nplace = __file__\n{}[place]\n")
    os.utime(archive, (0, 0))
    runpy.run_path(archive, run_name="__main__")


def marshalled():
    code = compile("def f(a): return 1 / a\nf(0)", file("m.py", "def f(a): return 1 / a\nf(0)"), "exec")
    exec(marshal.loads(marshal.dumps(code)), {"__name__": "marshalled"})


def other_encoding():
    run_file("latin.py", "# -*- coding: latin-1 -*-\nä = 'größe'; ä / 0\n", encoding="latin-1")


def with_byte_order_mark():
    run_file("marked.py", "\ufeffx = 'é'; x / 0\n")


def carriage_returns():
    run_file("dos.py", "x = 1\r\ny = 0\r\nx / y\r\n")
    

def old_line_ends():
    run_file("old.py", "x = 1\ry = 0\rx / y\r")


def form_feeds():
    run_file("feeds.py", "x = 1\n\x0c\ny = 0  # a\x0bb\x1c\u2028\nx / y  # \x0c end\n")


def without_last_line_end():
    run_file("last.py", "x = 1\n\tx / 0" .replace("\t", ""))


def removed_file():
    path = file("removed.py", "x = 1\nx / 0\n")
    code = compile("x = 1\nx / 0\n", path, "exec")
    os.unlink(path)
    exec(code, {"__name__": "removed"})


def relative_name():
    before = os.getcwd()
    file("relative.py", "x = 1\nx / 0\n")
    exec(compile("x = 1\nx / 0\n", "relative.py", "exec"), {"__name__": "relative"})


# Decorators


def decorated_by_wrapt():
    import wrapt

    @wrapt.decorator
    def passes(wrapped, instance, args, kwargs):
        counted = len(args)
        return wrapped(*args, **kwargs)

    class Service:
        @passes
        @classmethod
        @passes
        def run(cls, value):
            return value / 0

        @passes
        def method(self, value):
            return self.run(value)

    Service().method(3)


def proxied_by_wrapt():
    import wrapt

    held = wrapt.ObjectProxy([1, 2])
    called = wrapt.FunctionWrapper(lambda item: item[5], lambda wrapped, instance, args, kwargs: wrapped(*args))
    return called(held)


def exit_stack():
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: 1 / 0)
        stack.enter_context(contextlib.suppress(KeyError))
        stack.push(lambda *error: [][3])
        raise ValueError("in stack")


def wrapped_by_functools():
    @functools.lru_cache(maxsize=2)
    @contextlib.contextmanager
    def managed():
        yield 1 / 0

    with managed():
        pass


def recursion_in_two():
    def even(n):
        return odd(n - 1) if n else 1 / n

    def odd(n):
        return even(n - 1)

    even(100)


def too_deep():
    def forever(n):
        return forever(n + 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        forever(0)
    finally:
        sys.setrecursionlimit(limit)


def too_deep_in_c():
    class Odd:
        def __repr__(self):
            return repr([self])

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(150)
    try:
        repr(Odd())
    finally:
        sys.setrecursionlimit(limit)


# Grammar of later versions

SINCE_312 = """
def generic[T: 1 / 0](argument: T) -> T:
    raise ValueError(generic.__type_params__[0].__bound__)

def bound():
    generic(1)

def default(a=3):
    def inner[T](b=a, *, c: T = 1 / 0): ...

class Generic[T]:
    held = T
    def method[U](self, given: U):
        own = U
        raise ValueError(T.__name__)

def method():
    Generic().method(1)

def body():
    outer = 1
    class Inner[T](list[T]):
        x = outer
        raise ValueError(x)

def alias():
    given = 0
    type Lazy[T] = 1 / given
    return Lazy.__value__

def nested_quotes():
    x = {"a": 0}
    return f"{1 / x["a"]}"
SCENARIOS = [bound, default, method, body, alias, nested_quotes]
"""
SINCE_313 = """
def default():
    given = 0
    type Lazy[T = 1 / given] = T
    return Lazy.__type_params__[0].__default__
SCENARIOS = [default]
"""
SINCE_314 = """
def annotations():
    local = 0
    def function(a: 1 / local, b: str = "b"): ...
    return function.__annotations__

def of_class():
    zero = 0
    class Annotated:
        one = 1
        if one:
            x: one / zero
    return Annotated.__annotations__

def executed():
    space = {"__name__": "executed"}
    exec("x: 1 / 0", space)
    return space["__annotate__"](1)

def template():
    x = 0
    return t"{x} {1 / x}"

def unparenthesized():
    try:
        1 / 0
    except ValueError, ZeroDivisionError:
        raise LookupError
SCENARIOS = [annotations, of_class, executed, template, unparenthesized]
"""


def later_grammar():
    """Of this version: each in a file of its own, as they are compiled."""
    for since, source in ((12, SINCE_312), (13, SINCE_313), (14, SINCE_314)):
        if sys.version_info >= (3, since):
            space = {"__name__": f"since_{since}"}
            path = file(f"since_{since}.py", source)
            exec(compile(source, path, "exec"), space)
            yield from space["SCENARIOS"]


OWN = ("file", "run_file", "asynchronous", "later_grammar", "scenarios", "given")


def scenarios():
    if "coverage" in sys.argv:
        del globals()["odd_names"]  # it is coverage itself that stumbles over them
    for name, thing in list(globals().items()):
        if isinstance(thing, types.FunctionType) and thing.__module__ == "__main__" and name not in OWN:
            yield thing
    yield from later_grammar()


def given(scenario):
    if scenario in (keywords_only, defaults, cells_made_before_the_first_line):
        return lambda: scenario(a=[1]) if scenario is keywords_only else scenario(1, 2, 3)
    return scenario


truth.observe(*sys.argv[2:])
os.chdir(FOLDER)
found = []
for scenario in [*scenarios()]:
    try:
        given(scenario)()
    except BaseException as error:
        found.append(error.with_traceback(error.__traceback__.tb_next))
    else:
        # Without assertions these two have nothing to raise.
        if __debug__ or scenario not in (defaults, assertion_with_message):
            raise SystemExit(f"{scenario.__name__} raised nothing")

truth.often()
tracer = truth.Recorder(limits=truth.ALL)
group = BaseExceptionGroup("all", found)
tracer.record = lambda: truth.exception_truth(group)
truth.say(tracer, bcd.trace(tracer, group))
