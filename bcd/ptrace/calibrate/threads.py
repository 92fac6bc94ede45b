"""The layout of thread states, of the interpreter, and of what holds the GIL."""

from __future__ import annotations

import _thread
import posix
import sys

from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.errors import CalibrationError, MemoryFault
from bcd.ptrace.layout import FrameLayout, ThreadLayout
from bcd.ptrace.memory import HIGHEST, LOWEST

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_STALE = 1 << 16
"""Behind the current frame lie the remains of earlier calls, which point back to it."""

_STACK_BYTES = 512 * 1024

_THREADS = 100
"""How many threads may have been started between two."""

_ATTEMPTS = 200
"""How often is looked again where other threads of this process may have changed something."""

_NEAR, _FAR = 1 << 14, 1 << 20
"""Bytes of ``_PyRuntime`` and of the interpreter in which all this is looked for, first and then:
in 3.11 to 3.15 it is near. To read and search all of them takes more than 1 ms."""


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
        usual = _thread.stack_size(_STACK_BYTES)  # a program's limit on addresses holds here too
        _thread.start_new_thread(self._run, ())
        _thread.stack_size(usual)
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
    layout.next = _next(search, size, other, own)
    _current_frame(search, layout, frame, own)
    _handled(search, layout, own)
    layout.runtime = runtime
    _interpreter(search, layout, own, other, runtime)
    return layout


def _next(search: Search, size: int, newer: int, older: int) -> int:
    """Find where a thread points to the one that was started before it.

    More threads may lie between these two where this process has other ones.
    """
    found = search.all(newer, size, older)
    for _ in range(_ATTEMPTS):  # some of them may end meanwhile
        found = found or [at for at in range(0, size, WORD) if _reaches(search, newer, at, older)]
    return only(found[:1], "the next thread")


def _reaches(search: Search, state: int, offset: int, wanted: int) -> bool:
    for _ in range(_THREADS):
        try:
            state = search.memory.word(state + offset)
        except MemoryFault:
            return False
        if state == wanted or not LOWEST <= state < HIGHEST:
            return state == wanted
    return False


def _current_frame(search: Search, layout: ThreadLayout, frame: FrameLayout, own: int) -> None:
    """Find the thread's current frame: this function's, as long as nothing else is called.

    So the memory is read here by ``posix.pread`` itself. Before 3.13 one structure lies between.
    """
    running = sys._getframe()  # noqa: SLF001 - the running frame is the sample
    start = search.memory.word(id(running) + frame.of_object)
    here = start.to_bytes(WORD, "little")
    descriptor = search.memory.descriptor
    state = posix.pread(descriptor, 64 * WORD, own)
    found: list[tuple[int, tuple[int, ...]]] = []
    for offset in range(0, len(state), WORD):
        word = state[offset : offset + WORD]
        if word == here:
            found.append((offset, ()))
        address = int.from_bytes(word, "little")
        if start <= address < start + _STALE:
            continue
        if LOWEST <= address < HIGHEST and search.memory.readable(address, 2 * WORD):
            target = posix.pread(descriptor, 2 * WORD, address)
            found += [(offset, (step,)) for step in (0, WORD) if target[step : step + WORD] == here]
    direct = [place for place in found if not place[1]] or found
    if len(direct) != 1:
        raise CalibrationError("where a thread keeps its current frame could not be proven")
    layout.frame, layout.frame_steps = direct[0]


def _handled(search: Search, layout: ThreadLayout, own: int) -> None:
    """Find the stack of handled exceptions: an entry for each generator that runs, and one below.

    Source: ``_PyErr_StackItem`` in CPython's Include/cpython/pystate.h, 3.11 to 3.15.
    """

    def generator(below: int) -> Iterator[None]:
        try:
            _raise()
        except LookupError as error:
            _entries(search, layout, own, id(error), below)
            yield

    try:
        _raise()
    except LookupError as error:
        next(generator(id(error)))


def _raise() -> None:
    raise LookupError


def _entries(search: Search, layout: ThreadLayout, own: int, innermost: int, below: int) -> None:
    found = []

    def is_entry(address: int) -> bool:
        for value, previous in ((0, WORD), (WORD, 0)):
            if search.memory.word(address + value) != innermost:
                continue
            if search.memory.word(search.memory.word(address + previous) + value) == below:
                found.append((value, previous))
                return True
        return False

    what = "the exceptions that a thread handles"
    layout.handled = search.pointer_to(own, 64 * WORD, is_entry, what, 0)
    layout.handled_value, layout.handled_previous = found[0]


def _interpreter(search: Search, layout: ThreadLayout, own: int, other: int, runtime: int) -> None:
    """Find the interpreter: a thread state points to it, and ``_PyRuntime`` does twice in a row.

    There the newest interpreter comes first, then the main one; they are the same, or the newest
    leads to the main one.
    """
    found: list[tuple[int, int, int, int]] = []
    pointers = search.memory.words(own, 8)
    for most in (_NEAR, _FAR):
        head = _readable(search, runtime, most)
        for index, word in enumerate(pointers):
            twice = _twice(search, head, word)
            inside = _readable(search, word, most) if twice >= 0 else b""
            modules = next(_positions(inside, id(sys.modules)), -1)
            threads = _threads_of(search, layout, word, most, other) if modules >= 0 else -1
            if modules >= 0 and threads >= 0:
                found.append((index * WORD, twice + WORD, modules, threads))
        if found:
            break
    layout.interpreter = only([place[0] for place in found], "a thread's interpreter")
    _, layout.runtime_interpreter, layout.interpreter_modules, layout.interpreter_threads = found[0]
    interpreter = pointers[layout.interpreter // WORD]
    layout.gil_holder = _gil_holder(search, interpreter, own, runtime)


def _gil_holder(search: Search, interpreter: int, own: int, runtime: int) -> int:
    """Find who holds the GIL, behind the switch interval: beside the interpreter from 3.12 on."""
    interval = round(sys.getswitchinterval() * 1e6)
    holders: list[int] = []
    places = ((runtime, _NEAR), (interpreter, _NEAR))
    # While memory is read, another thread may take the GIL: then it is read again.
    for address, most in (*places * _ATTEMPTS, (runtime, _FAR)):
        data = _readable(search, address, most)
        holders = [
            address + at - runtime
            for at in _positions(data, own)
            if _word(data, at - WORD) == interval
        ]
        if holders:
            break
    return only(holders, "who holds the GIL")


def _readable(search: Search, address: int, limit: int) -> bytes:
    """What is mapped from an address on, at most ``limit`` bytes."""
    if not LOWEST <= address < HIGHEST:
        return b""
    try:
        return posix.pread(search.memory.descriptor, limit, address)
    except OSError:
        return b""


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + WORD], "little")


def _twice(search: Search, data: bytes, value: int) -> int:
    """Where a pointer stands twice in a row for the first time, or behind one that leads to it.

    -1 where it does not.
    """
    if not LOWEST <= value < HIGHEST:
        return -1
    places = list(_positions(data, value))
    found = [at for at in places if _word(data, at + WORD) == value]
    found = found or [at - WORD for at in places if _leads(search, _word(data, at - WORD), value)]
    return found[0] if found else -1


def _leads(search: Search, newest: int, main: int) -> bool:
    """Whether an interpreter comes before the main one in their list."""
    size = len(_readable(search, newest, _NEAR)) // WORD * WORD
    return any(_reaches(search, newest, at, main) for at in range(0, size, WORD))


def _threads_of(
    search: Search, layout: ThreadLayout, interpreter: int, most: int, other: int
) -> int:
    """Where an interpreter's list of threads starts, -1 where that is not found."""
    for _ in range(_ATTEMPTS):  # the newest thread may end before it was followed
        inside = _readable(search, interpreter, most)
        at = _newest_thread(search, layout, inside, other)
        if at >= 0:
            return at
    return -1


def _newest_thread(search: Search, layout: ThreadLayout, interpreter: bytes, other: int) -> int:
    """Where the list of threads starts: with the other thread, or with newer ones before it."""
    found = next(_positions(interpreter, other), -1)
    if found >= 0:
        return found
    places = range(0, len(interpreter) // WORD * WORD, WORD)
    ahead = (at for at in places if _reaches(search, _word(interpreter, at), layout.next, other))
    return next(ahead, -1)


def _positions(data: bytes, value: int) -> Iterator[int]:
    """Where a word stands, ascending.

    Searched for without its leading zeros: with them, ``find`` is ten times slower.
    """
    pattern = value.to_bytes(WORD, "little").rstrip(b"\0")
    at = data.find(pattern)
    while at >= 0:
        if at % WORD == 0 and _word(data, at) == value:
            yield at
        at = data.find(pattern, at + 1)
