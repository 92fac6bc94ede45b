"""Programs made by chance, for every supported Python: each ends in an error somewhere deep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    Lines = list[str]

# Letters enough, but none that could make the name of a secret: hypothesis tries words that it
# finds in the code around, and those would be redacted.
TEXTS = st.text("aB é€😀'\"\\\n\t\x00\xa0\u2028\ud800", max_size=12)
BINARIES = st.lists(st.integers(0, 255), max_size=8).map(bytes)
LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | BINARIES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXTS | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = ("value", "größe", "名", "_x", "Total")
ERRORS = (
    "1 / 0",
    "{}['missing']",
    "[][3]",
    "undefined",
    "None.attribute",
    "int('x')",
    "assert not True, 'asserted'",
    "raise ValueError('é € \\U0001f600', 2)",
    "raise ExceptionGroup('group', [KeyError(1), OSError(2, 'two')])",
    "halt()",
)
BLOCKS = (
    ("if {literal} is not ...:", ()),
    ("for {name} in ({literal},):", ()),
    ("while ({name} := [{literal}]):", ()),
    ("with contextlib.nullcontext({literal}) as {name}:", ()),
    ("match [{literal}, 2, 3]:\n    case [{name}, *{name}_rest]:", ()),
    ("try:", ("finally:", "    {name} = {literal}")),
    ("try:", ("except OSError as {name}:", "    pass", "else:", "    {name} = 1")),
    ("try:", ("except Exception as {name}:", "    raise LookupError('after') from {name}")),
    ("try:", ("except Exception:", "    {name} = {literal}", "    raise LookupError('in')")),
    ("try:", ("except Exception:", "    raise LookupError('alone') from None")),
    ("try:", ("except Exception as {name}:", "    {name}.add_note('noted')", "    raise")),
    ("try:", ("except* Exception as {name}:", "    raise TypeError('star') from {name}")),
)


def indented(lines: Lines, by: int = 1) -> Lines:
    """Lines, each further to the right."""
    return [f"{'    ' * by}{line}" for line in lines]


class Program:
    """Writes one program.

    Args:
        draw: Draws from a strategy.
    """

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw
        self._names = 0

    def lines(self) -> Lines:
        """The whole of it."""
        depth = self._draw(st.integers(0, 7))
        imports = ["import contextlib", "import functools"]
        return imports + self._body(depth, [], within=False, waits=False)

    def _name(self) -> str:
        self._names += 1
        return f"{self._one(NAMES)}{self._names}"

    def _one(self, choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def _literal(self) -> str:
        return repr(self._draw(LITERALS))

    def _body(self, depth: int, seen: Lines, *, within: bool, waits: bool) -> Lines:
        """Statements that end in an error, so many calls deeper.

        Args:
            depth: Number of calls.
            seen: Variables of the functions around.
            within: Whether it is the body of a function.
            waits: Whether that is a coroutine.
        """
        lines: Lines = []
        own = []
        for _ in range(self._draw(st.integers(0, 3))):
            own.append(self._name())
            lines.append(f"{own[-1]} = {self._literal()}")
        lines += self._around(seen) if seen else []
        if own and within:
            lines += self._deleted(own) if self._draw(st.booleans()) else []
        visible = seen + own if within else seen
        end = self._call(depth, visible, waits=waits) if depth else [self._one(ERRORS)]
        for _ in range(self._draw(st.integers(0, 2))):
            end = self._block(end)
        return lines + end

    def _around(self, seen: Lines) -> Lines:
        """Use a variable of a function around, or change it."""
        name, kept = self._one(seen), self._name()
        if self._draw(st.booleans()):
            return [f"{kept} = ({name},)"]
        return [f"nonlocal {name}", f"{name} = [{self._literal()}]"]

    def _deleted(self, own: Lines) -> Lines:
        """Leave one variable unbound, in a cell that a function still holds."""
        name, holder = own.pop(), self._name()
        return [f"{holder} = lambda: {name}", f"del {name}"]

    def _block(self, lines: Lines) -> Lines:
        head, tail = self._one(BLOCKS)
        filled = {"name": self._name(), "literal": self._literal()}
        before = head.format(**filled).split("\n")
        return [*before, *indented(lines, len(before)), *(line.format(**filled) for line in tail)]

    def _call(self, depth: int, seen: Lines, *, waits: bool) -> Lines:
        ways = (*PLAIN, *WAITING) if waits else PLAIN
        way = self._one(ways)
        name = self._name()
        inner = self._body(depth - 1, seen, within=True, waits=way in (*WAITING, coroutine))
        return [str(line) for line in way(name, indented(inner), self._literal())]


def function(name: str, body: Lines, literal: str) -> Lines:
    """A function with all kinds of parameters."""
    head = f"def {name}(first, /, second={literal}, *rest, only={literal}, **others):"
    return [head, *body, f"{name}(1, 2, 3, only=4, other={literal})"]


def through_lambda(name: str, body: Lines, literal: str) -> Lines:
    """A lambda that calls a function."""
    return [f"def {name}():", *body, f"(lambda item, other={literal}: [item, {name}()])(1)"]


def generator(name: str, body: Lines, literal: str) -> Lines:
    """A generator that fails after its first item."""
    return [f"def {name}():", f"    got_{name} = yield {literal}", *body, f"print(*{name}())"]


def delegating(name: str, body: Lines, literal: str) -> Lines:
    """A generator that another one delegates to."""
    return [
        f"def {name}(stop):",
        f"    yield {literal}",
        *body,
        f"def outer_{name}():",
        f"    result = yield from {name}(3)",
        f"for item_{name} in outer_{name}():",
        "    pass",
    ]


def thrown(name: str, body: Lines, literal: str) -> Lines:
    """A generator that fails while it handles what is thrown into it."""
    return [
        f"def {name}():",
        "    try:",
        f"        yield {literal}",
        "    except KeyError as thrown_in:",
        *indented(body),
        f"{name}_started = {name}()",
        f"next({name}_started)",
        f"{name}_started.throw(KeyError({literal}))",
    ]


def comprehension(name: str, body: Lines, literal: str) -> Lines:
    """Comprehensions in each other."""
    call = f"{{key: [{name}(part) for part in (key, 2) if part] for key in (1, {literal!r})}}"
    return [f"def {name}(item):", *body, call]


def expression(name: str, body: Lines, literal: str) -> Lines:
    """A generator expression."""
    return [f"def {name}(item):", *body, f"sum({name}(part) for part in ({literal},))"]


def class_body(name: str, body: Lines, literal: str) -> Lines:
    """The body of a class, that uses what is around it."""
    return [
        f"def {name}():",
        *body,
        f"class Body{name}:",
        f"    attribute = {literal}",
        f"    made = [{name}() for attribute in (1,)]",
    ]


def method(name: str, body: Lines, literal: str) -> Lines:
    """A method that its super class's one is called from."""
    return [
        f"class Base{name}:",
        "    def run(self, argument):",
        *indented(body),
        f"class Derived{name}(Base{name}):",
        "    __slots__ = ('kept',)",
        "    def __init__(self):",
        f"        self.kept = {literal}",
        "    def run(self, argument):",
        "        return super().run([argument])",
        f"Derived{name}().run(5)",
    ]


def property_(name: str, body: Lines, literal: str) -> Lines:
    """A property of a dataclass-like object."""
    return [
        f"class With{name}:",
        "    @property",
        "    def attribute(self):",
        *indented(body),
        f"    class_level = {literal}",
        f"With{name}().attribute",
    ]


def decorated(name: str, body: Lines, literal: str) -> Lines:
    """A function in two wrappers."""
    return [
        f"def wrap_{name}(function):",
        "    @functools.wraps(function)",
        "    def wrapper(*args, **kwargs):",
        f"        counted = [len(args), {literal}]",
        "        return function(*args, **kwargs)",
        "    return wrapper",
        f"@wrap_{name}",
        f"@wrap_{name}",
        f"def {name}(argument):",
        *body,
        f"{name}({literal})",
    ]


def recursive(name: str, body: Lines, literal: str) -> Lines:
    """A function that calls itself."""
    return [
        f"def {name}(depth, kept={literal}):",
        "    if depth:",
        f"        return {name}(depth - 1, [depth])",
        *body,
        f"{name}(4)",
    ]


def under_c(name: str, body: Lines, literal: str) -> Lines:
    """A function that C code calls, which Python code calls, and so on."""
    call = f"sorted(map(functools.partial({name}, {literal}), (1, 2)), key=str)"
    return [f"def {name}(bound, item):", *body, call]


def executed(name: str, body: Lines, literal: str) -> Lines:
    """Code without a file."""
    text = f"made = {literal}\n[{name}() for item in (1,)]"
    return [f"def {name}():", *body, f"exec({text!r}, {{'{name}': {name}}})"]


def context_manager(name: str, body: Lines, literal: str) -> Lines:
    """A context manager that fails at its end."""
    return [
        "@contextlib.contextmanager",
        f"def {name}():",
        f"    yield {literal}",
        *body,
        f"with {name}() as opened_{name}:",
        "    pass",
    ]


def coroutine(name: str, body: Lines, literal: str) -> Lines:
    """A coroutine that is driven by hand."""
    return [f"async def {name}(argument={literal}):", *body, f"{name}().send(None)"]


def awaited(name: str, body: Lines, literal: str) -> Lines:
    """A coroutine that another one awaits."""
    return [f"async def {name}(argument):", *body, f"await {name}({literal})"]


def asynchronous_generator(name: str, body: Lines, literal: str) -> Lines:
    """An asynchronous generator, in a comprehension."""
    call = f"[item async for item in {name}() if not isinstance(item, str)]"
    return [f"async def {name}():", f"    yield {literal}", *body, call]


def asynchronous_context(name: str, body: Lines, literal: str) -> Lines:
    """An asynchronous context manager that fails at its beginning."""
    return [
        f"class Managed{name}:",
        "    async def __aenter__(self):",
        *indented(body),
        "    async def __aexit__(self, *error):",
        f"        return {literal}",
        f"async with Managed{name}() as opened_{name}:",
        "    pass",
    ]


WAYS_TO_WAIT = (
    "deep",
    "gathers",
    "gathers_tasks",
    "groups",
    "awaits_last",
    "shields",
    "waits",
    "limits",
    "completes",
    "generates",
    "handles",
    "cleans_up",
    "enters",
    "awaits_object",
)
LEAF = ("leaf", ())
TREES = st.recursive(
    st.just(LEAF),
    lambda inner: st.tuples(st.sampled_from(WAYS_TO_WAIT), st.lists(inner, max_size=3)),
    max_leaves=8,
)
"""Tasks that wait for each other, for ``trees.py``: ``(way, children)``."""

PLAIN = (
    function,
    through_lambda,
    generator,
    delegating,
    thrown,
    comprehension,
    expression,
    class_body,
    method,
    property_,
    decorated,
    recursive,
    under_c,
    executed,
    context_manager,
    coroutine,
)
WAITING = (awaited, asynchronous_generator, asynchronous_context)


@st.composite
def programs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """The source of a program."""
    return "\n".join([*Program(draw).lines(), ""])
