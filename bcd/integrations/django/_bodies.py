"""Bodies that are made while they are sent, when Django's middlewares are done."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from django.http import StreamingHttpResponse

from bcd.integrations._complaints import complain
from bcd.integrations.django._errors import Errors, Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from django.http import HttpRequest

__all__ = ["watched"]


def watched(response: Any, request: HttpRequest) -> Any:
    """The response, with its body watched if that can still fail."""
    if isinstance(response, StreamingHttpResponse):
        try:
            _watch(response, request)
        except Exception as problem:  # noqa: BLE001 - a class that is made otherwise
            complain("django: a body could not be watched", problem)
    return response


def _watch(response: StreamingHttpResponse, request: HttpRequest) -> None:
    if not _is_sent_by_server(response, request):
        parts = _parts_in_loop if response.is_async else _parts
        occasion = Request(request, response.status_code)
        response.streaming_content = parts(response.streaming_content, occasion)


def _is_sent_by_server(response: StreamingHttpResponse, request: HttpRequest) -> bool:
    """Whether the server sends the file in a way of its own (PEP 3333)."""
    file = getattr(response, "file_to_stream", None)
    return file is not None and "wsgi.file_wrapper" in request.META


def _parts(parts: Iterator[bytes], occasion: Request) -> Iterator[bytes]:
    try:
        yield from parts
    except Exception as error:
        Errors.take(error, occasion, occasion.task())
        raise


async def _parts_in_loop(parts: AsyncGenerator[bytes], occasion: Request) -> AsyncGenerator[bytes]:
    async with aclosing(parts) as content:
        try:
            async for part in content:
                yield part
        except Exception as error:
            await Errors.take_in_loop(error, occasion)
            raise
