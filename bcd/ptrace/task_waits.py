"""What tasks wait for: the innermost of their coroutines, where the library's own are known.

A suspended task waits for a future, which says nothing of what it is for; the coroutine that
made it does. Where that is none of a library that is known here, the future's callbacks may
tell, and else only its type is said.
"""

from __future__ import annotations

import sys
import types

from bcd.ptrace.circles import circles
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import EXCEPTION
from bcd.ptrace.thread_waits import ThreadWaits
from bcd.ptrace.waits import Fields, Wait, is_finite, seconds

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.ptrace.codes import Code
    from bcd.ptrace.futures import Futures
    from bcd.ptrace.stacks import Frames
    from bcd.ptrace.target import Target

    Step = Callable[[int], Wait | None]

_LOCK = ("asyncio/locks.py", "Lock.acquire")
_LOOP = "BaseSelectorEventLoop"
_ANYIO = "anyio/_backends/_asyncio.py"
_COMPLETING = frozenset(
    ("asyncio/tasks.py", f"{where}._wait_for_one")
    for where in ("as_completed.<locals>", "_AsCompletedIterator")
)
_FINISHED = frozenset({"FINISHED", "CANCELLED", "CANCELLED_AND_NOTIFIED"})
_INNERMOST = 3
"""Frames of a task in which ``as_completed`` is looked for: below it is a queue's alone."""
_MOST_BLOCKS = 1000
_MOST_CELLS = 16
_CHAINS = {
    "_chain_future.<locals>._call_check_cancel": "source",
    "shield.<locals>._outer_done_callback": "inner",
}
"""Callbacks of asyncio → their free variable that holds what the future is chained to."""


class Suspended:
    """A task that was read.

    Attributes:
        address: Of the task.
        waiter: The future that it waits for, 0 where there is none.
        frames: Addresses of its frames, innermost first.
    """

    __slots__ = ("address", "frames", "waiter")

    def __init__(self, address: int, waiter: int, frames: list[int]) -> None:
        self.address = address
        self.waiter = waiter
        self.frames = frames


class TaskWaits:
    """Reads what the tasks of one interpreter wait for.

    Args:
        target: The process that is read.
        frames: Reads its frames.
        futures: Reads its futures.
        threads: Knows its threads.
    """

    def __init__(
        self, target: Target, frames: Frames, futures: Futures, threads: ThreadWaits
    ) -> None:
        self._target = target
        self._objects = target.objects
        self._frames = frames
        self._futures = futures
        self._threads = threads
        self._evaluation = threads.evaluation
        self._fields = Fields(target)
        self.tasks: list[Suspended] = []
        """The tasks that were read, in that order."""
        self._places: dict[int, tuple[str, str]] = {}
        self._blocks: dict[int, dict[int, None]] | None = None
        self._waiting: dict[int, int] = {}
        self._said: dict[int, str] = {}
        library = sys._stdlib_dir  # type: ignore[attr-defined] # noqa: SLF001 - without os.py
        self._library = f"{library}/"
        self._steps: dict[tuple[str, str], Step] = {
            _LOCK: self._lock,
            ("asyncio/locks.py", "Event.wait"): self._words("{at} to be set"),
            ("asyncio/locks.py", "Condition.wait"): self._words("{at} to be notified"),
            ("asyncio/locks.py", "Condition.wait_for"): self._words("{at} to be notified"),
            ("asyncio/locks.py", "Semaphore.acquire"): self._words("{at}"),
            ("asyncio/locks.py", "Barrier._block"): self._words("{at}"),
            ("asyncio/locks.py", "Barrier._wait"): self._words("{at}"),
            ("asyncio/locks.py", "Barrier.wait"): self._words("{at}"),
            ("asyncio/queues.py", "Queue.get"): self._words("an item of {at}"),
            ("asyncio/queues.py", "Queue.put"): self._room,
            ("asyncio/queues.py", "Queue.join"): self._unfinished,
            ("asyncio/tasks.py", "sleep"): self._sleep,
            ("asyncio/tasks.py", "_wait"): self._several,
            ("asyncio/tasks.py", "wait_for"): self._inner_task,
            **dict.fromkeys(_COMPLETING, self._next_completed),
            ("asyncio/taskgroups.py", "TaskGroup.__aexit__"): self._group,
            ("asyncio/taskgroups.py", "TaskGroup._aexit"): self._group,
            ("asyncio/streams.py", "StreamReader._wait_for_data"): self._data,
            ("asyncio/streams.py", "FlowControlMixin._drain_helper"): self._drain,
            ("asyncio/base_events.py", "Server.serve_forever"): self._words("connections to {at}"),
            ("asyncio/base_subprocess.py", "BaseSubprocessTransport._wait"): self._process,
            ("asyncio/selector_events.py", f"{_LOOP}.sock_recv"): self._socket,
            ("asyncio/selector_events.py", f"{_LOOP}.sock_recv_into"): self._socket,
            ("asyncio/selector_events.py", f"{_LOOP}.sock_recvfrom"): self._socket,
            ("asyncio/selector_events.py", f"{_LOOP}.sock_sendall"): self._socket,
            ("asyncio/selector_events.py", f"{_LOOP}.sock_connect"): self._socket,
            ("asyncio/selector_events.py", f"{_LOOP}.sock_accept"): self._socket,
            (_ANYIO, "Lock.acquire"): self._owned_lock,
            (_ANYIO, "Event.wait"): self._words("{at} to be set"),
            (_ANYIO, "Semaphore.acquire"): self._words("{at}"),
            (_ANYIO, "CapacityLimiter.acquire_on_behalf_of"): self._words("{at}"),
            (_ANYIO, "TaskGroup.__aexit__"): self._group,
            ("anyio/streams/memory.py", "MemoryObjectReceiveStream.receive"): self._words(
                "an item of {at}"
            ),
            ("anyio/streams/memory.py", "MemoryObjectSendStream.send"): self._words("room in {at}"),
        }

    def know(self, task: Suspended) -> None:
        """Remember a task: it may hold what others wait for."""
        self.tasks.append(task)
        for frame in task.frames[:_INNERMOST]:
            if self._place(frame) in _COMPLETING:
                self._futures.wait_for_next(task.address, self._completions(frame))

    def tell(self, task: Suspended, entry: dict[str, object]) -> None:
        """Say of a task of a snapshot what it waits for and who holds it."""
        if not task.waiter:
            return
        wait = self._of_coroutines(task) or self._of_future(task.waiter)
        limit = self._limit(task)
        entry["waiting_for"] = wait.words + limit
        if wait.holder:
            entry["held_by"] = hex(wait.holder)
            if not limit:
                self._waiting[task.address] = wait.holder
                self._said[task.address] = wait.words

    def deadlocks(self) -> list[str]:
        """A sentence for each circle of the tasks that were told of."""
        name = self._futures.name
        return [
            "; ".join(f"task {name(task)} waits for {self._said[task]}" for task in circle)
            for circle in circles(self._waiting)
        ]

    # By its coroutines

    def _of_coroutines(self, task: Suspended) -> Wait | None:
        wait = None
        for frame in task.frames:
            place = self._place(frame)
            step = self._steps.get(place)
            if step is None:
                break
            wait = step(frame) or wait
            if place == _LOCK:  # what takes it again, such as a Condition, has been notified
                break
        return wait

    def _place(self, frame: int) -> tuple[str, str]:
        """File in the standard library or in anyio, and function, of a frame."""
        code = self._frames.code_of(frame)
        if code is None:
            return "", ""
        place = self._places.get(code.start)
        if place is None:
            place = self._places[code.start] = self._place_of(code)
        return place

    def _place_of(self, code: Code) -> tuple[str, str]:
        _, found, below = code.file.rpartition("/anyio/")
        if found:
            return f"anyio/{below}", code.function
        if not code.file.startswith(self._library):
            return "", ""
        return code.file.removeprefix(self._library), code.function

    def _itself(self, frame: int) -> int:
        return self._evaluation.variable(frame, "self")

    def _words(self, words: str) -> Step:
        """For what the frame's ``self`` says all of."""

        def step(frame: int) -> Wait | None:
            itself = self._itself(frame)
            return Wait(words.format(at=self._fields.at(itself))) if itself else None

        return step

    def _lock(self, frame: int) -> Wait | None:
        lock = self._itself(frame)
        if not lock:
            return None
        held = self._fields.follow(lock, "_locked") == self._objects.static(True)
        holder = self._holder(lock) if held else 0
        return self._held(lock, holder)

    def _owned_lock(self, frame: int) -> Wait | None:
        """A lock of anyio knows its owner."""
        lock = self._itself(frame)
        return self._held(lock, self._fields.follow(lock, "_owner_task")) if lock else None

    def _held(self, lock: int, holder: int) -> Wait:
        by = f" held by task {self._futures.name(holder)}" if holder else ""
        return Wait(f"{self._fields.at(lock)}{by}", holder)

    def _holder(self, lock: int) -> int:
        """The task that holds an ``asyncio.Lock``, which keeps no owner itself; 0 if unproven.

        It is held by whoever stands inside of an ``async with`` block of it, if it is one alone.
        """
        if self._blocks is None:
            self._blocks = {}
            for task in self.tasks:
                for taken in self._taken(task):
                    self._blocks.setdefault(taken, {})[task.address] = None
        holders = list(self._blocks.get(lock, ()))
        return holders[0] if len(holders) == 1 else 0

    def _taken(self, task: Suspended) -> set[int]:
        """Owners of the ``async with`` blocks of a task, less what it has let go in between."""
        let_go: set[int] = set()
        found: set[int] = set()
        for frame in task.frames[:_MOST_BLOCKS]:
            code = self._frames.code_of(frame)
            try:
                if self._place(frame) == ("asyncio/locks.py", "Condition.wait"):
                    let_go.add(self._fields.follow(self._itself(frame), "_lock"))
                blocks = self._evaluation.open_blocks(frame)
                owners = {owner for method, owner in blocks if method == "__aexit__"} - let_go
                if owners and code and not code.mentions("release"):
                    found |= owners
            except FAULTS:
                continue
        return found

    def _room(self, frame: int) -> Wait | None:
        queue = self._itself(frame)
        most = self._fields.count(queue, "_maxsize")
        return Wait(f"room in {self._fields.at(queue)} of at most {most} items") if queue else None

    def _unfinished(self, frame: int) -> Wait | None:
        queue = self._itself(frame)
        count = self._fields.count(queue, "_unfinished_tasks")
        if not queue or count is None:
            return None
        return Wait(f"{self._fields.at(queue)} to have its items done, {count} are not")

    def _sleep(self, frame: int) -> Wait | None:
        length = self._fields.number(self._evaluation.variable(frame, "delay"))
        if length is None:
            return None
        ends = self._fields.follow(self._evaluation.variable(frame, "h"), "_when")
        if not is_finite(length):  # it would be a sleep of "inf s"
            return Wait("a sleep without end")
        words = f"a sleep of {seconds(length)}"
        return Wait(words + self._left(ends, "{} left"), bounded=True)

    def _left(self, ends: int, words: str) -> str:
        """Words for the time until a moment of the loop's clock, "" where that is not known."""
        moment = self._fields.number(ends)
        if moment is None or not is_finite(moment):
            return ""
        return f", {words.format(seconds(max(0.0, moment - self._target.moment)))}"

    def _several(self, frame: int) -> Wait | None:
        number = self._fields.size(self._evaluation.variable(frame, "fs"))
        left = self._fields.number(self._evaluation.variable(frame, "counter"))
        how = self._evaluation.variable(frame, "return_when")
        if number is None or left is None or not how:
            return None
        done = f"{number - left} of {number} done"
        ends = self._fields.follow(self._evaluation.variable(frame, "timeout_handle"), "_when")
        limit = self._left(ends, "for {} more at the most")
        return Wait(f"{number} futures ({self._objects.name(how)}), {done}{limit}")

    def _inner_task(self, frame: int) -> Wait | None:
        """What ``wait_for`` waits for: until 3.11 a task, behind a future of its own."""
        task = self._evaluation.variable(frame, "fut")
        own = self._evaluation.variable(frame, "waiter")
        return self._task(task) if own and task and self._futures.is_task(task) else None

    def _completions(self, frame: int) -> int:
        """What ``as_completed`` keeps its results in, until 3.12 a queue, or itself."""
        return self._evaluation.variable(frame, "done") or self._itself(frame)

    def _next_completed(self, frame: int) -> Wait | None:
        completions = self._completions(frame)
        callback = self._futures.completions.get(completions, 0)
        if callback:
            _, cells = self._function(callback)
            todo, handle = cells.get("todo", 0), cells.get("timeout_handle", 0)
        else:
            todo = self._fields.follow(completions, "_todo")
            handle = self._fields.follow(completions, "_timeout_handle")
        number = self._fields.size(todo)
        if number is None:
            return None
        limit = self._left(self._fields.follow(handle, "_when"), "for {} more at the most")
        return Wait(f"the next of {number} futures{limit}")

    def _task(self, task: int) -> Wait:
        return Wait(f"task {self._futures.name(task)}", task)

    def _group(self, frame: int) -> Wait | None:
        group = self._itself(frame)
        count = self._fields.size(self._fields.follow(group, "_tasks"))
        return None if count is None else Wait(f"{count} tasks of {self._fields.at(group)}")

    def _data(self, frame: int) -> Wait | None:
        reader = self._itself(frame)
        return self._of_transport("data of", reader, self._fields.follow(reader, "_transport"))

    def _drain(self, frame: int) -> Wait | None:
        protocol = self._itself(frame)
        transport = self._fields.follow(protocol, "_transport")
        return self._of_transport("room to write to", protocol, transport)

    def _of_transport(self, what: str, itself: int, transport: int) -> Wait | None:
        """A stream by the descriptor of its transport, or else by its own address."""
        if not itself:
            return None
        for name in ("_sock_fd", "_fileno"):
            number = self._fields.count(transport, name)
            if number is not None:
                return Wait(f"{what} {self._fields.at(itself)}, descriptor {number}")
        return Wait(f"{what} {self._fields.at(itself)}")

    def _process(self, frame: int) -> Wait | None:
        number = self._fields.count(self._itself(frame), "_pid")
        return None if number is None else Wait(f"process {number} to end")

    def _socket(self, frame: int) -> Wait | None:
        sock = self._evaluation.variable(frame, "sock")
        _, function = self._place(frame)
        return self._threads.of_socket(function.rpartition("sock_")[2], sock) if sock else None

    # By its future

    def _of_future(self, waiter: int) -> Wait:
        """What the future itself tells: a task, a gathering, a call in another thread."""
        if self._futures.is_task(waiter):
            return self._task(waiter)
        info = self._objects.type_of(waiter)
        if info.full_name.endswith("_GatheringFuture"):
            children = self._futures.awaited(waiter)
            done = sum(not self._futures.is_pending(child) for child in children)
            return Wait(f"gather of {len(children)} tasks, {done} done")
        if info.flags & EXCEPTION:
            return Wait(info.full_name)
        return self._of_callbacks(waiter) or Wait(self._fields.at(waiter))

    def _of_callbacks(self, waiter: int) -> Wait | None:
        """Whom a future is chained to: one of its callbacks would cancel that one too.

        ``wrap_future`` chains it to a call in a thread of a pool, ``shield`` to a task.
        """
        for callback in self._futures.callbacks(waiter):
            if self._objects.type_address(callback) != self._objects.static(types.FunctionType):
                continue
            name, cells = self._function(callback)
            held = cells.get(_CHAINS.get(name, ""), 0)
            if held and self._objects.type_of(held).full_name == "concurrent.futures._base.Future":
                return self._of_call(held)
            if held and self._futures.is_task(held):
                return self._task(held)
        return None

    def _function(self, function: int) -> tuple[str, dict[str, int]]:
        """The name of a function, and what its free variables hold by their names."""
        misc, word = self._target.layout.misc, self._target.memory.word
        code = self._target.codes.read(word(function + misc.function_code))
        closure = word(function + misc.function_closure)
        cells = self._objects.sequence(closure, _MOST_CELLS)[0] if closure else ()
        if code is None or not cells:
            return "", {}
        names = code.names[-len(cells) :]
        return code.function, {n: word(c + misc.cell) for n, c in zip(names, cells, strict=True)}

    def _of_call(self, future: int) -> Wait:
        thread = self._threads.working_on(future)
        if thread:
            return Wait(f"a call in {self._threads.thread(thread)}")
        state = self._fields.text(future, "_state")
        if state == "PENDING":
            return Wait(f"a call that nobody has begun, {self._fields.at(future)}")
        if state in _FINISHED:
            return Wait(f"a call that is done, {self._fields.at(future)}")
        return Wait(f"a call, {self._fields.at(future)}")

    # Time-outs

    def _limit(self, task: Suspended) -> str:
        """The nearest end that ``asyncio.timeout`` or ``wait_for`` has set."""
        moments = []
        for frame in task.frames[:_MOST_BLOCKS]:
            try:
                ends = self._end_set_by(frame)
            except FAULTS:
                continue
            known = map(self._fields.number, ends)
            moments += [each for each in known if each is not None and is_finite(each)]
        if not moments:
            return ""
        return f", for {seconds(max(0.0, min(moments) - self._target.moment))} more at the most"

    def _end_set_by(self, frame: int) -> list[int]:
        """Where a frame keeps when it gives up; ``wait_for`` of 3.11 has no block but a handle."""
        if self._place(frame) == ("asyncio/tasks.py", "wait_for"):
            handle = self._evaluation.variable(frame, "timeout_handle")
            if handle:
                return [self._fields.follow(handle, "_when")]
        return [
            self._fields.follow(owner, "_when")
            for _, owner in self._evaluation.open_blocks(frame)
            if self._objects.type_of(owner).full_name == "asyncio.timeouts.Timeout"
        ]
