"""The one path that every hook takes from an error to a trace.

Expected? Seen before? Then the tracer's slot is taken without waiting, and only who gets it
does the costly work: attributes, the user's ``before_trace``, freezing, starting the tracer.
Nothing in here raises an ``Exception`` into the program.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from bcd.engine import TraceResult, current_task, in_thread, is_open, trace, type_name
from bcd.errors import Busy
from bcd.integrations._attributes import clean_all, of_error
from bcd.integrations._complaints import complain
from bcd.integrations._expected import Ignored, is_expected
from bcd.integrations._loggers import note_hook
from bcd.integrations._suppressed import count, suppressed
from bcd.integrations._turns import turns
from bcd.integrations._waiting import hurried
from bcd.scope import already_seen, own_attributes
from bcd.settings import BeforeTrace, Ignore, current_settings
from bcd.tracers import default_tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bcd.settings import Settings
    from bcd.tracer import TraceOptions, Tracer

__all__ = ["BeforeTrace", "Capture", "Captured", "Ignore", "Occasion", "TraceFunction"]


class Captured(StrEnum):
    """What became of an error.

    Attributes:
        TRACED: A tracer was started.
        COUNTED: Another one runs or the rate limit is not over; the error was counted by its kind.
        EXPECTED: It is part of normal service, as ``ignore`` or bcd's own rules say.
        SEEN: It was seen before in this request or task.
        DROPPED: ``before_trace`` decided against it.
        FAILED: Something went wrong, which a line on stderr says.
    """

    TRACED = "traced"
    COUNTED = "counted"
    EXPECTED = "expected"
    SEEN = "seen"
    DROPPED = "dropped"
    FAILED = "failed"


class Occasion(Protocol):
    """What a hook knows about the request, task or call in which an error came up."""

    def scope(self) -> int | str | None:
        """What tells this request, task or call from the next within this process, if known."""

    def client_gone(self) -> bool:
        """Whether the client is known to have gone away."""

    def attributes(self, error: BaseException) -> dict[str, str]:
        """Attributes by their OpenTelemetry names; called only when a trace is under way."""


class TraceFunction(Protocol):
    """``bcd.engine.trace`` as hooks call it."""

    def __call__(  # noqa: PLR0913 - the engine's signature
        self,
        tracer: Tracer,
        error: BaseException | None = None,
        options: TraceOptions | None = None,
        *,
        wait: bool = True,
        detach: bool = False,
        attributes: Callable[[], Mapping[str, str] | None] | None = None,
        thread: int | None = None,
        task: int | None = None,
    ) -> TraceResult:
        """Run the tracer, if it may run now."""


class Capture:
    """Decides for one hook what becomes of an error, and has it traced.

    What ``bcd.init`` was told to ignore is ignored too, and its ``before_trace`` is called after
    the hook's own.

    Args:
        integration: The hook's name, for the attribute ``bcd.integration``.
        tracer: None takes the default tracer of the moment.
        options: None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)`` before the tracer is started; returns the
            attributes, edited or not, or None for no trace.
        run: Stands in for ``bcd.engine.trace``.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """

    def __init__(  # noqa: PLR0913 - one per setting
        self,
        integration: str,
        tracer: Tracer | None = None,
        options: TraceOptions | None = None,
        ignore: Ignore = (),
        before_trace: BeforeTrace | None = None,
        *,
        run: TraceFunction | None = None,
    ) -> None:
        self._integration = integration
        self._tracer = tracer
        self._options = options
        self._own_ignored = Ignored(ignore).entries
        self._ignored: tuple[Settings | None, Ignored] = (None, Ignored(()))
        self._before_trace = before_trace
        self._trace: TraceFunction = trace if run is None else run
        self._thread_of: int | None = None
        note_hook(integration, self)
        current_settings()  # reads and loads now what the first error would have to wait for
        if tracer is None:
            default_tracer()

    def take(
        self,
        error: BaseException,
        occasion: Occasion,
        *,
        may_wait: bool = True,
        task: int | None = None,
        thread: int | None = None,
    ) -> Captured:
        """Have an error traced; returns when the tracer is started on a frozen copy.

        A tracer that cannot work on one is waited for, at most 10 s.

        Args:
            error: What came up.
            occasion: Where.
            may_wait: False where nobody may wait, as on an event loop. A tracer that cannot
                work on a frozen copy is left to itself then, and sees the program go on.
            task: ``id()`` of the asyncio task in trouble, if this thread serves one of another.
            thread: Native id of the thread in trouble where that is another one; 0 where it has
                ended, or is one of another process.
        """
        try:
            passed = self._let_pass(error, occasion)
            if passed is not None:
                return passed
            caller = _Caller(thread, task)
            return self._run(self._chosen_tracer(), error, occasion, caller, may_wait=may_wait)
        except Exception as problem:  # noqa: BLE001 - never into the program
            complain(f"{self._integration}: an error could not be traced", problem)
            return Captured.FAILED

    async def take_in_loop(self, error: BaseException, occasion: Occasion) -> None:
        """Have an error traced without blocking an event loop for longer than a freeze.

        A tracer that cannot work on a frozen copy runs in a thread, which is awaited. If that
        is cancelled it returns at once, for the program's own error to go on.
        """
        try:
            if self._let_pass(error, occasion) is not None:
                return
            tracer = self._chosen_tracer()
            if hasattr(tracer, "finalize_memory"):
                self._run(tracer, error, occasion)
            else:
                await self._run_in_thread(tracer, error, occasion)
        except Exception as problem:  # noqa: BLE001 - never into the program
            complain(f"{self._integration}: an error could not be traced", problem)

    def count(self, error: BaseException, occasion: Occasion) -> bool:
        """Count an error of which nothing is left that could be traced.

        Returns:
            Whether it counts: it is not expected, and no hook saw it before.
        """
        try:
            kind = self._kind_of_unexpected(error, occasion)
            if kind is None or already_seen(error, occasion.scope()):
                return False
            count(kind)
        except Exception as problem:  # noqa: BLE001 - never into the program
            complain(f"{self._integration}: an error could not be counted", problem)
            return False
        return True

    def _let_pass(self, error: BaseException, occasion: Occasion) -> Captured | None:
        """What became of an error that is not traced; None where it is to be."""
        kind = self._kind_of_unexpected(error, occasion)
        if kind is None:
            return Captured.EXPECTED
        if already_seen(error, occasion.scope()):
            return Captured.SEEN
        if is_open():
            suppressed.settle()
            if not turns.gives_way(kind):
                return None
        count(kind)
        return Captured.COUNTED

    def _kind_of_unexpected(self, error: BaseException, occasion: Occasion) -> str | None:
        """The type's name; None where the error is expected."""
        ignored = self._all_ignored()
        kind = ignored.never_has(error)
        if kind is not None:
            return kind
        return None if is_expected(error, ignored, occasion.client_gone) else type_name(error)

    def _all_ignored(self) -> Ignored:
        """The hook's own and those of the process, put together anew when these change."""
        settings = current_settings()
        made_for, ignored = self._ignored
        if made_for is not settings:
            ignored = Ignored([*self._own_ignored, *settings.ignore])
            self._ignored = (settings, ignored)
        return ignored

    def _chosen_tracer(self) -> Tracer:
        return default_tracer() if self._tracer is None else self._tracer

    def _run(
        self,
        tracer: Tracer,
        error: BaseException,
        occasion: Occasion,
        caller: _Caller | None = None,
        *,
        may_wait: bool = True,
    ) -> Captured:
        kind = type_name(error)
        detached = hasattr(tracer, "finalize_memory") or not may_wait
        options = self._options
        if caller is not None and caller.thread == 0:
            options = _blaming_nobody(options, tracer)
        gathering = _Gathering(self._integration, error, occasion, self._editors())
        result = self._trace(
            tracer,
            error,
            options if detached else hurried(options, tracer),
            wait=False,
            detach=detached,
            attributes=gathering,
            thread=None if caller is None else caller.thread,
            task=None if caller is None else caller.task,
        )
        if isinstance(result.error, Busy):
            count(kind)
            return Captured.COUNTED
        if result.dropped:
            turns.dropped(kind)
            gathering.give_back()
            return Captured.DROPPED
        turns.traced(kind)
        if result.error is not None:
            gathering.give_back()
            return Captured.FAILED
        return Captured.TRACED

    def _editors(self) -> list[BeforeTrace]:
        both = (self._before_trace, current_settings().before_trace)
        return [editor for editor in both if editor is not None]

    async def _run_in_thread(
        self, tracer: Tracer, error: BaseException, occasion: Occasion
    ) -> None:
        if self._thread_of == os.getpid() or not is_open():
            count(type_name(error))
            return
        task = current_task()
        caller = _Caller(threading.get_native_id(), None if task is None else id(task), task)
        self._thread_of = os.getpid()
        try:  # if it is cancelled, the program's own error goes on
            await in_thread(lambda: self._run_alone(tracer, error, occasion, caller))
        except BaseException:  # no thread could be started
            self._thread_of = None
            raise

    def _run_alone(
        self, tracer: Tracer, error: BaseException, occasion: Occasion, caller: _Caller
    ) -> None:
        try:
            self._run(tracer, error, occasion, caller)
        except Exception as problem:  # noqa: BLE001 - nobody would see it in this thread
            complain(f"{self._integration}: an error could not be traced", problem)
        finally:
            self._thread_of = None


@dataclass(frozen=True, slots=True)
class _Caller:
    """In whose place a thread traces.

    Attributes:
        thread: Native id; None is the thread itself, 0 one that is no more.
        task: The ``id()`` of an asyncio task; None is the one that the thread runs, if it does.
        kept: What has to live as long, so that its address stays its own.
    """

    thread: int | None = None
    task: int | None = None
    kept: object = None


def _blaming_nobody(options: TraceOptions | None, tracer: Tracer) -> TraceOptions:
    """The options, or the tracer's own, for an error whose thread is no more."""
    options = tracer.default_trace_options() if options is None else options
    return replace(options, faulted=False, caller_only=False)


class _Gathering:
    """Gathers the attributes of one error once the engine has won the slot for it."""

    __slots__ = ("_editors", "_error", "_integration", "_occasion", "_others", "_own")

    def __init__(
        self,
        integration: str,
        error: BaseException,
        occasion: Occasion,
        editors: Sequence[BeforeTrace],
    ) -> None:
        self._integration = integration
        self._error = error
        self._occasion = occasion
        self._editors = editors
        self._own = self._others = 0

    def __call__(self) -> dict[str, str] | None:
        known = (
            of_error(self._error)
            | self._described()
            | {"bcd.integration": self._integration}
            | self._suppressed()
        )
        added = {name: text for name, text in own_attributes().items() if name not in known}
        attributes: dict[str, str] | None = clean_all(known | added)
        for editor in self._editors:
            if attributes is not None:
                attributes = self._edited(editor, attributes)
        return attributes

    def give_back(self) -> None:
        """Count again what no snapshot told about."""
        if self._own:
            suppressed.add(type_name(self._error), self._own)
        if self._others:
            suppressed.add_others(self._others)

    def _described(self) -> dict[str, str]:
        try:
            return self._occasion.attributes(self._error)
        except Exception as problem:  # noqa: BLE001 - a snapshot without them is better than none
            complain(f"{self._integration}: a request could not be described", problem)
            return {}

    def _suppressed(self) -> dict[str, str]:
        self._own = suppressed.take(type_name(self._error))
        self._others = suppressed.take_others()
        counts = {"bcd.suppressed": str(self._own)}
        if self._others:
            counts["bcd.suppressed.other"] = str(self._others)
        return counts

    def _edited(self, editor: BeforeTrace, attributes: dict[str, str]) -> dict[str, str] | None:
        try:
            edited = editor(self._error, dict(attributes))
            if edited is not None and not isinstance(edited, Mapping):
                raise TypeError(f"it returned {type_name(edited)}, not a mapping or None")  # noqa: TRY301
        except Exception as problem:  # noqa: BLE001 - the user's function; the trace goes on
            complain(f"{self._integration}: before_trace failed, nothing was edited", problem)
            return attributes
        return None if edited is None else clean_all(edited)
