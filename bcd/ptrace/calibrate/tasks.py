"""The layout of asyncio's tasks and futures, without importing asyncio, which takes 50 ms.

``_asyncio``, the C module that has them, asks for a few names of asyncio's Python modules when
it is imported. Stand-ins answer, and are taken away again.
"""

from __future__ import annotations

import sys
import types

from bcd.ptrace.calibrate.objects import HEAD
from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.calibrate.threads import python_api
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.layout import TaskLayout

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from typing import Any

_LARGEST_THREAD_STATE = 1 << 16
_STAND_INS = (
    "asyncio",
    "asyncio.base_futures",
    "asyncio.base_tasks",
    "asyncio.coroutines",
    "asyncio.events",
    "asyncio.exceptions",
    "traceback",
    "weakref",
)


class _FakeLoop:
    """Keeps what a task wants to be called with, and calls nothing."""

    def __init__(self) -> None:
        self.ready: list[Any] = []

    def call_soon(self, callback: Any, *_args: object, context: object = None) -> None:
        """Keep a callback."""
        del context
        self.ready.append(callback)

    def get_debug(self) -> bool:
        """No debug mode: it would record tracebacks."""
        return False

    def call_exception_handler(self, context: object) -> None:
        """Ignore what a task says when it is thrown away unfinished."""


class _Standing(types.ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.endswith("Error"):
            return type(name, (Exception,), {})
        return _Anything


class _Anything:
    """Stands for a function or a class that is called while ``_asyncio`` starts."""

    def __init__(self, *_args: object) -> None:
        pass

    def add(self, item: object) -> None:
        """What a WeakSet of tasks is asked to do."""

    discard = add


def calibrate_tasks(search: Search) -> TaskLayout | None:
    """Find the members of tasks and futures; None where this interpreter has no ``_asyncio``."""
    absent = [name for name in _STAND_INS if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _Standing(name)
    try:
        import _asyncio

        return _calibrate(search, _asyncio)
    except ImportError:
        return None
    finally:
        for name in absent:
            del sys.modules[name]


class _Awaitable:
    __slots__ = ("future",)

    def __init__(self, future: Any) -> None:
        self.future = future

    def __await__(self) -> Any:
        return self.future.__await__()


async def _waits(awaited: _Awaitable) -> None:
    await awaited


class _Running:
    """Lets a loop be the one that runs in this thread, and no task; then all is as before."""

    def __init__(self, module: Any, loop: _FakeLoop) -> None:
        self._module = module
        self._loop = loop

    def __enter__(self) -> None:
        self._before = self._module._get_running_loop()  # noqa: SLF001 - as asyncio itself does
        self._module._set_running_loop(self._loop)  # noqa: SLF001 - likewise
        self._task = self._swap(None)

    def __exit__(self, *error: object) -> None:
        self._swap(self._task)
        self._module._set_running_loop(self._before)  # noqa: SLF001 - likewise

    def _swap(self, task: Any) -> Any:
        """From 3.14 on a thread has one current task, whichever loop runs."""
        if sys.version_info >= (3, 14):
            return self._module._swap_current_task(self._loop, task)  # noqa: SLF001 - likewise
        return None


def _calibrate(search: Search, module: Any) -> TaskLayout:
    loop = _FakeLoop()
    with _Running(module, loop):
        return _from_samples(search, module, loop)


def _from_samples(search: Search, module: Any, loop: _FakeLoop) -> TaskLayout:
    layout = TaskLayout()
    future, done = module.Future(loop=loop), module.Future(loop=loop)
    coroutine = _waits(_Awaitable(future))
    task = module.Task(coroutine, loop=loop, name="bcd-sample-task")
    loop.ready[0]()
    size = module.Task.__basicsize__
    layout.coroutine = search.first(id(task), size, id(coroutine), "a task's coroutine")
    layout.waiter = search.one(id(task), size, id(future), "what a task waits for")
    layout.name = search.one(id(task), size, id(task.get_name()), "a task's name")
    callback, other = object(), object()
    done.add_done_callback(callback)
    done.add_done_callback(other)
    size = module.Future.__basicsize__
    layout.callback = search.first(id(done), size, id(callback), "a future's callback")
    _callbacks(search, layout, id(done), size, id(other))
    _states(search, layout, module, loop, future)
    if sys.version_info >= (3, 14):
        layout.awaited_by = search.one(id(future), size, id(task), "who waits for a future")
        _linked_list(search, layout, module, loop, task)
    _finish(coroutine, future)
    return layout


def _callbacks(search: Search, layout: TaskLayout, address: int, size: int, item: int) -> None:
    def holds(word: int) -> bool:
        if search.words(word + WORD, WORD) != [id(list)]:
            return False
        (items,) = search.words(word + 3 * WORD, WORD)
        (entry,) = search.words(items, WORD)
        return item in search.words(entry + HEAD, 4 * WORD)

    layout.callbacks = search.pointer_to(address, size, holds, "a future's other callbacks")


def _states(search: Search, layout: TaskLayout, module: Any, loop: _FakeLoop, pending: Any) -> None:
    cancelled, finished = module.Future(loop=loop), module.Future(loop=loop)
    cancelled.cancel()
    result, error = object(), Exception()
    finished.set_result(result)
    failed = module.Future(loop=loop)
    failed.set_exception(error)
    failed.exception()  # or it would complain when it is thrown away
    size = module.Future.__basicsize__ // 8 * 8
    layout.result = search.first(id(finished), size, id(result), "the result of a future")
    layout.exception = search.first(id(failed), size, id(error), "the exception of a future")
    samples = [(id(pending), 0), (id(cancelled), 1), (id(finished), 2)]
    layout.state = search.int32_where(size, samples, "the state of a future", HEAD)
    layout.pending = 0


def _linked_list(
    search: Search, layout: TaskLayout, module: Any, loop: _FakeLoop, task: Any
) -> None:
    """Find the list of tasks that hangs on each thread from 3.14 on, and the task that runs.

    A new task goes to the list's end: the last but one points to it, it to the list's head.
    """
    other = _waits(_Awaitable(None))
    last = module.Task(other, loop=loop)
    size = module.Task.__basicsize__
    words = search.words(id(task), size)
    places = [index * WORD for index, word in enumerate(words) if word == id(last) + index * WORD]
    layout.node = only(places, "the node of a task")
    own = python_api()[0]()
    layout.thread_tasks = search.memory.word(id(last) + layout.node) - own
    if not 0 < layout.thread_tasks < _LARGEST_THREAD_STATE:
        raise CalibrationError("where a thread keeps its tasks could not be proven")
    module._enter_task(loop, task)  # noqa: SLF001 - what asyncio itself calls
    try:
        layout.thread_running = search.first(
            own, layout.thread_tasks + 8 * WORD, id(task), "a thread's running task"
        )
    finally:
        module._leave_task(loop, task)  # noqa: SLF001 - likewise
    other.close()


def _finish(coroutine: Any, future: Any) -> None:
    """Leave nothing that would complain when it is thrown away."""
    coroutine.close()
    future.cancel()
