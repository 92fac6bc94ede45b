"""An error on its way up is seen once; the same object raised again is a new error."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bcd.scope import already_seen

if TYPE_CHECKING:
    from collections.abc import Callable


def raised(error: BaseException) -> None:
    """Raise an error.

    Raises:
        BaseException: It.
    """
    raise error


def seen_below(error: BaseException, scope: int | None = None) -> None:
    """Raise an error that a hook sees down here.

    Raises:
        BaseException: It.
    """
    try:
        raised(error)
    except BaseException as caught:
        already_seen(caught, scope)
        raise


def caught(call: Callable[[BaseException], Any], error: BaseException) -> BaseException:
    """The error as it arrives."""
    try:
        call(error)
    except BaseException as arrived:  # noqa: BLE001 - any
        return arrived
    raise AssertionError


def by_name(error: BaseException) -> None:
    """Raise what was caught by its name.

    Raises:
        BaseException: It.
    """
    try:
        raised(error)
    except BaseException as arrived:
        already_seen(arrived, None)
        raise arrived  # noqa: TRY201 - that is the point


def by_name_further_up(error: BaseException) -> None:
    """Raise by its name what was seen below.

    Raises:
        BaseException: It.
    """
    try:
        seen_below(error)
    except BaseException as arrived:  # noqa: TRY203 - that is the point
        raise arrived  # noqa: TRY201 - that is the point


def in_thread(error: BaseException) -> None:
    """Raise in a thread of an executor, and again where its result is asked for."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(seen_below, error).result()


def in_task(error: BaseException) -> None:
    """Raise in an asyncio task, and again where it is awaited."""

    async def fail() -> None:
        seen_below(error)

    async def main() -> None:
        await asyncio.create_task(fail())

    asyncio.run(main())


def in_group(error: BaseException) -> None:
    """Raise in a task of a group, and in a group where that ends."""

    async def fail() -> None:
        seen_below(error)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    asyncio.run(main())


CALLS = [seen_below, by_name, by_name_further_up, in_thread, in_task, in_group]


class TestOnItsWay:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("scope", [None, 7])
    def test_an_error_that_came_up_is_known(self, call: Any, scope: int | None) -> None:
        """Through functions, threads, tasks and groups, to a hook in a request or above all."""
        assert already_seen(caught(call, ValueError()), scope)

    def test_a_hook_of_a_request_tells_one_above_all(self) -> None:
        """The error of a request ends the program: one snapshot."""
        error = caught(lambda error: seen_below(error, 7), ValueError())
        assert already_seen(error, None)

    @pytest.mark.parametrize("call", CALLS[:-1])
    def test_raised_again_it_is_new(self, call: Any) -> None:
        """One object for all errors, as some modules have it."""
        error = ValueError()
        caught(call, error)
        assert not already_seen(caught(raised, error), None)
        assert not already_seen(caught(raised, error), None)

    def test_that_was_never_raised(self) -> None:
        """It is known as long as nobody raises it."""
        error = ValueError()
        assert not already_seen(error, None)
        assert already_seen(error, None)
        assert not already_seen(caught(raised, error), None)

    def test_whose_traceback_was_taken_away(self) -> None:
        """Nothing tells any more that it is the same."""
        error = caught(seen_below, ValueError()).with_traceback(None)
        assert not already_seen(error, None)

    def test_two_requests_are_two_whatever_the_traceback(self) -> None:
        """Where both are known, the request decides alone."""
        error = caught(lambda error: seen_below(error, 7), ValueError())
        assert not already_seen(error, 8)
        assert already_seen(error, 8)
