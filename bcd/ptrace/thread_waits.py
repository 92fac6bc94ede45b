"""What threads wait for: the C function that one is in, and the library's steps around it.

Only what is proven is said. A thread waits for a lock if it is inside of the C function that
takes it; from there outwards the standard library's own frames say what the lock is for.
"""

from __future__ import annotations

import sys
from itertools import chain, islice

from bcd.ptrace.circles import circles
from bcd.ptrace.evaluation import Call, Evaluation
from bcd.ptrace.locks import Locks
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.waits import Fields, Wait, seconds

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.ptrace.stacks import Frames, Stacks
    from bcd.ptrace.target import Target

    Step = Callable[[int], Wait | None]

_LOCK, _RLOCK = "_thread.lock", "_thread.RLock"
_TAKING = frozenset({"acquire", "acquire_lock", "__enter__", "_acquire_restore"})
_MOST_FRAMES = 400
_TO_RECEIVE = frozenset({"recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg"})
_TO_SEND = frozenset({"send", "sendall", "sendto", "sendmsg"})


class ThreadWaits:
    """Reads what the threads of one interpreter wait for.

    Args:
        target: The process that is read.
        frames: Reads its frames.
        stacks: Reads its threads.
        names: Ident of a thread → its name and kind.
    """

    def __init__(
        self,
        target: Target,
        frames: Frames,
        stacks: Stacks,
        names: dict[int, tuple[str, bool | None]],
    ) -> None:
        self._target = target
        self._objects = target.objects
        self._frames = frames
        self._stacks = stacks
        self._names = names
        self.evaluation = Evaluation(target, frames)
        """Of the threads, and of the tasks: much of the code of both is the same."""
        self._fields = Fields(target)
        self._locks = Locks(target.memory)
        self._blocks: dict[int, list[int]] | None = None
        self._working: dict[int, int] | None = None
        self._waiting: dict[int, int] = {}
        self._said: dict[int, str] = {}
        library = sys._stdlib_dir  # type: ignore[attr-defined] # noqa: SLF001 - without os.py
        self._library = f"{library}/"
        self._steps: dict[tuple[str, str], Step] = {
            ("threading.py", "Condition.wait"): self._condition,
            ("threading.py", "Condition.wait_for"): self._condition,
            ("threading.py", "Event.wait"): self._event,
            ("threading.py", "Semaphore.acquire"): self._semaphore,
            ("threading.py", "Barrier._enter"): self._barrier,
            ("threading.py", "Barrier._wait"): self._barrier,
            ("threading.py", "Barrier.wait"): self._barrier,
            ("threading.py", "Thread.join"): self._end_of_thread,
            ("threading.py", "Thread._wait_for_tstate_lock"): self._end_of_thread,
            ("threading.py", "_shutdown"): lambda _: Wait("the threads that are no daemons to end"),
            ("queue.py", "Queue.get"): self._item,
            ("queue.py", "Queue.put"): self._room,
            ("queue.py", "Queue.join"): self._unfinished,
            ("concurrent/futures/_base.py", "Future.result"): self._result,
            ("concurrent/futures/_base.py", "Future.exception"): self._result,
            ("concurrent/futures/_base.py", "wait"): self._futures,
            ("concurrent/futures/_base.py", "as_completed"): self._next_future,
            ("concurrent/futures/thread.py", "_worker"): lambda _: Wait("work for its thread pool"),
            ("subprocess.py", "Popen._try_wait"): self._process,
            ("subprocess.py", "Popen._wait"): self._process,
            ("subprocess.py", "Popen._wait_pidfd"): self._process,
            ("subprocess.py", "Popen._communicate"): self._communication,
            ("selectors.py", "EpollSelector.select"): self._events,
            ("selectors.py", "_PollLikeSelector.select"): self._events,
            ("selectors.py", "SelectSelector._select"): self._events,
            ("selectors.py", "SelectSelector.select"): self._events,
            ("asyncio/base_events.py", "BaseEventLoop._run_once"): self._event_loop,
        }

    def tell(self, state: int, thread: dict[str, object]) -> None:
        """Say of a thread of a snapshot what it waits for, as far as that is proven."""
        wait = self.read(state)
        if wait is None:
            return
        thread["waiting_for"] = wait.words
        if wait.holder:
            thread["held_by"] = self._stacks.native_id(wait.holder)
            if not wait.bounded:
                self._waiting[state] = wait.holder
                self._said[state] = wait.words

    def deadlocks(self) -> list[str]:
        """A sentence for each circle of the threads that were told of."""
        return [
            "; ".join(f"{self.thread(state)} waits for {self._said[state]}" for state in circle)
            for circle in circles(self._waiting)
        ]

    def read(self, state: int) -> Wait | None:
        """What a thread waits for, None where that is not proven.

        Args:
            state: The thread's state.
        """
        frames = self._python_frames(state)
        innermost = next(frames, 0)
        call = self._called(innermost) if innermost else None
        wait = self._of_call(call) if call is not None else None
        if wait is None or call is None or call.kind == _RLOCK:
            return wait
        for frame in chain((innermost,), frames):
            step = self._step(frame)
            if step is None:
                break
            wait = step(frame) or wait
        return wait

    def thread(self, state: int) -> str:
        """A thread in words."""
        name, _ = self._names.get(self._stacks.ident(state), (None, None))
        tid = self._stacks.native_id(state)
        return f"thread {tid}" if name is None else f"thread {name!r} (tid {tid})"

    def working_on(self, future: int) -> int:
        """The state of the thread of a pool that works on a ``concurrent.futures.Future``, or 0."""
        if self._working is None:
            self._working = {}
            for state in self._stacks.states():
                for frame in self._python_frames(state):
                    if self._place(frame) == ("concurrent/futures/thread.py", "_WorkItem.run"):
                        item = self.evaluation.variable(frame, "self")
                        self._working[self._fields.follow(item, "future")] = state
        return self._working.get(future, 0)

    # Where a thread stands

    def _called(self, frame: int) -> Call | None:
        """The C function that a frame is in; none of bcd's, which waits for the tracer itself."""
        code = self._frames.code_of(frame)
        if code is None or code.file.startswith(self._frames.own_folder):
            return None
        return self.evaluation.called(frame)

    def _python_frames(self, state: int) -> Iterator[int]:
        """A thread's frames, innermost first; a fault in the stack was noted when it was read."""
        try:
            yield from islice(self._frames.walk(self._stacks.current_frame(state)), _MOST_FRAMES)
        except FAULTS:
            return

    def _place(self, frame: int) -> tuple[str, str]:
        """File in the standard library and function of a frame; empty where it is elsewhere."""
        code = self._frames.code_of(frame)
        if code is None or not code.file.startswith(self._library):
            return "", ""
        return code.file.removeprefix(self._library), code.function

    def _step(self, frame: int) -> Step | None:
        return self._steps.get(self._place(frame))

    def _of_call(self, call: Call) -> Wait | None:
        """What a C function waits for, of those that wait."""
        kind, name = call.kind, call.name
        if kind in (_LOCK, _RLOCK):
            return self._of_lock(call)
        known = _CALLS.get((kind, name))
        if known is not None:
            return Wait(known.format(at=self._fields.at(call.owner)), bounded=True)
        if kind in ("time", "posix"):
            return self._of_system(name, call.arguments)
        if "_socket.socket" in self._bases(call.owner):
            return self.of_socket(name, call.owner)
        return None

    def _of_lock(self, call: Call) -> Wait | None:
        if call.name not in _TAKING:
            return None
        return self._rlock(call) if call.kind == _RLOCK else self._lock(call)

    def _bases(self, address: int) -> list[str]:
        mro = self._objects.type_of(address).mro
        return [self._objects.type_info(base).full_name for base in mro]

    # C functions

    def _lock(self, call: Call) -> Wait:
        words = f"Lock at {call.owner:#x}"
        holder = self._holder(call.owner)
        if holder:
            words += f" held by {self.thread(holder)}"
        return Wait(words, holder, bounded=bool(call.arguments))

    def _rlock(self, call: Call) -> Wait:
        words, holder = f"RLock at {call.owner:#x}", 0
        ident = self._locks.owner(call.owner)
        if ident:
            holder = next((s for s in self._stacks.states() if self._stacks.ident(s) == ident), 0)
            by = self.thread(holder) if holder else f"a thread that has ended (ident {ident})"
            times = self._locks.count(call.owner)
            words += f" held by {by}" + (f", {times} times over" if times > 1 else "")
        bounded = bool(call.arguments) and call.name != "_acquire_restore"
        return Wait(words, holder, bounded=bounded)

    def _holder(self, lock: int) -> int:
        """The state of the thread that holds a Lock, which keeps no owner itself; 0 if unproven.

        It is held by whoever stands inside of a ``with`` block of it, if there is one alone.
        """
        if self._blocks is None:
            self._blocks = self._find_blocks()
        states = self._blocks.get(lock, [])
        if len(states) != 1 or not self._locks.is_locked(lock):
            return 0
        return states[0]

    def _find_blocks(self) -> dict[int, list[int]]:
        """Lock → states of the threads that are inside of a ``with`` block of it.

        Not of a block that may have let it go in between: by its method, or in a Condition.
        """
        found: dict[int, dict[int, None]] = {}
        for state in self._stacks.states():
            let_go: set[int] = set()
            for frame in self._python_frames(state):
                if self._place(frame) == ("threading.py", "Condition.wait"):
                    let_go.add(self._fields.follow(self._itself(frame), "_lock"))
                for lock in self._taken_in(frame) - let_go:
                    found.setdefault(lock, {})[state] = None
        return {lock: list(states) for lock, states in found.items()}

    def _taken_in(self, frame: int) -> set[int]:
        """The owners of the ``with`` blocks of a frame whose code does not let them go by name."""
        code = self._frames.code_of(frame)
        try:
            blocks = self.evaluation.open_blocks(frame)
            owners = {owner for method, owner in blocks if method == "__exit__"}
            return set() if owners and code and code.mentions("release") else owners
        except FAULTS:
            return set()

    def _of_system(self, name: str, arguments: tuple[int, ...]) -> Wait | None:
        number = self._fields.number(arguments[0]) if arguments else None
        if name in _OF_CHILDREN:
            without_waiting = len(arguments) > 1 and self._fields.number(arguments[1])  # WNOHANG
            words = "a child process to end"
            if name in ("waitpid", "wait4") and number is not None and number > 0:
                words = f"process {number} to end"
            return None if without_waiting else Wait(words, bounded=True)
        known = _OF_A_NUMBER.get(name)
        if known is None or number is None:
            return None
        return Wait(known.format(seconds(number) if name == "sleep" else number), bounded=True)

    def of_socket(self, name: str, owner: int) -> Wait | None:
        """What a method of a socket waits for, None where it waits for nothing."""
        number = self._locks.descriptor(owner)
        which = f"socket at {owner:#x}" if number is None else f"the socket of descriptor {number}"
        if name in ("accept", "_accept"):
            return Wait(f"a connection to {which}", bounded=True)
        if name in ("connect", "connect_ex"):
            return Wait(f"{which} to be connected", bounded=True)
        if name in _TO_RECEIVE:
            return Wait(f"data of {which}", bounded=True)
        return Wait(f"room to send by {which}", bounded=True) if name in _TO_SEND else None

    # The library's steps

    def _itself(self, frame: int) -> int:
        return self.evaluation.variable(frame, "self")

    def _timed(self, frame: int) -> bool:
        return not self._fields.is_none(self.evaluation.variable(frame, "timeout"))

    def _of(self, frame: int, words: str, holder: int = 0) -> Wait | None:
        """The words with the frame's ``self`` in them; None where it has none."""
        itself = self._itself(frame)
        if not itself:
            return None
        words = words.format(at=self._fields.at(itself))
        return Wait(words, holder, bounded=self._timed(frame))

    def _condition(self, frame: int) -> Wait | None:
        return self._of(frame, "{at} to be notified")

    def _event(self, frame: int) -> Wait | None:
        return self._of(frame, "{at} to be set")

    def _semaphore(self, frame: int) -> Wait | None:
        return self._of(frame, "{at}")

    def _barrier(self, frame: int) -> Wait | None:
        itself = self._itself(frame)
        there = self._fields.count(itself, "_count")
        parties = self._fields.count(itself, "_parties")
        return self._of(frame, f"{{at}}, where {there} of {parties} are")

    def _end_of_thread(self, frame: int) -> Wait | None:
        thread = self._itself(frame)
        ident = self._fields.count(thread, "_ident") if thread else None
        for state in self._stacks.states():
            if ident and self._stacks.ident(state) == ident:
                return Wait(f"{self.thread(state)} to end", state, bounded=self._timed(frame))
        name = self._fields.text(thread, "_name") if thread else ""
        return Wait(f"thread {name!r} to end", bounded=self._timed(frame)) if name else None

    def _item(self, frame: int) -> Wait | None:
        return self._of(frame, "an item of {at}")

    def _room(self, frame: int) -> Wait | None:
        most = self._fields.count(self._itself(frame), "maxsize")
        return self._of(frame, f"room in {{at}} of at most {most} items")

    def _unfinished(self, frame: int) -> Wait | None:
        count = self._fields.count(self._itself(frame), "unfinished_tasks")
        return self._of(frame, f"{{at}} to have its items done, {count} are not")

    def _result(self, frame: int) -> Wait | None:
        future = self._itself(frame)
        state = self.working_on(future) if future else 0
        by = f", which {self.thread(state)} works on" if state else ""
        return self._of(frame, f"the result of {{at}}{by}", state)

    def _futures(self, frame: int) -> Wait | None:
        futures = self.evaluation.variable(frame, "fs")
        how = self.evaluation.variable(frame, "return_when")
        number = self._fields.size(futures)
        if number is None or not how:
            return None
        return Wait(f"{number} futures ({self._objects.name(how)})", bounded=self._timed(frame))

    def _next_future(self, frame: int) -> Wait | None:
        number = self._fields.size(self.evaluation.variable(frame, "pending"))
        if number is None:
            return None
        return Wait(f"the next of {number} futures", bounded=self._timed(frame))

    def _process(self, frame: int) -> Wait | None:
        number = self._fields.count(self._itself(frame), "pid")
        return None if number is None else Wait(f"process {number} to end", bounded=True)

    def _communication(self, frame: int) -> Wait | None:
        number = self._fields.count(self._itself(frame), "pid")
        return None if number is None else Wait(f"data to or from process {number}", bounded=True)

    def _events(self, frame: int) -> Wait | None:
        files = self._fields.size(self._fields.follow(self._itself(frame), "_fd_to_key"))
        wait = self._of(frame, "events of {at}" + ("" if files is None else f" of {files} files"))
        if wait is not None:
            wait.bounded = True
        return wait

    def _event_loop(self, frame: int) -> Wait | None:
        wait = self._of(frame, "events of its event loop, {at}")
        if wait is not None:
            wait.bounded = True
        return wait


_OF_CHILDREN = frozenset({"wait", "wait3", "wait4", "waitid", "waitpid"})
_OF_A_NUMBER = {
    "sleep": "a sleep of {}",
    "read": "data of file descriptor {}",
    "readv": "data of file descriptor {}",
    "write": "room to write to file descriptor {}",
    "writev": "room to write to file descriptor {}",
}
"""Functions of ``time`` and ``posix`` → for what they wait, by their first argument."""

_CALLS = {
    ("_thread._ThreadHandle", "join"): "a thread to end",
    ("_thread", "_shutdown"): "the threads that are no daemons to end",
    ("_queue.SimpleQueue", "get"): "an item of {at}",
    ("select.epoll", "poll"): "events of {at}",
    ("select.poll", "poll"): "events of {at}",
    ("select", "select"): "events of files",
    ("fcntl", "flock"): "a lock of a file",
    ("fcntl", "lockf"): "a lock of a file",
    ("signal", "pause"): "a signal",
    ("signal", "sigwait"): "a signal",
    ("_signal", "pause"): "a signal",
    ("_signal", "sigwait"): "a signal",
    ("_multiprocessing.SemLock", "acquire"): "{at}",
    ("_multiprocessing.SemLock", "__enter__"): "{at}",
}
"""C functions that wait, by the type or module they belong to → for what."""
