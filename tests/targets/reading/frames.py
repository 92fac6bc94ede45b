"""Frames of all kinds of code, each with its variables; odd layout on purpose."""

import contextlib
import functools

import truth

import bcd

GLOBAL_NUMBER = 12


def positional(first, /, second, *rest, keyword=4, **others):
    local = first + second
    raise ValueError(
        local,
        rest,
    )


def closures(argument):
    cell_of_local = [argument]
    empty_for_now = None
    del empty_for_now

    def inner(own=3):
        nonlocal argument
        argument = argument + own
        return cell_of_local[argument], empty_for_now

    inner()


def argument_is_cell(first, captured, last):
    def use():
        return captured

    middle = use()
    raise ValueError(middle)


def class_body():
    outer = "free"

    class Body:
        attribute = [1, 2]
        captured = outer

        def method(self):
            return __class__

        raise ValueError(attribute)


class Base:
    def run(self, value):
        raise ValueError(value)


class Derived(Base):
    class Nested:
        @staticmethod
        def static(x):
            return 1 / x

    def run(self, value):
        doubled = value * 2
        super().run(doubled)


def method():
    Derived().run(21)


def nested_class():
    Derived.Nested.static(0)


def comprehension():
    data = [3, 2, 1, 0]
    return [12 // item for item in data if item < 10]


def nested_comprehension():
    data = {"a": [1, 0]}
    return {key: [1 // item for item in items] for key, items in data.items()}


def generator_expression():
    data = (1, 0)
    return sum(1 / item for item in data)


def generator():
    def produce(limit):
        for number in range(limit):
            yield number
        raise ValueError("exhausted")

    def delegate(limit):
        result = yield from produce(limit)
        return result

    collected = []
    for item in delegate(2):
        collected.append(item)


def thrown_into_generator():
    def waits():
        try:
            received = yield 1
        finally:
            cleaned = True
        return received

    started = waits()
    next(started)
    started.throw(LookupError("thrown in"))


def coroutine():
    async def deepest(depth):
        raise ValueError(depth)

    async def outer(depth):
        await deepest(depth + 1)

    outer(0).send(None)


def decorated():
    def wrap(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            counted = len(args)
            return function(*args, **kwargs)

        return wrapper

    @wrap
    @wrap
    def wrapped(value):
        raise ValueError(value)

    wrapped("decorated")


def lambdas():
    (lambda left, right=0: left / right)(1)


def executed():
    space = {"given": 5}
    code = "made = [given, given + 1]\ndef call(x):\n    y = x / 0\ncall(made)\n"
    exec(compile(code, "<made up>", "exec"), space)


def executed_with_locals():
    exec("in_locals = 1\nin_locals[0]", {"far": 1}, {"near": 2})


def evaluated():
    return eval("1 / zero", {"zero": 0})


def context_manager():
    @contextlib.contextmanager
    def managed(name):
        entered = name.upper()
        yield entered

    with managed("name") as value:
        raise ValueError(value)


def except_variable():
    kept = "kept"
    try:
        1 / 0
    except ZeroDivisionError as error:
        kept = repr(error)
    raise ValueError(kept)


def matched():
    match {"kind": "point", "at": (1, 2)}:
        case {"kind": "point", "at": (x, y), **rest}:
            raise ValueError(x, y, rest)


def walrus_and_unpacking():
    first, *middle, last = range(5)
    if (total := first + last) == 4:
        raise ValueError(total, middle)


def ünïcode(größe):
    länge = "€" * größe; 日本 = länge + "ö"; raise ValueError(日本 + länge)


def one_line(): value = 1; other = (value +
      1); return value / (
      other
      - 2)


def starred():
    positional(*[1, 2, 3], **{"keyword": 5, "extra": 6})


def loops():
    for index in range(3):
        while True:
            counter = index
            break
    assert counter == 0, f"counter {counter}"


def deleted():
    gone = 1
    stays = 2
    del gone
    return gone


def unbound():
    if GLOBAL_NUMBER == 0:
        never = 1
    seen = True
    return never


def callback_in_c():
    def key(item):
        return 1 / item

    return sorted([3, 0, 1], key=key)


def many_variables():
    exec("def many():\n" + "".join(f"    v{n} = {n}\n" for n in range(200)) + "    v0 / 0\nmany()")


SCENARIOS = [
    lambda: positional(1, 2, 3, other=6),
    lambda: closures(2),
    lambda: argument_is_cell(1, "captured", 3),
    class_body,
    method,
    nested_class,
    comprehension,
    nested_comprehension,
    generator_expression,
    generator,
    thrown_into_generator,
    coroutine,
    decorated,
    lambdas,
    executed,
    executed_with_locals,
    evaluated,
    context_manager,
    except_variable,
    matched,
    walrus_and_unpacking,
    lambda: ünïcode(3),
    one_line,
    starred,
    loops,
    deleted,
    unbound,
    callback_in_c,
    many_variables,
]

truth.often()
tracer = truth.Recorder(limits={"variables": 300, "deadline_ms": 20000})


def frames_of(error):
    return truth.exception_truth(error)["list"][0]["frames"]


def run(scenario):
    try:
        scenario()
    except BaseException as error:
        tracer.record = functools.partial(frames_of, error)
        truth.say(tracer, bcd.trace(tracer, error))


assert len(SCENARIOS) == 29
for number in range(len(SCENARIOS)):
    run(SCENARIOS[number])
