"""Answers to requests, with their bodies, which may be made while they are sent."""

from __future__ import annotations

from collections import ChainMap
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from django.http import StreamingHttpResponse

from bcd.integrations._complaints import complain
from bcd.integrations._enclosing import encloses
from bcd.integrations.django._errors import (
    Errors,
    Request,
    attributes_of,
    note_task,
    outside_of,
    served_by,
)
from bcd.scope import WANTED, Scope, open_scope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

    from django.http import HttpRequest

__all__ = ["answer", "answer_in_loop"]


def answer(get_response: Callable[[HttpRequest], Any], request: HttpRequest) -> Any:
    """Have a request answered, and the errors traced that leave Django."""
    opened = _open_scope(request) if WANTED else None
    try:
        response = get_response(request)
    except BaseException as error:
        Errors.take(error, Request(request))
        if opened is not None:
            opened.close()
        raise
    if opened is None and not isinstance(response, StreamingHttpResponse):
        return response  # what most requests pay for
    return _watched(response, request, opened)


async def answer_in_loop(
    get_response: Callable[[HttpRequest], Awaitable[Any]], request: HttpRequest
) -> Any:
    """The same on an event loop."""
    opened = _open_scope(request) if WANTED else None
    note_task(request)
    try:
        response = await get_response(request)
    except BaseException as error:
        await Errors.take_in_loop(error, Request(request))
        if opened is not None:
            opened.close()
        raise
    if opened is None and not isinstance(response, StreamingHttpResponse):
        return response  # what most requests pay for
    return _watched(response, request, opened)


encloses(answer, served_by)
encloses(answer_in_loop, served_by)


def _open_scope(request: HttpRequest) -> Scope | None:
    """Open a scope, unless a hook outside did; Django's page about errors is not to show it."""
    known = ChainMap(attributes_of(request), outside_of(request))
    return open_scope(known, served_by, {"request": request})


def _watched(response: Any, request: HttpRequest, opened: Scope | None) -> Any:
    """The response; its body is watched, and has the scope open, if it can still fail."""
    if isinstance(response, StreamingHttpResponse):
        try:
            if _watch(response, request, opened):
                return response
        except Exception as problem:  # noqa: BLE001 - a class that is made otherwise
            complain("django: a body could not be watched", problem)
    if opened is not None:
        opened.close()
    return response


def _watch(response: StreamingHttpResponse, request: HttpRequest, opened: Scope | None) -> bool:
    if _is_sent_by_server(response, request):
        return False
    parts = _parts_in_loop if response.is_async else _Parts
    occasion = Request(request, response.status_code)
    response.streaming_content = parts(response.streaming_content, occasion, opened)
    return True


def _is_sent_by_server(response: StreamingHttpResponse, request: HttpRequest) -> bool:
    """Whether the server sends the file in a way of its own (PEP 3333)."""
    file = getattr(response, "file_to_stream", None)
    return file is not None and "wsgi.file_wrapper" in request.META


class _Parts:
    """A body; Django closes it with the response, also where nothing of it was sent."""

    __slots__ = ("_occasion", "_opened", "_parts")

    def __init__(self, parts: Iterator[bytes], occasion: Request, opened: Scope | None) -> None:
        self._parts = parts
        self._occasion = occasion
        self._opened = opened

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._parts
        except Exception as error:
            Errors.take(error, self._occasion, self._occasion.task())
            raise

    def close(self) -> None:
        """Close the scope; Django closes what the view gave it."""
        if self._opened is not None:
            self._opened.close()


async def _parts_in_loop(
    parts: AsyncGenerator[bytes], occasion: Request, opened: Scope | None
) -> AsyncGenerator[bytes]:
    async with aclosing(parts) as content:
        try:
            async for part in content:
                yield part
        except Exception as error:
            await Errors.take_in_loop(error, occasion)
            raise
        finally:
            if opened is not None:
                opened.close()
