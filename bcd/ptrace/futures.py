"""asyncio's futures and tasks as objects, and which task waits for which."""

from __future__ import annotations

import sys
import types

from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import LIST, STR, TUPLE

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bcd.ptrace.layout import TaskLayout
    from bcd.ptrace.target import Target

_MOST_CALLBACKS = 16
_MOST_WAITING = 1000
_OF_C = frozenset({"_asyncio.Future", "_asyncio.Task"})
_TASKS = frozenset({"_asyncio.Task", "asyncio.tasks.Task"})
_FUTURES = frozenset({"_asyncio.Future", "asyncio.futures.Future"})


class _Told:
    """What a callback says of who waits for the task that calls it.

    Attributes:
        futures: The futures that it sets.
        parents: The tasks that it tells.
    """

    __slots__ = ("futures", "parents")

    def __init__(self) -> None:
        self.futures: list[int] = []
        self.parents: list[int] = []


class Futures:
    """Reads futures and collects who waits for whom.

    Args:
        target: The process that is read.
        layout: Where tasks and futures keep what.
    """

    def __init__(self, target: Target, layout: TaskLayout) -> None:
        self._target = target
        self._memory = target.memory
        self._objects = target.objects
        self._layout = layout
        self._waiting: dict[int, list[int]] = {}
        self._told: dict[int, list[int]] = {}
        self._names: dict[int, frozenset[str]] = {}
        self._callbacks: dict[int, _Told] = {}
        self.completions: dict[int, int] = {}
        """Queue of an ``as_completed`` → the callback that fills it; until 3.12."""

    def is_python_task(self, task: int) -> bool:
        """Whether a task or future is of asyncio's Python class, which keeps all in attributes."""
        return _OF_C.isdisjoint(self._bases(task))

    def is_task(self, address: int) -> bool:
        """Whether a future is a task, of either class."""
        return not _TASKS.isdisjoint(self._bases(address))

    def is_pending(self, future: int) -> bool:
        """Whether a future or task is not done."""
        if self.is_python_task(future):
            state = self._objects.attribute(future, "_state")
            return not state or self._objects.name(state) == "PENDING"
        return self._memory.int32(future + self._layout.state) == self._layout.pending

    def name(self, task: int) -> str:
        """The name of a task."""
        name = self.part(task, self._layout.name, "_name")
        if not name:
            return "?"
        if self._objects.type_of(name).flags & STR:
            return self._target.short_text(name, "the name of a task")
        number = self._objects.integer(name)  # 3.13 and later make the text when it is asked for
        return f"Task-{number}"

    def part(self, task: int, offset: int, attribute: str) -> int:
        """One member of a task, whichever class it is of; 0 where it has none."""
        if self.is_python_task(task):
            return self._objects.attribute(task, attribute)
        return self._memory.word(task + offset)

    def awaited(self, waiter: int) -> list[int]:
        """The tasks that a waiter stands for: itself, or those that it gathers."""
        if self.is_task(waiter):
            return [waiter]
        if not self._objects.type_of(waiter).full_name.endswith("_GatheringFuture"):
            return []
        children = self._objects.attribute(waiter, "_children")
        if not children or not self._objects.type_of(children).flags & (LIST | TUPLE):
            return []
        return list(self._objects.sequence(children, self._target.limits["tasks"])[0])

    def note(self, task: int, waiter: int) -> None:
        """Remember what a task waits for, 0 for nothing, and whom it tells when it is done."""
        if waiter:
            for awaited in (waiter, *self.awaited(waiter)):
                self._waiting.setdefault(awaited, []).append(task)
        try:
            for callback in self.callbacks(task):
                self._note_callback(task, callback)
        except FAULTS as fault:
            self._target.remarks.note(f"callbacks of the task at {task:#x}: {fault}")

    def wait_for_next(self, task: int, completions: int) -> None:
        """Remember that a task waits for the next of an ``as_completed``: its queue or itself."""
        self._waiting.setdefault(completions, []).append(task)

    def awaited_by(self, task: int) -> list[int]:
        """The tasks that wait for a task, each once, once all tasks were noted."""
        found = dict.fromkeys(self._waiting.get(task, ()))
        for told in self._told_by(task):
            found.update(dict.fromkeys(self._waiting.get(told, ())))
        if sys.version_info >= (3, 14):
            try:
                found.update(dict.fromkeys(self._known_to_asyncio(task)))
            except FAULTS as fault:
                self._target.remarks.note(f"who waits for the task at {task:#x}: {fault}")
        found.pop(task, None)
        return list(found)

    def _told_by(self, task: int) -> list[int]:
        """The futures that are set when a task is done, and those that are set by them in turn."""
        told = list(self._told.get(task, ()))
        for future in told:
            if len(told) > _MOST_WAITING:
                break
            if future not in self._waiting:
                told += [other for other in self._told_by_future(future) if other not in told]
        return told

    def _told_by_future(self, future: int) -> list[int]:
        if future not in self._told and not _FUTURES.isdisjoint(self._bases(future)):
            self._told[future] = []
            self.note(future, 0)
        return self._told.get(future, [])

    def _known_to_asyncio(self, task: int) -> Iterator[int]:
        """The tasks that asyncio itself knows to wait for a task, through futures or not (3.14+).

        Libraries tell it too: anyio's task groups do.
        """
        seen = [task]
        for thing in seen:
            if thing != task and self.is_task(thing):
                yield thing
            elif len(seen) <= _MOST_WAITING and not _OF_C.isdisjoint(self._bases(thing)):
                seen += [other for other in self._waits_for(thing) if other not in seen]

    def _waits_for(self, future: int) -> list[int]:
        held = self._memory.word(future + self._layout.awaited_by)
        if not held:
            return []
        if self._objects.is_a(self._objects.type_of(held), set):
            return list(self._objects.set_items(held))
        return [held]

    def _bases(self, address: int) -> frozenset[str]:
        """The full names of the types that an object is of."""
        kind = self._objects.type_address(address)
        known = self._names.get(kind)
        if known is None:
            types_ = map(self._objects.type_info, self._objects.type_info(kind).mro)
            known = self._names[kind] = frozenset(base.full_name for base in types_)
        return known

    def callbacks(self, task: int) -> Iterator[int]:
        """What is called when a task is done; a task of C keeps the first one by itself."""
        if not self.is_python_task(task):
            first = self._memory.word(task + self._layout.callback)
            if first:
                yield first
        others = self.part(task, self._layout.callbacks, "_callbacks")
        if not others or not self._objects.type_of(others).flags & LIST:
            return
        for entry in self._objects.sequence(others, _MOST_CALLBACKS)[0]:
            yield from self._objects.sequence(entry, 1)[0]

    def _note_callback(self, task: int, callback: int) -> None:
        """Note what a callback says; the tasks of one gathering have one in common."""
        told = self._callbacks.get(callback) or _Told()
        try:
            if callback not in self._callbacks:
                self._ask(callback, told)
                self._callbacks[callback] = told
        finally:  # what was found before a fault counts
            if told.futures:
                self._told.setdefault(task, []).extend(told.futures)
            if told.parents:
                self._waiting.setdefault(task, []).extend(told.parents)

    def _ask(self, callback: int, told: _Told) -> None:
        """Find for whom a task is waited for.

        A TaskGroup is told by a bound method and knows its parent. ``wait`` and ``shield`` are
        told by closures, and 3.11's ``wait_for`` by a partial, that hold the future awaited.
        ``as_completed`` is told by a closure that holds its queue, from 3.13 on by a method.
        """
        kind = self._objects.type_address(callback)
        if kind == self._objects.static(types.MethodType):
            owner = self._memory.word(callback + self._target.layout.misc.method_self)
            told.parents.extend(self._parent_of_group(owner))
            if self._objects.type_of(owner).full_name == "asyncio.tasks._AsCompletedIterator":
                told.futures.append(owner)
        elif kind == self._objects.static(types.FunctionType):
            held = self._closure(callback)
            told.futures.extend(self._futures_in(held))
            told.futures.extend(self._queues_in(held, callback))
            told.parents.extend(self._hosts_in(held))
        elif self._objects.type_info(kind).full_name == "functools.partial":
            args = self._memory.word(callback + self._target.layout.misc.partial_args)
            told.futures.extend(self._futures_in(self._objects.sequence(args, 1)[0]))

    def _queues_in(self, held: list[int], callback: int) -> Iterator[int]:
        for owner in held:
            if self._objects.type_of(owner).full_name == "asyncio.queues.Queue":
                self.completions[owner] = callback
                yield owner

    def _parent_of_group(self, owner: int) -> Iterator[int]:
        if self._objects.type_of(owner).full_name == "asyncio.taskgroups.TaskGroup":
            parent = self._objects.attribute(owner, "_parent_task")
            if parent:
                yield parent

    def _hosts_in(self, held: list[int]) -> Iterator[int]:
        """A task of anyio's task group tells a closure, which holds the group."""
        for owner in held:
            if self._objects.type_of(owner).full_name != "anyio._backends._asyncio.TaskGroup":
                continue
            scope = self._objects.attribute(owner, "cancel_scope")
            host = self._objects.attribute(scope, "_host_task") if scope else 0
            if host:
                yield host

    def _closure(self, function: int) -> list[int]:
        misc = self._target.layout.misc
        closure = self._memory.word(function + misc.function_closure)
        if not closure:
            return []
        cells = self._objects.sequence(closure, _MOST_CALLBACKS)[0]
        return [content for cell in cells if (content := self._memory.word(cell + misc.cell))]

    def _futures_in(self, held: Iterable[int]) -> Iterator[int]:
        """Those that a callback may set; from 3.14 on it knows the task that waits, too."""
        for address in held:
            if not _FUTURES.isdisjoint(self._bases(address)) and not self.is_task(address):
                yield address
