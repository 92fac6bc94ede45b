"""One attempt to trace this process, and everything that must not outlive it."""

from __future__ import annotations

import _thread
import math
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bcd import _greenlets
from bcd.config import current_config
from bcd.engine.arguments import timeout_of, with_attributes, with_extras
from bcd.engine.background import may_start, note
from bcd.engine.loops import current_task
from bcd.engine.putting import put_printed
from bcd.engine.result import TraceResult
from bcd.engine.wording import error_text, type_name
from bcd.errors import (
    Busy,
    ConfigError,
    ExecutionTimeout,
    ExitError,
    FinalizeError,
    FreezeError,
    KillError,
    SlotTimeout,
    TraceError,
)
from bcd.freeze import freeze, prepare
from bcd.gate import Gate, Slot
from bcd.launch import prepare as prepare_start
from bcd.settings import current_settings
from bcd.tracer import LogPriority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from bcd.freeze import FrozenMemory
    from bcd.launch import Running
    from bcd.tracer import Command, TraceOptions, Tracer

    Attributes: TypeAlias = Mapping[str, str] | Callable[[], Mapping[str, str] | None] | None

__all__ = ["GATE", "Attempt", "Dropped"]

GATE = Gate()
"""The one slot of the process (rule 20)."""

_RELEASE_SECONDS = 0.25  # the longest time that the GIL is kept for a tracer without a copy
_COPY_MARGIN = 5.0  # seconds that a copy outlives the time-out, should nobody release it
_LONGEST_COPY = 3600.0  # seconds
_LONGEST_REASON = 500  # characters of a tracer's own words


class Dropped(Exception):  # noqa: N818 - it is no error
    """The callable that was to give the attributes decided against the trace."""


class Attempt:
    """One attempt to trace this process.

    Whoever makes one has to ``end`` it; one that is dropped finishes itself. In a forked child
    it only closes descriptors: slot, tracer and copy belong to the parent.

    Attributes:
        started: ``time.monotonic()`` when ``trace`` was called, in seconds.
        held: Seconds from then until the program could go on.
        adopted: Whether a thread of its own will end it, or nobody.
        caller: The thread and greenlet that waits for it, None for a thread of its own.
        owner: Id of the process that it belongs to.
        done: A lock that is released when it has ended.
    """

    # Already there for ``finish`` when an interrupt ends the constructor.
    _slot: Slot | None = None
    _memory: FrozenMemory | None = None
    _command: Command | None = None
    _running: Running | None = None

    def __init__(self, tracer: Tracer, error: BaseException | None, started: float) -> None:
        self.started = started
        self.held = 0.0
        self.adopted = False
        self.caller: object = _greenlets.identity()
        self.owner = os.getpid()
        self.done = _greenlets.allocate_lock()
        self.done.acquire()
        self._tracer = tracer
        self._error = error
        self._config = current_config()  # read at call time (rule 23)
        self._ends_at = math.inf
        self._timeout = math.inf
        self._name = ""
        self._refusal = ""  # why no memory could be had
        note(self)

    def has_started(self) -> bool:
        """Whether its tracer was started, or is being started."""
        return self._running is not None or (self._slot is not None and self._slot.held())

    def begin(
        self,
        options: TraceOptions | None,
        attributes: Attributes,
        *,
        wait: bool,
        thread: int | None = None,
        task: int | None = None,
    ) -> None:
        """Win the slot and start the tracer; the program can go on then.

        Args:
            options: What to do; None takes the tracer's defaults.
            attributes: As for ``trace``.
            wait: Whether to wait for the slot.
            thread: As for ``trace``.
            task: As for ``trace``.

        Raises:
            TraceError: There will be no snapshot.
            Dropped: The callable decided against it; the slot was given back.
        """
        with _Guard(self._tracer):
            given = self._tracer.default_trace_options() if options is None else options
            self._timeout = timeout_of(self._tracer, given)
            self._ends_at = self.started + self._timeout
            own = _thread.get_native_id()
            faulted = own if thread is None else thread
            if task is None and faulted == own:
                task = _id_of(current_task())
            arguments = with_extras(self._tracer, self._error, given, faulted, task)
        slot = self._win_slot(wait=wait)
        with _Guard(self._tracer):
            added = attributes() if callable(attributes) else attributes
            if added is None and attributes is not None:
                slot.give_back()
                raise Dropped
            # What this trace says goes over what holds for the process; no name comes twice.
            whole = {**current_settings().trace_attributes(), **(added or {})}
            arguments = with_attributes(self._tracer, arguments, whole)
        self._start(arguments)
        self._error = None  # a detached trace must not keep the program's frames alive

    def _win_slot(self, *, wait: bool) -> Slot:
        self._slot = slot = Slot(GATE)
        if not wait or slot.waits_for_itself():
            if not slot.try_take():
                raise busy()
        elif not slot.take(self._ends_at):
            raise SlotTimeout(
                f"tracer lock acquisition timed out: no turn within {self._timeout:g} s; "
                "allow more time, or lower the rate limit"
            )
        if not may_start():
            slot.give_back()
            raise Busy("the process ends, so no tracer is started any more")
        return slot

    def _start(self, arguments: list[str]) -> None:
        finalize_memory = getattr(self._tracer, "finalize_memory", None)
        if finalize_memory is None:
            with _Guard(self._tracer):
                command = self._tracer.finalize(arguments)
            self._prepare_start(command, on_memory=False).start()
        else:
            self._start_on_memory(finalize_memory, arguments)
        self.held = time.monotonic() - self.started

    def _start_on_memory(
        self, finalize_memory: Callable[..., Command], arguments: list[str]
    ) -> None:
        """Freeze and start with the GIL kept: what gives it up may wait 5 ms to get it back."""
        try:
            running = self._prepare_on_memory(finalize_memory, arguments)
        except FreezeError as refusal:
            if self._memory is not None:
                self._memory.release()
            self._memory = None
            command = self._without_memory(arguments, refusal)
            running = self._prepare_start(command, on_memory=True)
        running.start()
        in_time = b"true" if running.hold(_RELEASE_SECONDS) else b"false"
        copy = None if self._memory is None else self._memory.copy
        copied = b"null" if copy is None else b"%d" % copy
        blocked = (time.monotonic() - self.started) * 1000
        line = b'{"blocked_ms": %.3f, "in_time": %s, "copy": %s}\n'
        running.tell(line % (blocked, in_time, copied))

    def _prepare_on_memory(
        self, finalize_memory: Callable[..., Command], arguments: list[str]
    ) -> Running:
        """Make all ready for the start, so that little is left to do after the freeze."""
        self._memory = memory = prepare()

        def prepared() -> Running:
            with _Guard(self._tracer):
                command = finalize_memory(arguments, memory, self._error, self.started)
            return self._prepare_start(command, on_memory=True)

        running = prepared()
        left = max(0.0, self._ends_at - time.monotonic())
        freeze(memory, seconds=min(left + _COPY_MARGIN, _LONGEST_COPY))
        return running if memory.mode == "frozen" else prepared()

    def _without_memory(self, arguments: list[str], refusal: FreezeError) -> Command:
        """Let the tracer keep what can be known of the error without any memory.

        Raises:
            FreezeError: It cannot.
        """
        finalize_record = getattr(self._tracer, "finalize_record", None)
        if finalize_record is None:
            raise refusal
        self._refusal = f"; {error_text(refusal)}"
        with _Guard(self._tracer):
            command: Command = finalize_record(
                arguments, error_text(refusal), self._error, self.started
            )
        return command

    def _prepare_start(self, command: Command, *, on_memory: bool) -> Running:
        held = self._memory is not None and self._memory.mode != "frozen"
        self._command = command
        self._name = os.fsdecode(command.argv[0]) if command.argv else ""
        if self._running is not None:  # prepared for a copy that could not be made
            self._running.discard()
        self._running = prepare_start(command, more_input=on_memory, releasable=held)
        return self._running

    def hand_over(self) -> None:
        """Note that another thread will conclude."""
        self.caller = None
        if self._slot is not None:
            self._slot.hand_over()

    def conclude(self, latest: float = math.inf, *, may_raise: bool = True) -> TraceResult:
        """Wait for the tracer, finish, and let the snapshot be uploaded if that is wanted.

        Args:
            latest: Moment of ``time.monotonic()`` after which neither is waited for even if the
                time-out is later.
            may_raise: Whether there is a caller to raise to.

        Returns:
            The result, which names what the tracer itself did wrong.

        Raises:
            KillError: The tracer ran too long and could not be killed, and the configuration
                wants that raised (rule 22).
        """
        assert self._running is not None  # noqa: S101 - begin() came first
        assert self._command is not None  # noqa: S101 - likewise
        ends_at = min(latest, self._ends_at)
        if self._memory is not None:
            self._memory.close()
        try:
            failure = self._outcome(self._running, ends_at)
        finally:
            self.finish()
        if failure is None:  # nobody waits for the slot meanwhile
            failure = put_printed(self._tracer, self._command, self._running.stdout, ends_at)
        if failure is not None:
            self.log(failure)
        if isinstance(failure, KillError):
            if may_raise and self._config.raise_on_kill_failure:
                raise failure
            failure = self._too_long()
        return self.result(failure)

    def leave(self, seconds: float) -> TraceResult:
        """Conclude if the tracer ends soon; otherwise leave it to itself, as the process ends.

        It ends its frozen copy when it is done, and init reaps both.
        """
        assert self._running is not None  # noqa: S101 - begin() came first
        latest = time.monotonic() + seconds
        readable = self._memory is not None and self._memory.mode == "frozen"
        soon = min(latest, self._ends_at)
        if not readable or _greenlets.in_turns(self._running.wait, soon):
            return self.conclude(latest)
        self.adopted = self._running.adopted = True
        if self._memory is not None:
            self._memory.leave()
        self.done.release()
        return self.result()

    def _outcome(self, running: Running, deadline: float) -> TraceError | None:
        if _greenlets.in_turns(running.wait, deadline):
            return self._verdict(running)
        try:
            running.kill()
        except OSError as refusal:
            return KillError(
                f"tracer execution timed out and {self._name!r} (process {running.pid}) could "
                f"not be killed: {refusal.strerror}; end it by hand"
            )
        return self._too_long()

    def _too_long(self) -> ExecutionTimeout:
        return ExecutionTimeout(
            f"tracer execution timed out: {self._name!r} was not done within {self._timeout:g} s"
            "; allow more time, or let it do less"
        )

    def _verdict(self, running: Running) -> TraceError | None:
        said = _last_line(running.stderr)
        because = (f": {said}" if said else "") + self._refusal
        if running.status is None and said:
            return ExitError(f"the tracer {self._name!r} ended, its status is unknown{because}")
        if running.status is not None and running.status < 0:
            name = _signal_name(-running.status)
            return ExitError(f"the tracer {self._name!r} was ended by {name}{because}")
        if running.status:
            return ExitError(
                f"the tracer {self._name!r} exited with status {running.status}{because}"
            )
        if running.fault is not None:
            return TraceError(f"the tracer {self._name!r} was not served: {running.fault}")
        return None

    def result(self, error: TraceError | None = None, *, dropped: bool = False) -> TraceResult:
        """What is known now."""
        running = self._running
        return TraceResult(
            error=error,
            stdout=running.stdout if running else b"",
            stderr=running.stderr if running else b"",
            exit_status=running.status if running else None,
            duration=time.monotonic() - self.started,
            held=self.held or time.monotonic() - self.started,
            dropped=dropped,
        )

    def log(self, failure: TraceError) -> None:
        """Say in one line through the tracer why there is no snapshot."""
        if isinstance(failure, Busy):
            return  # the caller asked not to wait, and counts
        line = " ".join(error_text(failure).split())
        with suppress(Exception):  # a log that fails must not fail the program
            self._tracer.logf(LogPriority.ERROR, "trace failed: %s", line)

    def end(self) -> None:
        """Finish, and let those go on who wait for that; to be called once."""
        try:
            with suppress(Exception):  # its finalizer tries once more
                self.finish()
        finally:
            self.done.release()

    def finish(self) -> None:
        """Leave neither tracer, copy, descriptor nor slot behind; idempotent, any thread."""
        try:
            if self._running is not None:
                self._running.discard()
        finally:
            try:
                if self._memory is not None:
                    self._memory.release()
            finally:
                if self._slot is not None:
                    self._slot.release(self._config.rate_limit_seconds)

    def __del__(self) -> None:
        """Catch what an interrupt on the way into ``finish`` left behind."""
        self.finish()


def busy() -> Busy:
    """The error for a caller who would not wait."""
    return Busy("another trace runs, or the rate limit is not over yet")


def _id_of(task: object) -> int | None:
    return None if task is None else id(task)


class _Guard:
    """Turn what a tracer's or a caller's own code raises into a :class:`TraceError`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, (TraceError, Dropped)):
            return
        if isinstance(error, ConfigError):
            raise TraceError(str(error)) from error
        raise FinalizeError(
            f"{type_name(self._tracer)} could not make its command: "
            f"{type_name(error)}: {error_text(error)}"
        ) from error


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "backslashreplace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LONGEST_REASON]


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal
        return f"signal {number}"
