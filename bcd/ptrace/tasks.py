"""The asyncio tasks: where each one stands, what it waits for, and who waits for it."""

from __future__ import annotations

import sys
import types

from bcd.ptrace.errors import DeadlineReached
from bcd.ptrace.futures import Futures
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import DICT, WORD
from bcd.ptrace.stacks import Frames, Stacks
from bcd.ptrace.target import Target
from bcd.ptrace.task_waits import Suspended, TaskWaits

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.ptrace.later import Later
    from bcd.ptrace.layout import TaskLayout
    from bcd.ptrace.thread_waits import ThreadWaits

_LONGEST_CHAIN = 1000
_ROOM = 200
"""Characters of a task in a snapshot, besides its frames."""
_MOST_SLOTS = 1 << 18
"""Slots of asyncio's register that are looked at; 2,000 tasks take 8,192, which is half empty."""
_LIMITS = ("tasks", "tasks_with_variables")
_REGISTERS = ("_all_tasks", "_scheduled_tasks", "_eager_tasks")
"""Names in ``asyncio.tasks``: 3.11 has the first, 3.12 and later the other two."""


class Tasks:
    """Reads the tasks of one interpreter.

    Args:
        target: The process that is read.
        frames: Reads its frames.
        stacks: Reads its threads, for the frames of tasks that run.
        layout: Where tasks keep what.
        threads: What its threads wait for.
    """

    def __init__(
        self,
        target: Target,
        frames: Frames,
        stacks: Stacks,
        layout: TaskLayout,
        threads: ThreadWaits,
    ) -> None:
        self._target = target
        self._memory = target.memory
        self._objects = target.objects
        self._layout = layout
        self._frames = frames
        self._stacks = stacks
        self._futures = Futures(target, layout)
        self.handled: dict[str, int] = {}
        """Id of a task → address of the exception that its coroutines handle."""
        self._waits = TaskWaits(target, frames, self._futures, threads)
        generator = target.layout.generator
        own = {name: target.objects.static(kind) for name, kind in generator.types.items()}
        self._wraps = {
            own["asend"]: generator.async_send_target,
            own["athrow"]: generator.async_throw_target,
            own["wrapper"]: generator.wrapped,
        }
        self._suspending = (
            own["coroutine"],
            own["async_generator"],
            target.objects.static(types.GeneratorType),
        )

    def read(self, to_blame: set[int], later: Later) -> list[dict[str, object]]:
        """All tasks that are not done, as in a snapshot, in the order of asyncio's register.

        Args:
            to_blame: Addresses of the tasks that are marked as faulted and come first, so that
                no limit leaves them out.
            later: Where the variables of the others are put off to.
        """
        names = self._stacks.module_dict("asyncio.tasks")
        if not names:
            return []
        running = self._running(names)
        limit, with_variables = (self._target.limits[name] for name in _LIMITS)
        addresses = self._pending(names, to_blame, limit + 1)
        if len(addresses) > limit:
            self._target.remarks.cut(f"more than {limit:,} tasks, {limit:,} kept")
        entries: list[dict[str, object]] = []
        for address in addresses[:limit]:
            if self._target.budget.is_late:
                self._target.remarks.cut(f"tasks: {len(entries):,} until the time was over")
                break
            variables = len(entries) < with_variables
            put_off = None if address in to_blame else later
            try:
                entry = self._task(address, running, variables=variables, later=put_off)
                entries.append({**entry, "faulted": True} if address in to_blame else entry)
            except (DeadlineReached, *FAULTS) as fault:
                self._target.remarks.note(f"task at {address:#x}: {fault}")
        if len(entries) > with_variables:
            self._target.remarks.cut(f"variables of tasks: the first {with_variables} tasks")
        self._tell_waits(entries)
        known = {hex(address) for address in addresses[:limit]}
        for entry in entries:
            waiting = map(hex, self._futures.awaited_by(int(str(entry["id"]), 16)))
            entry["awaited_by"] = [task for task in waiting if task in known]
        return entries

    def deadlocks(self) -> list[str]:
        """A sentence for each circle of tasks that wait for each other."""
        return self._waits.deadlocks()

    def _tell_waits(self, entries: list[dict[str, object]]) -> None:
        """Say of each task what it waits for, once all that may hold it are known."""
        by_id = {entry["id"]: entry for entry in entries}
        for task in self._waits.tasks:
            try:
                self._waits.tell(task, by_id[hex(task.address)])
            except (DeadlineReached, *FAULTS) as fault:
                self._target.remarks.note(f"what the task at {task.address:#x} waits for: {fault}")

    # Finding the tasks

    def _pending(self, names: int, first: set[int], most: int) -> list[int]:
        """The tasks that are not done, each once; those of ``first`` before all others.

        The register is searched for these whatever its size, for an address proves nothing.
        """
        found: dict[int, None] = {}
        sought = set(first)
        for task in self._registered(names):
            if task in sought or len(found) < most:
                found[task] = None
                sought.discard(task)
            if not sought and len(found) >= most:
                break
        return sorted(found, key=lambda task: task not in first)

    def _registered(self, names: int) -> Iterator[int]:
        for register in _REGISTERS:
            try:
                holder = self._objects.lookup(names, register)
                for task in self._members(holder) if holder else ():
                    if self._is_pending(task):
                        yield task
            except FAULTS as fault:
                self._target.remarks.note(f"asyncio.tasks.{register}: {fault}")
        if sys.version_info >= (3, 14):
            yield from self._linked()

    def _linked(self) -> Iterator[int]:
        """The pending tasks that hang on the threads (3.14+)."""
        for state in self._stacks.states():
            head = state + self._layout.thread_tasks
            seen = {head}
            try:
                node = self._memory.word(head)
                while node and node not in seen:
                    seen.add(node)
                    if self._is_pending(node - self._layout.node):
                        yield node - self._layout.node
                    node = self._memory.word(node)
            except FAULTS as fault:
                self._target.remarks.note(f"the tasks of a thread: {fault}")

    def _members(self, holder: int) -> Iterator[int]:
        """The items of a set, or what the references in a WeakSet refer to."""
        info = self._objects.type_of(holder)
        if self._objects.is_a(info, set):
            yield from self._objects.set_items(holder, _MOST_SLOTS)
            return
        data = self._objects.attribute(holder, "data")
        if not data:
            return
        if self._objects.set_slots(data) > _MOST_SLOTS:
            self._target.remarks.cut("tasks: their register is too large to be searched whole")
        for reference in self._objects.set_items(data, _MOST_SLOTS):
            task = self._memory.word(reference + self._target.layout.misc.weakref)
            if task and task != self._objects.static(None):
                yield task

    def _is_pending(self, task: int) -> bool:
        return self._futures.is_pending(task)

    def _running(self, names: int) -> dict[int, None]:
        """The tasks that their loops run at this moment."""
        if sys.version_info >= (3, 14):
            running = self._layout.thread_running
            return dict.fromkeys(self._memory.word(s + running) for s in self._stacks.states())
        found: dict[int, None] = {}
        try:
            current = self._objects.lookup(names, "_current_tasks")
            if current and self._objects.type_of(current).flags & DICT:
                for _loop, task in self._objects.dict_items(current):
                    found[task] = None
        except FAULTS as fault:
            self._target.remarks.note(f"asyncio.tasks._current_tasks: {fault}")
        return found

    # Reading one task

    def _task(
        self,
        address: int,
        running: dict[int, None],
        *,
        variables: bool,
        later: Later | None,
    ) -> dict[str, object]:
        waiter = self._futures.part(address, self._layout.waiter, "_fut_waiter")
        if waiter == self._objects.static(None):
            waiter = 0
        coroutine = self._futures.part(address, self._layout.coroutine, "_coro")
        state = "running" if address in running else "waiting" if waiter else "ready"
        self._futures.note(address, waiter)
        frames = self._frames_of(coroutine, state)
        if state != "running":  # its thread handles it
            self._note_handled(address, frames)
        self._waits.know(Suspended(address, waiter, frames))
        self._target.budget.count_room(_ROOM)
        what = f"task {address:#x}"
        return {
            "id": hex(address),
            "name": self._futures.name(address),
            "state": state,
            "waiting_for": None,
            "awaited_by": [],
            "frames": self._stacks.read_all(frames, what, variables=variables, later=later),
        }

    def _frames_of(self, coroutine: int, state: str) -> list[int]:
        """The addresses of a task's frames, innermost first."""
        addresses: list[int] = []
        if state == "running":
            try:
                addresses = self._running_frames(coroutine)
            except FAULTS as fault:  # while the program goes on it may be anywhere
                self._target.remarks.note(f"the stack of a task that runs: {fault}")
        return addresses or self._chain(coroutine)[::-1]

    def _note_handled(self, task: int, frames: list[int]) -> None:
        """Note the exception that the innermost of its coroutines handles, of those that do."""
        layout = self._target.layout.generator
        none = self._objects.static(None)
        for frame in frames:
            error = self._memory.word(frame - layout.frame + layout.handled)
            if error and error != none:
                self.handled[hex(task)] = error
                return

    def _frame_of(self, generator: int) -> int:
        return generator + self._target.layout.generator.frame

    def _running_frames(self, coroutine: int) -> list[int]:
        """The part of a thread's stack that belongs to a running coroutine, innermost first."""
        start = self._frame_of(coroutine)
        for state in self._stacks.states():
            found = []
            for frame in self._frames.walk(self._stacks.current_frame(state)):
                found.append(frame)
                if frame == start:
                    return self._frames.without_own(found) or found[-1:]
        return []

    def _chain(self, awaitable: int) -> list[int]:
        """Frames of suspended coroutines and generators, outermost first, by what each awaits."""
        found: list[int] = []
        for _ in range(_LONGEST_CHAIN):
            kind = self._objects.type_address(awaitable)
            if kind in self._wraps:
                awaitable = self._memory.word(awaitable + self._wraps[kind])
                continue
            if kind not in self._suspending:
                break
            state = self._memory.byte(awaitable + self._target.layout.generator.state)
            frame = self._frame_of(awaitable)
            if state in self._target.layout.generator.finished:
                break
            found.append(frame)
            if state not in self._target.layout.generator.suspended:
                break
            awaitable = self._awaits(frame)
            if not awaitable:
                break
        return found

    def _awaits(self, frame: int) -> int:
        """What a suspended frame waits for: it stands on top of the frame's stack."""
        layout = self._target.layout.frame
        code = self._frames.code_of(frame)
        if code is None:
            return 0
        top = self._stack_end(frame) - layout.awaited_below_top * WORD
        if top < frame + layout.variables + len(code.names) * WORD:
            return 0
        return self._memory.word(top) & self._target.layout.pointer_mask

    def _stack_end(self, frame: int) -> int:
        layout = self._target.layout.frame
        if layout.stack_is_pointer:
            return self._memory.word(frame + layout.stack_top)
        depth = self._memory.int32(frame + layout.stack_top)
        return frame + layout.variables + depth * WORD
