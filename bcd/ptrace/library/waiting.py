"""What threads and tasks wait for: locks, events, queues, futures; and they themselves."""

from __future__ import annotations

import _thread
import sys

from bcd.ptrace.calibrate.search import Search, only
from bcd.ptrace.errors import CalibrationError, MemoryFault
from bcd.ptrace.library.forms import attribute, form, number
from bcd.ptrace.locks import Locks
from bcd.ptrace.objects import STR, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bcd.ptrace.layout import TaskLayout
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

HEAD = object.__basicsize__
_SAMPLES = 3
"""Of each kind, because the bytes between members are padding and can hold anything."""


# Locks


def _locks(renderer: Renderer, _search: Search) -> Show:
    locks = Locks(renderer.memory)

    def show(address: int, info: TypeInfo, depth: int) -> str:
        taken = locks.is_locked(address)
        if taken is None:
            return renderer.instances.bare(address, info, depth)
        return f"<{'locked' if taken else 'unlocked'} {info.full_name} object at {address:#x}>"

    return show


def _reentrant_locks(renderer: Renderer, _search: Search) -> Show:
    locks = Locks(renderer.memory)

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        owner = locks.owner(address)
        times = locks.count(address) if owner else 0
        state = "locked" if times else "unlocked"
        where = f"at {address:#x}"
        return f"<{state} {info.full_name} object owner={owner} count={times} {where}>"

    return show


# Of threading: made of locks, in Python


def _is_true(renderer: Renderer, address: int, name: str) -> bool:
    return attribute(renderer, address, name) == renderer.objects.static(True)


def _events(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, _depth: int) -> str:
        state = "set" if _is_true(renderer, address, "_flag") else "unset"
        return f"<{info.full_name} at {address:#x}: {state}>"

    return show


def _conditions(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, _info: TypeInfo, depth: int) -> str:
        lock = renderer.inner(attribute(renderer, address, "_lock"), depth - 1)
        waiters = renderer.memory.word(attribute(renderer, address, "_waiters") + HEAD)
        return f"<Condition({lock}, {waiters})>"

    return show


def _barriers(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, _depth: int) -> str:
        state, parties, waiting = (
            number(renderer, address, name) for name in ("_state", "_parties", "_count")
        )
        text = "broken" if state < -1 else f"waiters={0 if state else waiting}/{parties}"
        return f"<{info.full_name} at {address:#x}: {text}>"

    return show


_LONGEST_NAME = 200


def _threads(renderer: Renderer, search: Search) -> Show:
    has_ended = _ended_by_handle(renderer, search) if sys.version_info >= (3, 13) else None

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        held = dict(renderer.objects.attributes(address))
        started = _is_true(renderer, held["_started"], "_flag")
        status = "started" if started else "initial"
        if started and (has_ended or _ended_by_lock(renderer))(held):
            status = "stopped"
        if held["_daemonic"] == renderer.objects.static(True):
            status += " daemon"
        ident = held.get("_ident", 0)
        if ident and ident != renderer.objects.static(None):
            status += f" {renderer.objects.integer(ident)}"
        name, length = renderer.objects.text(held["_name"], _LONGEST_NAME)
        if length > _LONGEST_NAME:
            renderer.mark_cut()
            name += "…"
        return f"<{info.short}({renderer.redactor.text(name)}, {status})>"

    return show


def _ended_by_lock(renderer: Renderer) -> Callable[[dict[str, int]], bool]:
    """Before 3.13: a thread has a lock that its end releases."""

    def has_ended(held: dict[str, int]) -> bool:
        lock = held.get("_tstate_lock", 0)
        if held["_is_stopped"] == renderer.objects.static(True):
            return True
        return bool(lock) and renderer.inner(lock, 1).startswith("<unlocked")

    return has_ended


_HANDLE_SIZE = 96
"""Bytes of a ThreadHandle. Source: CPython Modules/_threadmodule.c: 80 to 104 in 3.13 to 3.15."""


def _ended_by_handle(renderer: Renderer, search: Search) -> Callable[[dict[str, int]], bool]:
    """From 3.13 on: a thread has a handle, whose event its end sets."""
    running, ended = _sample_handles()
    try:
        data = [
            [search.memory.read(search.memory.word(id(h) + HEAD), _HANDLE_SIZE) for h in handles]
            for handles in (running, ended)
        ]
    finally:
        for handle, lock in running.items():
            lock.release()
            handle.join()
    found = [
        at
        for at in range(_HANDLE_SIZE)
        if {one[at] for one in data[0]} == {0} and {one[at] for one in data[1]} == {1}
    ]
    event = only(found, "whether a thread has ended")

    def has_ended(held: dict[str, int]) -> bool:
        handle = held.get("_os_thread_handle") or held["_handle"]
        return renderer.memory.byte(renderer.memory.word(handle + HEAD) + event) == 1

    return has_ended


def _sample_handles() -> tuple[dict[Any, Any], list[Any]]:
    """Handles of threads that run until their lock is released, and of threads that have ended."""
    start: Any = _thread.start_joinable_thread  # type: ignore[attr-defined] # from 3.13 on
    running = {}
    for _ in range(_SAMPLES):
        lock = _thread.allocate_lock()
        lock.acquire()
        running[start(lock.acquire)] = lock
    ended = [start(_thread.get_ident) for _ in range(_SAMPLES)]
    for handle in ended:
        handle.join()
    return running, ended


# Of asyncio


def _bracketed(state: Callable[[Renderer, dict[str, int]], str]) -> Maker:
    """What shows its state in brackets behind what ``object.__repr__`` shows."""

    def make(renderer: Renderer, _search: Search) -> Show:
        def show(address: int, info: TypeInfo, _depth: int) -> str:
            held = dict(renderer.objects.attributes(address))
            text = state(renderer, held)
            waiters = held.get("_waiters", 0)
            if waiters and waiters != renderer.objects.static(None):
                count = renderer.memory.word(waiters + HEAD)
                text += f", waiters:{count}" if count else ""
            return f"<{info.full_name} object at {address:#x} [{text}]>"

        return show

    return make


def _event_state(renderer: Renderer, held: dict[str, int]) -> str:
    return "set" if held["_value"] == renderer.objects.static(True) else "unset"


def _lock_state(renderer: Renderer, held: dict[str, int]) -> str:
    return "locked" if held["_locked"] == renderer.objects.static(True) else "unlocked"


def _semaphore_state(renderer: Renderer, held: dict[str, int]) -> str:
    value = renderer.objects.integer(held["_value"])
    return f"unlocked, value:{value}" if value else "locked"


def _condition_state(renderer: Renderer, held: dict[str, int]) -> str:
    return _lock_state(renderer, dict(renderer.objects.attributes(held["_lock"])))


def _queues(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        held = dict(renderer.objects.attributes(address))
        parts = [f"maxsize={renderer.objects.integer(held['_maxsize'])}"]
        queue = renderer.inner(held["_queue"], depth - 1)
        items = queue.removeprefix("deque(").removesuffix(")")
        parts += [f"_queue={items}"] if items != "[]" else []
        for name in ("_getters", "_putters"):
            count = renderer.memory.word(held[name] + HEAD)
            parts += [f"{name}[{count}]"] if count else []
        tasks = renderer.objects.integer(held["_unfinished_tasks"])
        parts += [f"tasks={tasks}"] if tasks else []
        if held.get("_is_shutdown") == renderer.objects.static(True):
            parts.append("shutdown")
        return f"<{info.short} at {address:#x} {' '.join(parts)}>"

    return show


def _futures(renderer: Renderer, _search: Search) -> Show:
    layout = _layout(renderer)

    def show(address: int, info: TypeInfo, depth: int) -> str:
        return f"<{info.short} {' '.join(_future_parts(renderer, layout, address, depth))}>"

    return show


def _layout(renderer: Renderer) -> TaskLayout:
    layout = renderer.objects.layout.task
    if layout is None:
        raise CalibrationError("this interpreter has no _asyncio")
    return layout


def _future_parts(renderer: Renderer, layout: TaskLayout, address: int, depth: int) -> list[str]:
    state = renderer.memory.int32(address + layout.state)
    if state == layout.pending:
        return ["pending"]
    if state == layout.pending + 1:
        return ["cancelled"]
    for name, offset in (("exception", layout.exception), ("result", layout.result)):
        value = renderer.memory.word(address + offset)
        if value and value != renderer.objects.static(None):
            return ["finished", f"{name}={renderer.inner(value, depth - 1)}"]
    return ["finished", "result=None"]


def _tasks(renderer: Renderer, _search: Search) -> Show:
    layout = _layout(renderer)
    memory = renderer.memory

    def show(address: int, info: TypeInfo, depth: int) -> str:
        state, *rest = _future_parts(renderer, layout, address, depth)
        parts = [state, f"name={_task_name(renderer, memory.word(address + layout.name))}"]
        coroutine, waiter = (memory.word(address + at) for at in (layout.coroutine, layout.waiter))
        if coroutine and coroutine != renderer.objects.static(None):
            parts.append(f"coro=<{_coroutine(renderer, coroutine)}>")
        if waiter and waiter != renderer.objects.static(None):
            parts.append(f"wait_for={renderer.inner(waiter, depth - 1)}")
        return f"<{info.short} {' '.join(parts + rest)}>"

    return show


def _task_name(renderer: Renderer, name: int) -> str:
    if renderer.objects.type_of(name).flags & STR:
        return renderer.inner(name, 1)
    return f"'Task-{renderer.objects.integer(name)}'"  # 3.13 and later make the text when asked


def _coroutine(renderer: Renderer, address: int) -> str:
    """Source: CPython Lib/asyncio/coroutines.py, ``_format_coroutine``."""
    layout = renderer.objects.layout.generator
    frame = address + layout.frame
    state = renderer.memory.byte(address + layout.state)
    if "coroutine" not in renderer.objects.type_of(address).full_name:
        raise MemoryFault(f"no coroutine at {address:#x}")
    name = renderer.objects.name(renderer.memory.word(address + layout.qualname))
    if state in layout.finished:
        return f"{name}() done"
    code = renderer.codes.of_frame(frame)
    if code is None:
        return f"{name}()"
    return f"{name}() running at {code.file}:{renderer.codes.line(frame, code)}"


MADE_IN_C: dict[str, Maker] = {
    "_thread.lock": _locks,
    "_thread.RLock": _reentrant_locks,
    "_asyncio.Future": _futures,
    "_asyncio.Task": _tasks,
}
REPRS: dict[str, Maker] = {
    "threading.Event": _events,
    "threading.Condition": _conditions,
    "threading.Semaphore": form("<{%%} at {@}: value={_value}>"),
    "threading.BoundedSemaphore": form("<{%%} at {@}: value={_value}/{_initial_value}>"),
    "threading.Barrier": _barriers,
    "threading.Thread": _threads,
    "asyncio.locks.Event": _bracketed(_event_state),
    "asyncio.locks.Lock": _bracketed(_lock_state),
    "asyncio.locks.Semaphore": _bracketed(_semaphore_state),
    "asyncio.locks.BoundedSemaphore": _bracketed(_semaphore_state),
    "asyncio.locks.Condition": _bracketed(_condition_state),
    "asyncio.queues.Queue": _queues,
    "asyncio.queues.LifoQueue": _queues,
    "asyncio.queues.PriorityQueue": _queues,
}
