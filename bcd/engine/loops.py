"""The event loop of the calling thread, if there is one: its task, and how to wait in it.

Nothing is imported: a loop that runs has loaded its package, asyncio or trio. AnyIO runs on
one of the two, and uvloop is a loop of asyncio.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from bcd import _greenlets

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Bell", "bell", "current_task", "in_thread", "on_event_loop"]


def current_task() -> asyncio.Task[Any] | None:
    """The asyncio task that the calling thread runs."""
    # Some other thread may be importing asyncio, so that it is there in part.
    with suppress(AttributeError, KeyError, RuntimeError):
        return sys.modules["asyncio.tasks"].current_task()  # type: ignore[no-any-return]  # a module
    return None


def on_event_loop() -> bool:
    """Whether waiting here would hold an event loop up."""
    return _asyncio_loop() is not None or _in_trio()


class Bell(Protocol):
    """Lets a coroutine wait for a thread."""

    def ring(self) -> None:
        """Wake the coroutine, from any thread; nothing happens if its loop has ended."""

    async def wait(self) -> BaseException | None:
        """Wait for the ring.

        Returns:
            None, or the cancellation that ended the wait, for the caller to raise.
        """


def bell() -> Bell | None:
    """A bell for the event loop that drives the calling coroutine; None for an unknown loop."""
    # In trio's guest mode both are there, and so with asyncio on top of trio.
    if current_task() is None and _in_trio():
        return _TrioBell()
    loop = _asyncio_loop()
    return None if loop is None else _AsyncioBell(loop)


def _asyncio_loop() -> asyncio.AbstractEventLoop | None:
    with suppress(AttributeError, KeyError):
        return sys.modules["asyncio.events"]._get_running_loop()  # type: ignore[no-any-return]  # noqa: SLF001 - public in all but name: asyncio.events documents it
    return None


def _in_trio() -> bool:
    with suppress(AttributeError, KeyError, RuntimeError):  # RuntimeError: not in this thread
        sys.modules["trio"].lowlevel.current_task()
        return True
    return False


class _AsyncioBell:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rung: asyncio.Future[None] = loop.create_future()

    def ring(self) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self._rung.done():
            self._rung.set_result(None)

    async def wait(self) -> BaseException | None:
        try:
            await self._rung
        except sys.modules["asyncio"].CancelledError as cancellation:
            return cancellation  # type: ignore[no-any-return]  # an attribute of a module
        return None


class _TrioBell:
    def __init__(self) -> None:
        self._trio: Any = sys.modules["trio"]
        self._token = self._trio.lowlevel.current_trio_token()
        self._rung = self._trio.Event()

    def ring(self) -> None:
        with suppress(RuntimeError):  # trio's run has ended
            self._token.run_sync_soon(self._rung.set)

    async def wait(self) -> BaseException | None:
        try:
            await self._rung.wait()
        except self._trio.Cancelled as cancellation:
            return cancellation  # type: ignore[no-any-return]  # an attribute of a module
        return None


async def in_thread(work: Callable[[], None]) -> BaseException | None:
    """Do work that raises nothing in a thread of its own, and wait for it without blocking.

    Not in the default executor, which would delay the end of the loop. The work sees the
    context variables of the caller; in a loop that is unknown nobody waits for it.

    Returns:
        None, or the cancellation that ended the wait, for the caller to raise; the work goes on.

    Raises:
        RuntimeError: No thread can be started.
    """
    done = bell()
    context = copy_context()

    def run() -> None:
        try:
            context.run(work)
        finally:
            if done is not None:
                done.ring()

    _greenlets.start_new_thread(run, ())  # unlike Thread.start it does not wait for the thread
    return None if done is None else await done.wait()
