"""``recover``: trace the error that leaves a block or a function."""

from __future__ import annotations

import inspect
from _thread import get_native_id
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from bcd.engine import current_task, in_thread, on_event_loop, trace
from bcd.errors import Busy, ConfigError, KillError
from bcd.scope import already_seen, own_attributes
from bcd.tracer import LogPriority

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["recover"]

P = ParamSpec("P")
R = TypeVar("R")


class recover:  # noqa: N801 - reads as the verb that it is in Go
    """Trace an exception that leaves the block or the function, and let it pass.

    Use it as a context manager (``with`` and ``async with``) or as a decorator of functions and
    coroutine functions::

        with recover(tracer):
            work()

    An ``Exception`` is traced, and so is a group that holds one. ``KeyboardInterrupt``,
    ``SystemExit``, ``GeneratorExit`` and ``asyncio.CancelledError`` pass untouched (rule 25).
    The trace's own error is logged and never raised (rule 26).

    The tracer is waited for, except where an event loop runs in the calling thread: there a
    tracer of frozen memory is left to finish by itself and a slot that is not free is not
    waited for, and ``async with`` awaits any other tracer in a thread of its own.

    One object may be used often, and by several threads at once.

    Args:
        tracer: Traces this process.
        reraise: Let the exception go on unchanged; otherwise it ends here, and a decorated
            function returns None. A group that holds more than ``Exception`` always goes on.
        options: Replace the tracer's default options.
    """

    def __init__(
        self,
        tracer: Tracer,
        reraise: bool = True,  # noqa: FBT001, FBT002 - by position, as in Go
        options: TraceOptions | None = None,
    ) -> None:
        self._tracer = tracer
        self._reraise = reraise
        self._options = options

    def __enter__(self) -> None:
        """Watch a block; there is nothing to set up."""

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Trace what leaves the block; returns whether it ends here."""
        if error is None or not _is_traced(error):
            return False
        self._trace(error)
        return self._ends_here(error)

    async def __aenter__(self) -> None:
        """Watch a block; there is nothing to set up."""

    async def __aexit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Trace what leaves the block, without blocking the event loop."""
        if error is None or not _is_traced(error):
            return False
        if self._reads_memory() or not on_event_loop():
            self._trace(error)
        else:
            cancellation = await self._trace_in_thread(error)
            if cancellation is not None and self._ends_here(error):
                raise cancellation  # there is no other error to go on
        return self._ends_here(error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Watch a function.

        Raises:
            ConfigError: It is a generator function, whose body runs later and elsewhere.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigError(
                f"recover cannot decorate the generator function {function!r}; "
                "accepted are functions and coroutine functions: put 'with recover(...)' into it"
            )
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", self._coroutine_function(function))

        @wraps(function)
        def watched(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)
            return cast("R", None)  # the exception ended here

        return watched

    def _coroutine_function(self, function: Callable[P, R]) -> Callable[P, object]:
        @wraps(function)
        async def watched(*args: P.args, **kwargs: P.kwargs) -> object:
            async with self:
                return await function(*args, **kwargs)  # type: ignore[misc]  # it is a coroutine
            return None

        return watched

    def _ends_here(self, error: BaseException) -> bool:
        return not self._reraise and isinstance(error, Exception)

    def _reads_memory(self) -> bool:
        return hasattr(self._tracer, "finalize_memory")

    def _trace(self, error: BaseException) -> None:
        at_once = self._reads_memory() and on_event_loop()
        with suppress(KillError):  # logged by the engine (rule 26)
            result = trace(
                self._tracer,
                error,
                self._options,
                wait=not at_once,
                detach=at_once,
                attributes=own_attributes(),
            )
            if isinstance(result.error, Busy):
                self._warn(result.error)
                return  # a hook above is to count it
        already_seen(error, None)  # marks it, so that no hook above traces it again

    async def _trace_in_thread(self, error: BaseException) -> BaseException | None:
        """Let a thread trace for this one; returns the cancellation that ended the wait."""
        thread, task = get_native_id(), current_task()
        attributes = own_attributes()

        def work() -> None:
            address = None if task is None else id(task)
            with suppress(KillError):  # logged by the engine (rule 26)
                trace(
                    self._tracer,
                    error,
                    self._options,
                    attributes=attributes,
                    thread=thread,
                    task=address,
                )

        already_seen(error, None)  # marks it, so that no hook above traces it again
        try:
            return await in_thread(work)
        except RuntimeError as refusal:  # no thread can be started
            self._warn(refusal)
            return None

    def _warn(self, why: Exception) -> None:
        with suppress(Exception):  # a log that fails must not replace the error
            self._tracer.logf(LogPriority.WARNING, "not traced: %s", why)


def _is_traced(error: BaseException) -> bool:
    """Whether it is an ``Exception``, or a group that holds one at any depth."""
    unseen = [error]
    while unseen:
        one = unseen.pop()
        if isinstance(one, Exception):
            return True
        if isinstance(one, BaseExceptionGroup):
            unseen.extend(one.exceptions)
    return False
