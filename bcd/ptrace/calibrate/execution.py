"""The layout of code, frames, generators, tracebacks and threads."""

from __future__ import annotations

import _thread
import os
import sys
import types

from bcd.errors import CalibrationError
from bcd.ptrace.calibrate.objects import HEAD, member_offset
from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.layout import (
    CodeLayout,
    ContainerLayout,
    FrameLayout,
    GeneratorLayout,
    ThreadLayout,
    TracebackLayout,
)
from bcd.ptrace.memory import HIGHEST, LOWEST

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
_STALE = 1 << 16
"""Behind the current frame lie the remains of earlier calls, which point back to it."""


class _Forever:
    """An awaitable that suspends whoever awaits it."""

    __slots__ = ()

    def __iter__(self) -> _Forever:
        return self

    def __next__(self) -> None:
        return None


def calibrate_frames(search: Search, code: CodeLayout) -> FrameLayout:
    """Find the members of interpreter frames."""
    markers = (object(), object(), object())
    return _outer(search, code, *markers)


def _outer(search: Search, code: CodeLayout, *markers: object) -> FrameLayout:
    return _inner(search, code, *markers)


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
    _prove_instruction(search, code, frame, id(suspended) + layout.frame, suspended)
    _stack_top(search, frame, id(suspended) + layout.frame, id(awaited))
    _owner(search, frame, id(suspended) + layout.frame)
    _states(search, layout)
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


def python_api() -> tuple[Any, int]:
    """``PyThreadState_Get`` and the address of ``_PyRuntime``.

    Through ``_ctypes``, which starts in under a millisecond where ``ctypes`` takes four.
    """
    import _ctypes

    class Pointer(_ctypes._SimpleCData):  # type: ignore[type-arg] # noqa: SLF001
        _type_ = "P"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
        _restype_ = Pointer

    itself: Any = None
    library = _ctypes.dlopen(itself, 0)
    function = Function(_ctypes.dlsym(library, "PyThreadState_Get"))
    return function, _ctypes.dlsym(library, "_PyRuntime")


class _Second:
    """A second thread that stands still while the list of threads is looked for."""

    def __init__(self, get_state: Any) -> None:
        self._get_state = get_state
        self._ready, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._ready.acquire()
        self._done.acquire()
        self.state = 0
        _thread.start_new_thread(self._run, ())
        self._ready.acquire()

    def _run(self) -> None:
        self.state = self._get_state()
        self._ready.release()
        self._done.acquire()

    def end(self) -> None:
        """Let the thread go."""
        self._done.release()


def calibrate_threads(search: Search, frame: FrameLayout) -> ThreadLayout:
    """Find the members of thread states and of the interpreter, and the GIL."""
    get_state, runtime = python_api()
    second = _Second(get_state)
    try:
        return _threads(search, frame, get_state(), second.state, runtime)
    finally:
        second.end()


def _threads(
    search: Search, frame: FrameLayout, own: int, other: int, runtime: int
) -> ThreadLayout:
    layout = ThreadLayout()
    size = 64 * WORD
    layout.ident = search.first(own, size, _thread.get_ident(), "a thread's ident", 0)
    layout.native_id = search.first(own, size, _thread.get_native_id(), "native thread id", 0)
    layout.next = search.first(other, size, own, "the next thread", 0)
    _current_frame(search, layout, frame, own)
    layout.runtime = runtime
    _interpreter(search, layout, own, other, runtime)
    return layout


def _current_frame(search: Search, layout: ThreadLayout, frame: FrameLayout, own: int) -> None:
    """Find the thread's current frame: this function's, as long as nothing else is called.

    So the memory is read here by ``os.pread`` itself. Before 3.13 one structure lies between.
    """
    running = sys._getframe()  # noqa: SLF001 - the running frame is the sample
    start = search.memory.word(id(running) + frame.of_object)
    here = start.to_bytes(WORD, "little")
    descriptor = search.memory.descriptor
    state = os.pread(descriptor, 64 * WORD, own)
    found: list[tuple[int, tuple[int, ...]]] = []
    for offset in range(0, len(state), WORD):
        word = state[offset : offset + WORD]
        if word == here:
            found.append((offset, ()))
        address = int.from_bytes(word, "little")
        if start <= address < start + _STALE:
            continue
        if LOWEST <= address < HIGHEST and search.memory.readable(address, 2 * WORD):
            target = os.pread(descriptor, 2 * WORD, address)
            found += [(offset, (step,)) for step in (0, WORD) if target[step : step + WORD] == here]
    direct = [place for place in found if not place[1]] or found
    if len(direct) != 1:
        raise CalibrationError("where a thread keeps its current frame could not be proven")
    layout.frame, layout.frame_steps = direct[0]


def _interpreter(search: Search, layout: ThreadLayout, own: int, other: int, runtime: int) -> None:
    """Find the interpreter: a thread state points to it, and ``_PyRuntime`` does twice in a row.

    There the newest interpreter comes first, then the main one; here they are the same.
    """
    data = _readable(search, runtime, 1 << 20)
    found = []
    for index, word in enumerate(search.memory.words(own, 8)):
        twice = _twice(data, word)
        inside = _readable(search, word, 1 << 19) if twice >= 0 else b""
        modules, heads = _positions(inside, id(sys.modules)), _positions(inside, other)
        if modules and heads:
            found.append((index * WORD, twice + WORD, modules[0], heads[0]))
    layout.interpreter = only([place[0] for place in found], "a thread's interpreter")
    _, layout.runtime_interpreter, layout.interpreter_modules, layout.interpreter_threads = found[0]
    interval = int(sys.getswitchinterval() * 1e6)
    holders = [at for at in _positions(data, own) if _word(data, at - WORD) == interval]
    layout.gil_holder = only(holders, "who holds the GIL")


def _readable(search: Search, address: int, limit: int) -> bytes:
    """What is mapped from an address on, at most ``limit`` bytes."""
    if not LOWEST <= address < HIGHEST:
        return b""
    try:
        return os.pread(search.memory.descriptor, limit, address)
    except OSError:
        return b""


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + WORD], "little")


def _twice(data: bytes, value: int) -> int:
    """Where a pointer stands twice in a row for the first time, -1 where it does not."""
    if not LOWEST <= value < HIGHEST:
        return -1
    places = (at for at in _positions(data, value) if _word(data, at + WORD) == value)
    return next(places, -1)


def _positions(data: bytes, value: int) -> list[int]:
    """Where a word stands, ascending.

    Searched for without its leading zeros: with them, ``find`` is ten times slower.
    """
    pattern = value.to_bytes(WORD, "little").rstrip(b"\0")
    found = []
    at = data.find(pattern)
    while at >= 0:
        if at % WORD == 0 and _word(data, at) == value:
            found.append(at)
        at = data.find(pattern, at + 1)
    return found
