"""One snapshot: what is read in which order, and what becomes of a part that cannot be read.

The most telling comes first, so that it survives a deadline: the exception, then the threads,
then the tasks. A fault in one part becomes a note, and the others go on.
"""

from __future__ import annotations

import sys
import time
from _functools import partial  # type: ignore[import-not-found] # `functools` takes 3 ms
from itertools import chain

from bcd.ptrace.errors import DeadlineReached, ReadError
from bcd.ptrace.exceptions import Exceptions
from bcd.ptrace.handled import Handled
from bcd.ptrace.interpreters import interpreters
from bcd.ptrace.later import Later
from bcd.ptrace.memory import FAULTS
from bcd.ptrace.process import foreign_root, read_process, rfc3339, start_time
from bcd.ptrace.shrinking import fitting, stacks_of
from bcd.ptrace.sources import AROUND_ERROR, AROUND_OTHER, Sources
from bcd.ptrace.stacks import USED_UP, Frames
from bcd.ptrace.tasks import Tasks
from bcd.ptrace.threads import Threads
from bcd.snapshot.format import FORMAT_VERSION, new_id

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bcd.ptrace.interpreters import Interpreter
    from bcd.ptrace.layout import TaskLayout
    from bcd.ptrace.request import Request
    from bcd.ptrace.target import Target

_FINGERPRINT_FRAMES = 5
_PARTS = 4
"""One of so many parts of the values and of the room is kept for tasks while threads are read."""

_STANDING = ("frozen", "attached")
"""The modes in which the memory stands still to the end of the reading."""


class Document:
    """Builds one snapshot.

    Args:
        target: The process that is read.
        request: What is asked for.
        own_folder: The folder of bcd.
        version: Of bcd.
    """

    def __init__(self, target: Target, request: Request, own_folder: str, version: str) -> None:
        self._begin(target, request, version)
        self._frames = Frames(target, own_folder)
        self._later = Later(self._frames)
        self._interpreters = interpreters(target)

    def _begin(self, target: Target, request: Request, version: str) -> None:
        """What needs nothing of the target's memory."""
        self._target = target
        self._request = request
        self._began = time.monotonic()
        self._exceptions: dict[str, Any] | None = None
        self._handled = Handled(target, ())
        self._threads: list[dict[str, Any]] = []
        self._tasks: list[dict[str, Any]] = []
        self._known_threads: dict[int, Threads] = {}
        self._deadlocks: list[str] = []
        self._loaded: str | None = None
        self._version = version
        self._read_ms = 0.0
        started, root = start_time(request.pid), foreign_root(request.pid)
        self._sources = Sources(started, target.redactor, root)
        self._repeat_notes()

    def _repeat_notes(self) -> None:
        """Take over what the request has to say; what is there already stays where it is."""
        for note in self._request.notes:
            self._target.remarks.note(note)

    def read(self, let_go: Callable[[], None]) -> None:
        """Read all that needs the target's memory.

        An interrupt between two sections, each of which has its guard, ends it.

        Args:
            let_go: Called as soon as the target may change.
        """
        try:
            self.read_urgent()
            let_go()
            self.read_tasks()
        except DeadlineReached as late:
            self._target.remarks.cut(f"what was left to read: {late}")
        self._target.memory.forget()  # encoding needs memory, too
        self._read_ms = (time.monotonic() - self._began) * 1000

    def read_urgent(self) -> None:
        """Read the exception and the threads: what must not change while it is read."""
        self._section("exception", self._read_exception)
        self._section("threads", self._read_threads)
        if self._request.mode in _STANDING and not self._request.only_threads:
            self._target.budget.set_aside(_PARTS)
        self._section("variables of threads", self._later.read)

    def read_tasks(self) -> None:
        """Read the asyncio tasks, and the sources that are in memory: the last that need it."""
        self._target.budget.bring_back()
        if self._request.mode not in _STANDING:
            self._start_anew()
        layout = self._target.layout.task
        if layout is None:
            self._target.remarks.note("tasks: this interpreter has no _asyncio module")
        elif not self._request.only_threads:
            for interpreter in self._interpreters:
                self._section("tasks", partial(self._read_tasks, interpreter, layout))
        self._section("variables of tasks", self._later.read)
        self._tell_rest()
        self._section("the version of bcd", self._read_version)
        self._want_sources()
        self._section("sources", self._read_cached_sources)

    def _tell_rest(self) -> None:
        """Say of how many frames no variables could be read."""
        if self._later.left:
            self._target.remarks.cut(
                f"variables of {self._later.left:,} frames, those furthest out: {USED_UP}"
            )

    def _start_anew(self) -> None:
        """Read nothing from what was kept: the program goes on by now."""
        self._tell_rest()
        self._target.forget()
        known = self._frames.modules
        self._frames = Frames(self._target, self._frames.own_folder)
        self._frames.modules.update(known)
        self._later = Later(self._frames)
        self._known_threads.clear()
        self._target.remarks.note("tasks: they were read while the program went on")

    def finish(self, blocked_ms: float | None) -> tuple[str, bytes]:
        """Add what is known without the target's memory, replace secrets, and encode.

        Args:
            blocked_ms: How long the program was held, None where it did not say.

        Returns:
            The snapshot's id and the encoded document.
        """
        self._repeat_notes()
        document = self._assemble(blocked_ms)
        document["truncated"] = self._target.remarks.truncated
        document["notes"] = self._target.remarks.notes
        self._scrub(document)
        return str(document["id"]), fitting(document, self._target.limits["file_bytes"])

    def _section(self, name: str, read: Callable[[], None]) -> None:
        try:
            read()
        except DeadlineReached:
            self._target.remarks.cut(f"{name}: the time for reading was over")
        except MemoryError:
            self._target.memory.forget()
            self._target.remarks.cut(f"{name}: the tracer may not use more memory")
        except (ReadError, OSError, *FAULTS) as fault:
            self._target.remarks.note(f"{name}: {type(fault).__name__}: {fault}")

    def _read_exception(self) -> None:
        address = self._request.hints.get("error")
        if not address:
            return
        reader = Exceptions(self._target, self._frames)
        self._exceptions = reader.read(int(address), self._request.error_text)
        self._handled = Handled(self._target, set(reader.addresses))

    def _read_threads(self) -> None:
        for interpreter in self._interpreters:
            self._section("threads", partial(self._read_threads_of, interpreter))
        self._blame_the_one_that_runs()
        self._threads.sort(key=lambda thread: (not thread["faulted"], thread["tid"]))

    def _read_threads_of(self, interpreter: Interpreter) -> None:
        if interpreter.own_gil and interpreter.gil_holder and self._request.mode == "frozen":
            self._target.remarks.note(
                f"interpreter {interpreter.id} has a GIL of its own and ran while the process was"
                " copied: what the running thread shows may be of different moments"
            )
        threads = self._threads_in(interpreter)
        read: dict[int, dict[str, Any]] = {}
        only = self._request.only_threads
        for state, tid in threads.states(self._request.faulted_threads):
            if only and tid not in only:
                continue
            if len(self._threads) >= self._target.limits["threads"]:
                self._target.remarks.cut(f"threads: the first {len(self._threads):,}")
                break
            if self._target.budget.is_late:
                self._target.remarks.cut(f"threads: {len(self._threads):,} until the time was over")
                break
            self._section(f"thread {tid}", partial(self._read_thread, threads, state, read))
        for state, thread in read.items():
            if self._target.budget.is_late:
                self._target.remarks.cut("what threads wait for: the time was over")
                break
            tell = partial(threads.waits.tell, state, thread)
            self._section(f"what thread {thread['tid']} waits for", tell)
        for state, thread in read.items():
            tell = partial(self._tell_handled, threads, state, thread)
            self._section(f"what thread {thread['tid']} handles", tell)
        self._deadlocks += threads.waits.deadlocks()

    def _threads_in(self, interpreter: Interpreter) -> Threads:
        """The reader of an interpreter's threads; it knows what was read of them before."""
        if interpreter.address not in self._known_threads:
            threads = Threads(self._target, self._frames, interpreter)
            self._known_threads[interpreter.address] = threads
        return self._known_threads[interpreter.address]

    def _read_thread(self, threads: Threads, state: int, read: dict[int, dict[str, Any]]) -> None:
        read[state] = threads.read(state, self._request.faulted_threads, self._later)
        self._threads.append(read[state])

    def _tell_handled(self, threads: Threads, state: int, thread: dict[str, Any]) -> None:
        self._handled.tell(thread, threads.stacks.handled(state), self._frames)

    def _blame_the_one_that_runs(self) -> None:
        """A thread that runs code of two interpreters is faulted where it has the GIL."""
        running = {thread["tid"] for thread in self._threads if thread["gil"]}
        for thread in self._threads:
            if thread["tid"] in running and not thread["gil"]:
                thread["faulted"] = False

    def _read_tasks(self, interpreter: Interpreter, layout: TaskLayout) -> None:
        if self._request.mode == "frozen" and self._request.started is not None:
            self._target.moment = self._request.started
        threads = self._threads_in(interpreter)
        tasks = Tasks(self._target, self._frames, threads.stacks, layout, threads.waits)
        known = {task["id"] for task in self._tasks}
        read = tasks.read(self._request.caller_tasks, self._later)
        found = [task for task in read if task["id"] not in known]
        for task in found:
            handled = tasks.handled.get(str(task["id"]), 0)
            tell = partial(self._handled.tell, task, handled, self._frames)
            self._section(f"what task {task['name']} handles", tell)
        if interpreter.id:
            found = [{**task, "interpreter": interpreter.id} for task in found]
        self._tasks += found
        self._tasks.sort(key=lambda task: "faulted" not in task)
        self._deadlocks += tasks.deadlocks()

    def _module_dict(self, name: str) -> int:
        """The dict of a module of the main interpreter, 0 where it is not imported."""
        return self._threads_in(self._interpreters[0]).stacks.module_dict(name)

    def _read_version(self) -> None:
        """The version of bcd that the process has loaded, if any."""
        objects = self._target.objects
        names = self._module_dict("bcd")
        version = objects.lookup(names, "__version__") if names else 0
        if version:
            self._loaded = objects.text(version, 100)[0]

    def _want_sources(self) -> None:
        """Ask for the lines around all frames."""
        for error in self._exceptions["list"] if self._exceptions else ():
            self._sources.want(error["frames"], AROUND_ERROR)
        stacks = chain.from_iterable(map(stacks_of, (*self._threads, *self._tasks)))
        frames = chain.from_iterable(stacks)
        # Each place once: where 2,000 tasks wait in three frames that is three of 6,000.
        places = {(each["file"], each["line"], each["end_line"]): each for each in frames}
        self._sources.want(places.values(), AROUND_OTHER)

    def _read_cached_sources(self) -> None:
        """Read the lines of code that has no file."""
        wanted = self._sources.wanted_of_no_file()
        if wanted:
            from bcd.ptrace.cached_sources import CachedSources  # few programs have such code

            cache = CachedSources(self._target, self._module_dict("linecache"))
            for file, lines in cache.lines(wanted):
                self._sources.keep(file, lines)

    # Without the target's memory

    def _assemble(self, blocked_ms: float | None) -> dict[str, Any]:
        request, target = self._request, self._target
        facts = read_process(request.pid, target.redactor, target.remarks.note)
        if self._loaded is not None:
            facts["bcd"] = self._loaded
        wall, fingerprint = time.time(), self._fingerprint()
        document: dict[str, Any] = {
            "format": FORMAT_VERSION,
            "id": new_id(fingerprint),
            "created": rfc3339(wall),
            "tracer": {},
            "reason": {"kind": request.reason, "fingerprint": fingerprint},
            "process": facts,
            "attributes": {
                key: target.redactor.named(key, value) for key, value in request.attributes.items()
            },
            "classifiers": request.classifiers,
            "exception": self._exceptions,
            "threads": self._threads,
            "tasks": self._tasks,
            **({"deadlocks": self._deadlocks} if self._deadlocks else {}),
            "sources": self._sources.read(str(facts.get("working_directory", "/"))),
        }
        began = self._began if request.started is None else request.started
        document["tracer"] = {
            "name": "bcd",
            "version": self._version,
            "mode": request.mode,
            "python": sys.version.split()[0],
            "blocked_ms": None if blocked_ms is None else round(blocked_ms, 3),
            "read_ms": round(self._read_ms, 3),
            "total_ms": round((time.monotonic() - began) * 1000, 3),
            "limits": target.limits.values,
        }
        return document

    def _fingerprint(self) -> str:
        """What stays the same for the same fault: its type and the innermost frames of the app.

        Modules, not paths, and no lines: both change from one deployment to the next.
        """
        from _blake2 import blake2b  # hashlib takes 3 ms to import

        parts = list(self._request.classifiers)
        if self._exceptions:
            root = self._exceptions["list"][0]
            frames = [frame for frame in root["frames"] if frame["in_app"]] or root["frames"]
            parts = [root["type"]]
            parts += [
                f"{self._module_or_file(frame['file'])}:{frame['function']}"
                for frame in frames[-_FINGERPRINT_FRAMES:]
            ]
        return blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()

    def _module_or_file(self, file: str) -> str:
        module = self._frames.modules.get(file, "")
        return module if module not in ("", "__main__") else file.rpartition("/")[2]

    def _scrub(self, document: dict[str, Any]) -> None:
        """Replace the secrets that were met anywhere, everywhere."""
        if self._target.redactor.knows_any:
            for key in document.keys() & _SCRUBBED:
                document[key] = _mapped(document[key], self._target.redactor.scrub)


_SCRUBBED = frozenset(
    {"process", "attributes", "classifiers", "exception", "threads", "tasks", "sources"}
    | {"deadlocks", "truncated", "notes"}
)
_STRUCTURE = frozenset({"file", "function", "type", "address", "id", "state"})
"""Keys whose values name code or things, and are no data of the program; so is the name of a
variable, unlike that of a thread or task."""


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A copy with every text changed that is data of the program."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        kept = _STRUCTURE | {"name"} if "address" in value else _STRUCTURE
        return {key: item if key in kept else _mapped(item, change) for key, item in value.items()}
    return value
