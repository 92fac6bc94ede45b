"""Holding every thread of a process that did not ask, while its memory is read (man 2 ptrace)."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` takes 5 ms to import
import errno
import os
import select
import time

from bcd.ptrace.errors import ReadError

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Ptrace = Callable[[int, int, int, int], int]

_SEIZE, _INTERRUPT = 0x4206, 0x4207
_WALL = 0x40000000  # also threads, which are no children that end with SIGCHLD
_STOP_SECONDS = 0.5
"""A thread that has not stopped by then waits in the kernel and runs no code of the program."""

_NAP_SECONDS = 0.0003
_LONGEST_ANSWER = 4096


class NotHeld(ReadError):  # noqa: N818 - says what it is
    """The threads could not be stopped; all of them run on."""


class Hold:
    """All threads of a process, standing still until :meth:`release`.

    A child of this process attaches to them, and its end is what lets them go: the kernel then
    detaches and hands on the signals that arrived meanwhile. It ends when this process closes a
    pipe or is killed, and of itself after a time, so nothing can leave the threads stopped. No
    SIGSTOP is sent, which would outlive both.

    Args:
        pid: The process.
        seconds: After which the threads go on in any case.

    Raises:
        NotHeld: It is not permitted, or the process has ended.

    Attributes:
        notes: Which threads could not be stopped.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self._began = time.monotonic()
        answer, telling = os.pipe()
        life, self._end = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._end)
            _hold(pid, seconds, life, telling)
        os.close(telling)
        os.close(life)
        said = os.read(answer, _LONGEST_ANSWER).decode()
        os.close(answer)
        refusal, *self.notes = said.splitlines() or ["the process that held it was ended"]
        if refusal:
            self.release()
            raise NotHeld(refusal)

    def release(self) -> float:
        """Let the threads go on, once; returns for how many milliseconds they stood."""
        os.close(self._end)
        os.waitpid(self._child, 0)
        return (time.monotonic() - self._began) * 1000


def _hold(pid: int, seconds: float, life: int, telling: int) -> NoReturn:
    """What the child does: stop the threads, say so, wait for its end."""
    try:
        _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
        _signal.setitimer(_signal.ITIMER_REAL, seconds)
        try:
            said = ["", *_stop(pid, _ptrace())]
        except NotHeld as refusal:
            said = [str(refusal)]
        except Exception as fault:  # noqa: BLE001 - whatever it is, the other side is to know it
            said = [f"{type(fault).__name__}: {fault}"]
        os.write(telling, "".join(f"{line}\n" for line in said).encode()[:_LONGEST_ANSWER])
        os.close(telling)
        select.select([life], [], [])
    finally:
        os._exit(0)


def _stop(pid: int, ptrace: Ptrace) -> list[str]:
    """Stop all threads, also those that start meanwhile; returns what it could not."""
    ends = time.monotonic() + _STOP_SECONDS
    known: set[int] = set()
    running: set[int] = set()
    while time.monotonic() < ends:
        new = _threads(pid) - known
        known |= new
        running |= {tid for tid in new if _seize(pid, tid, ptrace)}
        running = {tid for tid in running if not _has_stopped(tid)}
        if running:
            time.sleep(_NAP_SECONDS)
        elif not new:
            return []
    return [f"thread {tid} did not stop: it waits in the kernel" for tid in sorted(running)[:20]]


def _threads(pid: int) -> set[int]:
    try:
        return {int(name) for name in os.listdir(f"/proc/{pid}/task")}
    except OSError as error:
        raise NotHeld(f"/proc/{pid}/task: {error.strerror}") from None


def _seize(pid: int, tid: int, ptrace: Ptrace) -> bool:
    """Attach to a thread and ask it to stop; whether it is still there to do so."""
    for request in (_SEIZE, _INTERRUPT):
        code = ptrace(request, tid, 0, 0)
        if code == errno.ESRCH or (code and _has_ended(pid, tid)):
            return False
        if code:
            raise NotHeld(_refusal(pid, code))
    return True


def _has_ended(pid: int, tid: int) -> bool:
    """Whether a thread is no more, or the first of a process and waits for the others."""
    return _field(f"/proc/{pid}/task/{tid}/status", "State")[:1] in ("", "Z", "X")


def _refusal(pid: int, code: int) -> str:
    tracer = _field(f"/proc/{pid}/status", "TracerPid")
    if tracer not in ("", "0"):
        return f"process {tracer} is attached to it already; end that debugger first"
    return (
        f"ptrace: {os.strerror(code)}; to have it held, run the tracer as root or with the"
        " capability SYS_PTRACE, set kernel.yama.ptrace_scope to 0, and allow ptrace in the"
        " container's seccomp profile"
    )


def _field(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(f"{name}:"):
                    return line.partition(":")[2].strip()
    except OSError:
        return ""
    return ""


def _has_stopped(tid: int) -> bool:
    """Whether a thread that was asked to has stopped; one that has ended counts too.

    Not necessarily where it was asked to: a signal may have come first, which stops it as well
    and reaches it when it goes on.
    """
    try:
        return os.waitpid(tid, _WALL | os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _ptrace() -> Ptrace:
    """The system call, through ``_ctypes`` alone, which starts four times as fast as ``ctypes``.

    It returns 0 or the number of the error.
    """
    try:
        import _ctypes
    except ImportError:
        raise NotHeld("this Python was built without ctypes (libffi was missing)") from None

    class Long(_ctypes._SimpleCData):  # type: ignore[type-arg] # noqa: SLF001
        _type_ = "l"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = Long

    itself: Any = None
    function: Any = Function(_ctypes.dlsym(_ctypes.dlopen(itself, 0), "ptrace"))
    function.argtypes = (Long, Long, Long, Long)

    def call(request: int, tid: int, address: int, data: int) -> int:
        if function(request, tid, address, data) == -1:
            return _ctypes.get_errno()
        return 0

    return call
