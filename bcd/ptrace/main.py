"""The course of the tracer process: ask, calibrate, read, write, answer."""

from __future__ import annotations

import posix
import resource
import sys
from _functools import partial  # type: ignore[import-not-found] # `functools` takes 3 ms

from bcd.ptrace.bounds import MOST_WAITING
from bcd.ptrace.calibrate import calibrate
from bcd.ptrace.document import Document
from bcd.ptrace.errors import (
    CalibrationError,
    DeadlineReached,
    MemoryFault,
    ReadError,
    RequestError,
)
from bcd.ptrace.layout import Layout
from bcd.ptrace.memory import LiveMemory, Memory
from bcd.ptrace.redact import Redactor
from bcd.ptrace.request import Request, answer, fail, from_arguments, from_line, read_line
from bcd.ptrace.sequel import Sequel
from bcd.ptrace.target import Target
from bcd.ptrace.write import Folder

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.ptrace.attach import Hold

_NICENESS = 10
_MOST_MEMORY = 224 * 1024 * 1024
"""Bytes of its own that the tracer may have; with the interpreter's that makes 256 MiB at most."""

_GRACE = 3
"""After this many times the time for reading, whatever still runs is interrupted."""

_LEAST_SECONDS = 1.0
"""It is not interrupted before; what is no value takes its time even if nothing may be read."""

_MOST_SECONDS = 3600.0
_TOO_LATE = (
    "The program was not held until all was read: that took too long, so that values may not"
    " belong together."
)
_REFERENCE_TYPES = (
    *(int, str, dict, list, type, BaseException, tuple, float, bytes, set, frozenset, object),
    *(range, slice, complex, bytearray, property, super, staticmethod, memoryview, ValueError),
)
_ENOUGH = 3
"""So many of these types in their places prove the distance: one alone is hardly chance."""


def main(arguments: Sequence[str], own_folder: str, version: str) -> int:
    """Take one snapshot.

    Args:
        arguments: Of the command line; none when the request comes on standard input.
        own_folder: The folder of bcd, with a slash at its end.
        version: Of bcd.

    Returns:
        The exit status: 0, and the snapshot's path was printed; else 1, and the reason was.
    """
    if not arguments:  # a program asked, which has better things to do; a person waits
        posix.nice(_NICENESS)
    _bound_memory()
    try:
        request, sequel = _ask(arguments)
        path = _take(request, sequel, own_folder, version)
    except (OSError, ReadError) as error:
        return fail(str(error))
    except MemoryError:
        return fail("the tracer ran out of memory")
    except Exception as error:  # noqa: BLE001 - a damaged request may be anything
        return fail(f"the tracer failed, please report it: {type(error).__name__}: {error}")
    return answer(path)


def _bound_memory() -> None:
    """Whatever damaged memory makes of a size, the host's memory is not ours to use up."""
    # Not RLIMIT_AS: a thread's allocator reserves 64 MiB of addresses and uses next to none.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > _MOST_MEMORY:
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
    # A soft limit that the program has for itself may leave no room for the tracer's own thread.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _ask(arguments: Sequence[str]) -> tuple[Request, Sequel]:
    """The request, and what follows it on standard input."""
    if arguments:
        return from_arguments(arguments), Sequel()
    line, rest = read_line()
    return from_line(line), Sequel(rest)


def _take(request: Request, sequel: Sequel, own_folder: str, version: str) -> str:
    if request.mode in ("frozen", "recorded"):  # the program goes on, and has said so by now
        sequel.read()
        request.copy = sequel.copy
    _end_copy_when_stopped(request)
    try:
        return _keep(request, sequel, own_folder, version)
    finally:
        _end_copy(request)


def _keep(request: Request, sequel: Sequel, own_folder: str, version: str) -> str:
    folder = Folder(request.output)
    if request.record is not None:
        from bcd.ptrace.recorded import Recorded  # for this mode alone

        recorded = Recorded(request, own_folder, version)
        return folder.keep(*recorded.finish(_blocked_ms(request, sequel)), request.limits)
    _check_interpreter(request)
    own = LiveMemory(posix.open("/proc/self/mem", posix.O_RDONLY | posix.O_CLOEXEC))
    layout = calibrate(own)
    memory = _open_memory(request)
    seconds = max(_LEAST_SECONDS, request.limits["deadline_ms"] / 1000 * _GRACE)
    hold = _hold(request, seconds * 2)
    try:
        patient = request.mode == "frozen"
        _interrupt_after(seconds, patient=patient)
        layout.slide = _slide(request, own, memory, layout)
        redactor = Redactor(request.redact, request.reveal)
        target = Target(memory, layout, request.limits, redactor, patient=patient)
        document = Document(target, request, own_folder, version)
        document.read(partial(_let_go, request))
        _note_end(request, memory, layout.slide)
    finally:
        held_ms = hold.release() if hold is not None else None
    _end_copy(request)
    _interrupt_after(0)
    if held_ms is None:
        held_ms = _blocked_ms(request, sequel)
    snapshot_id, data = document.finish(held_ms)
    return folder.keep(snapshot_id, data, request.limits)


def _note_end(request: Request, memory: Memory, slide: int) -> None:
    if _is_gone(memory, slide):
        who = "The frozen copy" if request.mode == "frozen" else f"Process {request.pid}"
        request.notes.append(f"{who} ended while it was read: what is missing was gone.")


def _is_gone(memory: Memory, slide: int) -> bool:
    """Whether there is nothing any more where the types are: of a dead process 0 bytes are read."""
    try:
        return not posix.pread(memory.descriptor, 1, id(int) + slide)
    except OSError:
        return False


def _check_interpreter(request: Request) -> None:
    """Refuse a target that another binary runs: nothing learned here would hold there.

    Of a process that did not ask, the distance of the files in its memory proves as much.

    Raises:
        CalibrationError: The binaries or their versions differ, or this one has no GIL.
    """
    if "t" in sys.abiflags:
        raise CalibrationError(
            f"{sys.executable} is a free-threaded build, which bcd cannot read; run the program"
            " under a build with a GIL"
        )
    expected = request.hints.get("executable")
    if expected is None:
        return
    own = posix.stat("/proc/self/exe")
    version = request.hints.get("hexversion", sys.hexversion)
    if list(expected) != [own.st_dev, own.st_ino] or version != sys.hexversion:
        raise CalibrationError(
            f"the tracer runs under {sys.executable} ({sys.version.split()[0]}), the program under"
            " another interpreter; name the program's own with PythonTracer(python=…)"
        )


def _open_memory(request: Request) -> Memory:
    if request.memory is not None:
        return Memory(request.memory, cached=True)
    path = f"/proc/{request.pid}/mem"
    try:
        return Memory(posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC), cached=True)
    except ProcessLookupError:
        raise RequestError(f"process {request.pid} ended before it could be read") from None
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror}; {_remedy(request.pid)}") from None


def _remedy(pid: int) -> str:
    try:
        posix.stat(f"/proc/{pid}")
    except FileNotFoundError:
        return f"there is no process {pid}"
    return (
        "run the tracer as the user of that process, with the capability SYS_PTRACE or with"
        " kernel.yama.ptrace_scope = 0"
    )


def _hold(request: Request, seconds: float) -> Hold | None:
    """Stop a process that did not ask, if that is wanted and permitted."""
    if request.mode != "attached":
        return None
    from bcd.ptrace.attach import Hold, NotHeld  # for this mode alone

    try:
        hold = Hold(request.pid, seconds)
    except NotHeld as refusal:
        request.mode = "unpaused"
        request.notes.append(
            "The process was read while it ran, so that values may not belong together:"
            f" it could not be held ({refusal})."
        )
        return None
    request.notes += hold.notes
    return hold


def _slide(request: Request, own: LiveMemory, memory: Memory, layout: Layout) -> int:
    """How far the target's static objects are from their like here; proven by their names.

    Raises:
        CalibrationError: At that distance there are other things.
        RequestError: The process has ended.
    """
    hint = request.hints.get("int")
    if isinstance(hint, int) and _proven(hint - id(int), own, memory, layout):
        return hint - id(int)
    from bcd.ptrace.maps import distance  # of a process that did not ask

    slide = distance(request.pid, id(int))
    if _proven(slide, own, memory, layout):
        return slide
    if _is_gone(memory, slide):
        raise RequestError(f"process {request.pid} ended before it could be read")
    raise CalibrationError(
        "the target's interpreter was not recognised: its types are not where they are in this"
        " one; is the program's memory damaged, or its interpreter another one?"
    )


def _proven(slide: int, own: LiveMemory, memory: Memory, layout: Layout) -> bool:
    """Whether enough types have their names there; the others may be damaged."""
    known = 0
    for kind in _REFERENCE_TYPES:
        name = own.word(id(kind) + layout.type.name)
        try:
            there = memory.word(id(kind) + slide + layout.type.name)
            known += there == name + slide and memory.c_string(there) == kind.__name__
        except MemoryFault:
            continue
        if known == _ENOUGH:
            return True
    return False


def _interrupt_after(seconds: float, *, patient: bool = False) -> None:
    """Interrupt the reading once, should the checks of its deadline not be reached.

    A second time the process is ended by the signal's default action.

    Args:
        seconds: After which it is interrupted; 0 for never.
        patient: Whether the time that this process ran is what counts, within bounds.
    """
    import _signal  # type: ignore[import-not-found] # `signal` takes 5 ms to import

    def interrupt(_number: int, _frame: object) -> None:
        for number in (_signal.SIGALRM, _signal.SIGPROF):
            _signal.signal(number, _signal.SIG_DFL)
        raise DeadlineReached("the reading had to be interrupted")

    for number in (_signal.SIGALRM, _signal.SIGPROF):
        _signal.signal(number, interrupt)
    seconds = min(seconds, _MOST_SECONDS)
    own, by_the_clock = (seconds, seconds * MOST_WAITING) if patient else (0.0, seconds)
    _signal.setitimer(_signal.ITIMER_PROF, own, own * 2)
    _signal.setitimer(_signal.ITIMER_REAL, by_the_clock, seconds * 2)


def _let_go(request: Request) -> None:
    """Tell a program that waits that it may go on."""
    if request.release is not None:
        posix.close(request.release)
        request.release = None


def _end_copy(request: Request) -> None:
    """End the frozen copy: the program pays for each page that it changes while the copy lives."""
    copy, request.copy = request.copy, None
    if copy is None:
        return
    import _signal

    try:
        if _is_sibling(copy):
            posix.kill(copy, _signal.SIGKILL)
    except OSError:  # it has ended, or the program has
        return


def _is_sibling(pid: int) -> bool:
    """Whether a process is a child of our parent: no other may be ended, whatever was asked."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1]) == posix.getppid()


def _end_copy_when_stopped(request: Request) -> None:
    """End the copy, too, when this process is told to end: it would sleep on for long."""
    if request.copy is None:
        return
    import _signal

    def stop(number: int, _frame: object) -> None:
        _end_copy(request)
        _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)

    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, stop)


def _blocked_ms(request: Request, sequel: Sequel) -> float | None:
    """How long the program says that it was held."""
    if request.started is None:
        return None
    sequel.read()
    if not sequel.in_time:
        request.notes.append(_TOO_LATE)
    return sequel.blocked_ms
