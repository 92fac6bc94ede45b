"""Asking the store from the event loop, for a bounded time."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from bcd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.viewer.outage import Outage

__all__ = ["Asker"]

_Answer = TypeVar("_Answer")

_AT_ONCE = 16


class Asker:
    """Asks in threads, so that a store that hangs holds neither the server nor its end.

    A thread that nobody waits for any more keeps its place until the store answers: there are
    never more than a few of them.

    Args:
        patience: Seconds that a question may take, the wait for a thread included.
        outage: Is told when the store answers.
    """

    def __init__(self, patience: float, outage: Outage) -> None:
        self._patience = patience
        self._outage = outage
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask one question.

        Raises:
            StoreError: There was no answer in time.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
                answer = await self._started(question)
        except TimeoutError:
            raise StoreError(
                f"the store did not answer within {self._patience:g} s; try again, and see "
                "whether its database is well"
            ) from None
        self._outage.ends()
        return answer

    def _started(self, question: Callable[[], _Answer]) -> asyncio.Future[_Answer]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Answer] = loop.create_future()

        def settle(value: _Answer | None, error: BaseException | None) -> None:
            self._places.release()
            if answer.done():
                return  # nobody waits any more
            if error is None:
                answer.set_result(value)  # type: ignore[arg-type] # there is one then
            else:
                answer.set_exception(error)

        def work() -> None:
            value, error = None, None
            try:
                value = question()
            except BaseException as raised:  # noqa: BLE001 - it is raised where it is awaited
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, value, error)

        # The interpreter waits for the threads of a pool at its end, and for no daemon.
        thread = Thread(target=work, name="bcd-store", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._places.release()
            raise StoreError("no thread can be started to ask the store; try again") from None
        return answer
