"""The layout of code, frames, generators and tracebacks."""

from __future__ import annotations

import sys
import types

from bcd.ptrace.calibrate.objects import HEAD, member_offset
from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.layout import (
    CodeLayout,
    ContainerLayout,
    FrameLayout,
    GeneratorLayout,
    TracebackLayout,
)

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from typing import Any

_FRAME_WORDS = 14
"""An interpreter frame's own members, before its variables, are fewer than these."""


def calibrate_code(search: Search, container: ContainerLayout) -> CodeLayout:
    """Find the members of code objects."""
    members = types.CodeType.__dict__
    layout = CodeLayout()
    layout.filename = member_offset(search, members["co_filename"])
    layout.name = member_offset(search, members["co_name"])
    layout.qualname = member_offset(search, members["co_qualname"])
    layout.flags = member_offset(search, members["co_flags"])
    layout.first_line = member_offset(search, members["co_firstlineno"])
    layout.exception_table = member_offset(search, members["co_exceptiontable"])
    layout.global_names = member_offset(search, members["co_names"])
    layout.line_table = member_offset(search, members["co_linetable"])
    # Source: CPython Objects/codeobject.c, PyCode_Type.tp_basicsize is the offset of the units.
    layout.instructions = types.CodeType.__basicsize__
    code = id(_sample_generator.__code__)
    names = [id("first"), id("second"), id("awaited"), id("closure"), id("cell")]
    size = types.CodeType.__basicsize__

    def is_names(word: int) -> bool:
        if search.words(word + WORD, WORD) != [id(tuple)]:
            return False
        items = search.words(word + container.tuple_items, len(names) * WORD)
        return search.memory.word(word + container.tuple_size) == len(names) and items == names

    def is_kinds(word: int) -> bool:
        if search.words(word + WORD, WORD) != [id(bytes)]:
            return False
        return search.memory.word(word + container.bytes_size) == len(names)

    layout.variable_names = search.pointer_to(code, size, is_names, "names of variables")
    layout.variable_kinds = search.pointer_to(code, size, is_kinds, "kinds of variables")
    return layout


def _sample_generator(first: object, second: object, awaited: Any) -> Any:
    cell = first

    def closure() -> object:
        return cell

    yield from awaited
    return closure, second


_SAMPLE_VARIABLES = 5


class _Forever:
    """An awaitable that suspends whoever awaits it."""

    __slots__ = ()

    def __iter__(self) -> _Forever:
        return self

    def __next__(self) -> None:
        return None


def calibrate_frames(search: Search, code: CodeLayout) -> FrameLayout:
    """Find the members of interpreter frames."""
    return _outer(search, code, object(), object(), object())


def _outer(
    search: Search, code: CodeLayout, one: object, two: object, three: object
) -> FrameLayout:
    # With *arguments, a call goes through C where the program is watched, on a frame between.
    return _inner(search, code, one, two, three)


def _inner(
    search: Search, code: CodeLayout, one: object, two: object, three: object
) -> FrameLayout:
    layout = FrameLayout()
    frame = sys._getframe()  # noqa: SLF001 - the running frame is the sample
    caller = frame.f_back
    if caller is None:
        raise CalibrationError("a running frame has no caller")
    layout.of_object = _of_object(search, frame)
    here = search.memory.word(id(frame) + layout.of_object)
    above = search.memory.word(id(caller) + layout.of_object)
    size = _FRAME_WORDS * WORD
    layout.code = search.first(here, size, id(frame.f_code), "a frame's code", 0)
    layout.previous = search.first(here, size, above, "a frame's caller", 0)
    layout.globals = search.first(here, size, id(frame.f_globals), "a frame's globals", 0)
    own = [id(search), id(code), id(one), id(two), id(three)]
    words = search.words(here, 24 * WORD)
    layout.variables = only(
        [index * WORD for index in range(20) if words[index : index + 5] == own],
        "a frame's variables",
    )
    _locals_of_class_body(search, layout)
    _instruction(search, code, layout, frame)
    return layout


def _of_object(search: Search, frame: types.FrameType) -> int:
    def is_interpreter_frame(address: int) -> bool:
        words = search.words(address, _FRAME_WORDS * WORD)
        return all(id(value) in words for value in (frame, frame.f_code, frame.f_globals))

    size = type(frame).__basicsize__
    return search.pointer_to(id(frame), size, is_interpreter_frame, "a frame object's frame")


def _locals_of_class_body(search: Search, layout: FrameLayout) -> None:
    frames = []

    class _Body:
        frames.append(sys._getframe())  # noqa: SLF001 - a class body's frame is the sample
        address = search.memory.word(id(frames[0]) + layout.of_object)
        layout.locals = search.first(
            address, layout.variables, id(frames[0].f_locals), "a class body's locals", 0
        )


def _instruction(
    search: Search, code: CodeLayout, layout: FrameLayout, frame: types.FrameType
) -> None:
    here = search.memory.word(id(frame) + layout.of_object)
    start = id(frame.f_code) + code.instructions
    size = len(frame.f_code.co_code)
    words = search.memory.words(here, layout.variables // WORD)
    layout.instruction = only(
        [index * WORD for index, word in enumerate(words) if start <= word < start + size],
        "a frame's instruction",
    )


def calibrate_generators(search: Search, code: CodeLayout, frame: FrameLayout) -> GeneratorLayout:
    """Find the frame in generators, their states, and what wraps them while they are awaited."""
    awaited = _Forever()
    suspended = _sample_generator(None, None, awaited)
    next(suspended)
    layout = GeneratorLayout()
    size = types.GeneratorType.__basicsize__
    # 3.11 keeps the code object in the generator too, before its frame: the last one counts.
    code_object = id(_sample_generator.__code__)
    positions = search.all(id(suspended), size + 4 * WORD, code_object, HEAD)
    layout.frame = only(positions[-1:], "a generator's frame") - frame.code
    suspended.__qualname__ = "bcd.sample"  # its own: before, it was its name too
    name = id(suspended.__qualname__)
    layout.qualname = search.one(id(suspended), size, name, "a generator's name")
    _prove_instruction(search, code, frame, id(suspended) + layout.frame, suspended)
    _stack_top(search, frame, id(suspended) + layout.frame, id(awaited))
    _owner(search, frame, id(suspended) + layout.frame)
    _states(search, layout)
    _handled(search, layout)
    _wrappers(search, layout)
    return layout


def _prove_instruction(
    search: Search, code: CodeLayout, frame: FrameLayout, address: int, sample: Any
) -> None:
    """In a generator that stands still the last instruction is known: compare."""
    instruction = search.memory.word(address + frame.instruction)
    start = id(sample.gi_code) + code.instructions
    if instruction - start != sample.gi_frame.f_lasti:
        raise CalibrationError("what a frame keeps as its instruction could not be proven")


def _stack_top(search: Search, frame: FrameLayout, address: int, awaited: int) -> None:
    """Find what says how high the stack is, from a stack whose top is known."""
    words = search.words(address + frame.variables, 12 * WORD)
    frame.awaited_below_top = 1
    depth = words.index(awaited, _SAMPLE_VARIABLES) + 1
    if sys.version_info >= (3, 15):
        frame.awaited_below_top = 2  # the receiver stands below its own iterator's index
        depth += 1
    frame.stack_is_pointer = sys.version_info >= (3, 14)
    if frame.stack_is_pointer:
        end = address + frame.variables + depth * WORD
        frame.stack_top = search.one(address, frame.variables, end, "a frame's stack", 0)
        return
    frame.stack_top = search.int32_where(frame.variables, [(address, depth)], "a frame's stack")


def _owner(search: Search, frame: FrameLayout, generators: int) -> None:
    """Find the byte that is 0 in a thread's frame, 1 in a generator's, 2 in a frame object's."""
    finished = _finished()
    running = sys._getframe()  # noqa: SLF001 - the running frame is the sample
    samples = [
        (search.memory.word(id(running) + frame.of_object), 0),
        (generators, 1),
        (search.memory.word(id(finished) + frame.of_object), 2),
    ]
    start = frame.instruction + WORD
    frame.owner = search.byte_where(frame.variables, samples, "the owner of a frame", start)


def _finished() -> types.FrameType:
    return sys._getframe()  # noqa: SLF001 - a frame that outlives its call


def _states(search: Search, layout: GeneratorLayout) -> None:
    """Find the state: a byte close before the frame that tells the five kinds apart.

    Three samples of each kind, for the bytes beside it are padding and can hold anything.
    """
    size, start = layout.frame, layout.frame - WORD
    kinds = [
        [kind(search, size)[start:] for _ in range(3)]
        for kind in (_created, _awaiting, _closed, _running, _yielding)
    ]
    found = []
    for offset in range(WORD):
        states = [{sample[offset] for sample in samples} for samples in kinds]
        created, awaiting, closed, running, yielding = (min(state) for state in states)
        if any(len(state) != 1 for state in states):
            continue
        if len({created, awaiting, closed, running}) == 4 and yielding not in {  # noqa: PLR2004
            created,
            closed,
            running,
        }:
            found.append(offset)
            layout.suspended, layout.running = frozenset({awaiting, yielding}), running
            layout.finished = frozenset({closed})
    layout.state = start + only(found, "the state of a generator")


def _handled(search: Search, layout: GeneratorLayout) -> None:
    """Find the exception that a generator handles while it is suspended."""

    def sample() -> Any:
        try:
            _raise()
        except LookupError as error:
            yield id(error)

    generator = sample()
    what = "the exception that a generator handles"
    layout.handled = search.one(id(generator), layout.frame, next(generator), what)


def _created(search: Search, size: int) -> bytes:
    generator = _sample_generator(None, None, _Forever())
    return search.memory.read(id(generator), size)


def _awaiting(search: Search, size: int) -> bytes:
    generator = _sample_generator(None, None, _Forever())
    next(generator)
    return search.memory.read(id(generator), size)


def _closed(search: Search, size: int) -> bytes:
    generator = _sample_generator(None, None, _Forever())
    next(generator)
    generator.close()
    return search.memory.read(id(generator), size)


def _running(search: Search, size: int) -> bytes:
    def sample() -> Any:
        yield search.memory.read(id(generator), size)

    generator = sample()
    return next(generator)  # type: ignore[no-any-return]


def _yielding(search: Search, size: int) -> bytes:
    def sample() -> Any:
        yield None

    generator = sample()
    next(generator)
    return search.memory.read(id(generator), size)


def _wrappers(search: Search, layout: GeneratorLayout) -> None:
    async def sample() -> Any:
        yield None

    async def coroutine() -> None:
        return None

    generator, awaited = sample(), coroutine()
    send, throw, wrapper = generator.__anext__(), generator.aclose(), awaited.__await__()
    for name, holder, target in (
        ("async_send_target", send, generator),
        ("async_throw_target", throw, generator),
        ("wrapped", wrapper, awaited),
    ):
        size = type(holder).__basicsize__
        setattr(layout, name, search.one(id(holder), size, id(target), f"what {name} names"))
    layout.types = {
        "coroutine": type(awaited),
        "async_generator": type(generator),
        "asend": type(send),
        "athrow": type(throw),
        "wrapper": type(wrapper),
    }
    for unused in (throw, send, awaited):
        unused.close()


def calibrate_tracebacks(search: Search) -> TracebackLayout:
    """Find the members of tracebacks."""
    members = types.TracebackType.__dict__
    layout = TracebackLayout()
    layout.frame = member_offset(search, members["tb_frame"])
    layout.last_instruction = member_offset(search, members["tb_lasti"])
    traceback = _raise_deep()
    following = traceback.tb_next
    size = types.TracebackType.__basicsize__
    layout.next = search.one(id(traceback), size, id(following), "the next traceback")
    fresh = types.TracebackType(None, traceback.tb_frame, 2, 987_654)
    layout.line = search.int32_where(size, [(id(fresh), 987_654)], "a traceback's line", HEAD)
    return layout


def _raise_deep() -> types.TracebackType:
    try:
        _raise()
    except LookupError as error:
        if error.__traceback__ is not None:
            return error.__traceback__
    raise CalibrationError("an exception has no traceback")


def _raise() -> None:
    raise LookupError
