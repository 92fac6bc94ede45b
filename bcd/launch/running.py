"""One tracer program, from before its start until nothing of it is left."""

from __future__ import annotations

import math
import os
import select
import signal
import time
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from bcd import _greenlets, _linux
from bcd._linux.libc import LIBC
from bcd.errors import StartError
from bcd.launch.arguments import Program, argument
from bcd.launch.pipes import Descriptors, Feed, Listener, number_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

__all__ = ["Running", "prepare", "start"]

_LONGEST_POLL = 3600.0  # seconds
_NAP = 0.005  # seconds between looks at a process for which there is no pidfd
_DEATH = 0.02  # seconds that a killed process may take before somebody else waits for it
_PIDFD_OPEN = 434  # on all machines. Source: asm-generic/unistd.h
_FEED_LOOK = 0.001  # seconds between attempts to write while the GIL is kept


class Running:
    """One tracer program.

    Whoever makes one has to ``discard`` it; one that is dropped discards itself. In a forked
    child only its descriptors are closed: the process belongs to the parent.

    Attributes:
        pid: Its process id, which is that of its process group too; None before the start.
        adopted: Whether the end of a killed one is waited for elsewhere.
        over: Whether it has ended and was reaped, by whomever.
        status: Its exit status, negative for the signal that ended it; None when unknown,
            because the program reaped it elsewhere or ignores SIGCHLD.
    """

    pid: int | None = None
    adopted = False

    def __init__(self, command: Program) -> None:
        self._command = command
        self.over = False
        self.status: int | None = None
        self._owner = os.getpid()
        self._descriptors = Descriptors()
        self._feed: Feed | None = None
        self._feeding = False
        self._listeners: dict[int, Listener] = {}
        self._pidfd: int | None = None
        self._release: tuple[int, int] | None = None
        self._spawn: _linux.Spawn | None = None
        self._theirs: list[int] = []
        _alive.add(weakref.ref(self, _alive.discard))

    def is_own(self) -> bool:
        """Whether it belongs to this process, and not to the one that this was forked from."""
        return self._owner == os.getpid()

    @property
    def stdout(self) -> bytes:
        """The first 64 KiB of the output, where the command left it to us."""
        return bytes(self._listeners[1].kept) if 1 in self._listeners else b""

    @property
    def stderr(self) -> bytes:
        """The first 64 KiB of the error output, where the command left it to us."""
        return bytes(self._listeners[2].kept) if 2 in self._listeners else b""  # noqa: PLR2004

    @property
    def fault(self) -> str | None:
        """What went wrong with the caller's own reader or writers."""
        ends = (self._feed, *self._listeners.values())
        return next((end.fault for end in ends if end is not None and end.fault), None)

    def prepare(self, *, more_input: bool, releasable: bool) -> None:
        """Do all but start the program."""
        command = self._command
        stdin = self._input(command.stdin, more_input=more_input)
        stdout = self._output(1, command.stdout)
        stderr = self._output(2, command.stderr)
        table = {**command.descriptors, 0: stdin, 1: stdout, 2: stderr}
        if releasable and command.released_by is not None:
            self._release = self._descriptors.pipe()
            table[command.released_by] = self._release[1]
        if self._feed is not None:
            self._feed.push()
        argv = [command.argv[0], *map(argument, command.argv[1:])]
        self._spawn = _linux.Spawn(argv, env=command.env, cwd=command.cwd, descriptors=table)
        # What it opens is close-on-exec. Source: pidfd_open(2)
        self._opening = self._descriptors.opening(LIBC.syscall, _PIDFD_OPEN, self._spawn.child, 0)
        self._theirs = [stdout, stderr, *([] if self._feed else [stdin])]

    def start(self) -> None:
        """Start the program that was prepared, with the GIL kept.

        Raises:
            StartError: It could not be started; the message names its path (rule 13).
        """
        assert self._spawn is not None  # noqa: S101 - prepare() came first
        try:
            opened, steps = self._opening
            self.pid = self._spawn.start(steps)
            if opened[0] >= 0:  # else an old kernel, a sandbox, or it is gone
                self._pidfd = opened[0]
        except BaseException as error:
            self.discard()
            if not isinstance(error, Exception):
                raise
            raise StartError(_refusal(self._command, error)) from error

    def settle(self) -> None:
        """Let go of what only the start needed. Idempotent."""
        self._spawn = None
        self._descriptors.close(*self._theirs)

    def _input(self, source: int | bytes | IO[bytes] | None, *, more_input: bool) -> int:
        if source is None:
            return self._descriptors.open_null()
        number = None if isinstance(source, bytes) else number_of(source)
        if number is not None or isinstance(source, int):
            return number or 0
        ends = self._descriptors.pipe()
        self._feed = Feed(ends, source, more_to_come=more_input)
        self._feeding = True
        return ends[0]

    def _output(self, number: int, sink: int | IO[bytes] | None) -> int:
        given = None if sink is None else number_of(sink)
        if given is not None or isinstance(sink, int):
            return given or 0
        ours, theirs = self._descriptors.pipe()
        self._listeners[number] = Listener(ours, sink)
        return theirs

    def hold(self, seconds: float) -> bool:
        """Keep the GIL until the tracer lets go: closes its end of the release pipe, or ends.

        Args:
            seconds: The longest time to wait.

        Returns:
            False when the time was over.
        """
        if self._release is None:
            return True
        ours, theirs = self._release
        self._descriptors.close(theirs)
        end = time.monotonic() + seconds
        released = False
        while not released and (left := end - time.monotonic()) > 0:
            unwritten = self._push() and self._feed is not None and self._feed.unwritten
            released = _linux.poll(ours, 1000 * (min(left, _FEED_LOOK) if unwritten else left))
        self._descriptors.close(ours)
        return released

    def tell(self, line: bytes) -> None:
        """Append the last line of the standard input; keeps the GIL."""
        if self._feed is not None and self._feeding:
            self._feed.add_last(line)
            self._feed.push()  # it is closed by those who wait

    def wait(self, deadline: float) -> bool:
        """Feed the tracer and listen to it until it ends.

        Args:
            deadline: Moment of ``time.monotonic()`` at which to give up, may be infinite; one
                that has passed takes what there is.

        Returns:
            True when it has ended; its outputs are complete then, save for what descendants
            go on writing.
        """
        if self.over:
            return True
        self.settle()
        self._push()
        poller, work = self._listen()
        while not self._reap():
            left = min(deadline - time.monotonic(), _LONGEST_POLL)
            nap = min(left, _LONGEST_POLL if self._pidfd in work else _NAP)
            for number, _ in poller.poll(max(0.0, nap) * 1000):
                if not work[number]():
                    poller.unregister(number)
                    del work[number]
            if left <= 0:
                return False
        for listener in self._listeners.values():
            listener.drain()
        self.close()
        return True

    def _listen(self) -> tuple[select.poll, dict[int | None, Callable[[], bool]]]:
        """What to poll, and what to do then; that returns whether it is to be polled again."""
        work: dict[int | None, Callable[[], bool]] = {}
        poller = _greenlets.poll()
        for listener in self._listeners.values():
            poller.register(listener.end, select.POLLIN)
            work[listener.end] = listener.listen
        if self._feed is not None and self._feeding:
            poller.register(self._feed.ends[1], select.POLLOUT)
            work[self._feed.ends[1]] = self._push
        if self._pidfd is not None:
            poller.register(self._pidfd, select.POLLIN)
            work[self._pidfd] = bool  # reaped in the loop; should that fail, it goes on in naps
        return poller, work

    def _push(self) -> bool:
        """Feed the tracer; returns whether its input goes on."""
        if self._feed is not None and self._feeding and self._feed.finish():
            self._feeding = False
            self._descriptors.close(*self._feed.ends)
        return self._feeding

    def _reap(self) -> bool:
        """Whether it has ended; it is no zombie then."""
        if self.over or self.pid is None:
            return True
        of_descriptor = self._pidfd is not None
        kind, number = (os.P_PIDFD, self._pidfd) if of_descriptor else (os.P_PID, self.pid)
        try:
            end = os.waitid(kind, number or 0, os.WEXITED | os.WNOHANG)
        except ChildProcessError:  # reaped by others: their status is not ours to know
            self.over = True
            return True
        if end is None:
            return False
        self.status = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
        self.over = True
        return True

    def kill(self) -> None:
        """Send SIGKILL to the tracer and to every process of its group (rule 17).

        Raises:
            OSError: It was refused; the tracer may go on.
        """
        if self._reap() or self.pid is None:
            return
        # The group first: as long as its leader is not reaped, no other can have its number.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # it may have left the group
            if self._pidfd is None:
                os.kill(self.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def bury(self) -> None:
        """After a kill: wait a moment for the end, and let a thread do it that takes longer."""
        if not self.wait(time.monotonic() + _DEATH):
            _reap_later(self)

    def discard(self) -> None:
        """Leave nothing behind, neither process nor descriptor. Idempotent."""
        if self.adopted:  # somebody waits for it
            return
        if self.pid is None or self.over or not self.is_own():
            self.close()
            return
        try:
            self.kill()
        except OSError:  # it runs on, and is waited for as long as that takes
            _reap_later(self)
        else:
            self.bury()

    def close(self) -> None:
        """Close the descriptors; in a forked child that is all there is to do."""
        self._feeding = False
        self._descriptors.close_all()

    def __del__(self) -> None:
        """Catch what an interrupt on the way into ``discard`` left behind."""
        with suppress(AttributeError):  # an interrupt ended the constructor
            self.discard()


_alive: set[weakref.ref[Running]] = set()
_unreaped: list[Running] = []


def _close_in_child() -> None:
    """Let go of what belongs to the parent (rule 24); an earlier handler may have traced."""
    _unreaped[:] = [running for running in _unreaped if running.is_own()]
    for reference in list(_alive):
        running = reference()
        if running is not None and not running.is_own():
            running.close()


os.register_at_fork(after_in_child=_close_in_child)


def _reap_later(running: Running) -> None:
    """Wait for a process that was told to end, without the caller."""
    starting = partial(_greenlets.start_new_thread, running.wait, (math.inf,))
    noting = partial(setattr, running, "adopted", True)  # noqa: FBT003 - setattr takes it so
    try:
        _linux.in_one_call((starting, noting))  # no interrupt can come between the two
    except RuntimeError:  # no more threads, or the interpreter is shutting down
        _linux.in_one_call((partial(_unreaped.append, running), noting))


def _reap_earlier() -> None:
    for running in list(_unreaped):
        if running.wait(time.monotonic()):
            _unreaped.remove(running)


def prepare(command: Program, *, more_input: bool = False, releasable: bool = False) -> Running:
    """Do all that comes before a start; keeps the GIL as :func:`start` does.

    The arguments are those of :func:`start`, and so are the errors.

    Returns:
        The tracer, to be started; the caller has to ``discard`` it.
    """
    if _unreaped:
        _reap_earlier()
    running = Running(command)
    try:
        running.prepare(more_input=more_input, releasable=releasable)
    except BaseException as error:
        running.discard()
        if not isinstance(error, Exception):
            raise
        raise StartError(_refusal(command, error)) from error
    return running


def start(command: Program, *, more_input: bool = False, releasable: bool = False) -> Running:
    """Start a tracer; keeps the GIL if its input is bytes and its outputs are left to us.

    Args:
        command: What to start.
        more_input: Keep its standard input open until :meth:`Running.tell`.
        releasable: Make the pipe that the tracer closes to let the program go on.

    Returns:
        The running tracer; the caller has to ``discard`` it.

    Raises:
        StartError: It could not be started; the message names its path (rule 13).
    """
    running = prepare(command, more_input=more_input, releasable=releasable)
    running.start()
    return running


def _refusal(command: Program, error: Exception) -> str:
    path = os.fsdecode(command.argv[0]) if command.argv else ""
    missing = _linux.unavailable() if isinstance(error, AttributeError) else None
    reason = missing or getattr(error, "strerror", None) or repr(error)
    advice = _linux.remedy(error, "check that it is there and that this user may execute it")
    culprit = getattr(error, "filename", None)
    where = f" ({culprit})" if culprit not in (None, path) else ""
    return f"the tracer {path!r} could not be started: {reason}{where}; {advice}"
