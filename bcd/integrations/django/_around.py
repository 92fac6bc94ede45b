"""Around what no public hook of Django sees."""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from django.core.handlers.base import BaseHandler
from django.core.signals import request_finished, request_started

from bcd.integrations._points import Point
from bcd.integrations.django._answers import answer, answer_in_loop
from bcd.integrations.django._errors import Errors, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

__all__ = ["HANDLERS", "SIGNALS"]


def _sending(point: Point, before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    def send(*arguments: Any, **named: Any) -> Any:
        try:
            return before(*arguments, **named)
        except Exception as error:
            Errors.take(error, Receiver(_NAMES[point.owner]))
            raise

    return send


def _sending_in_loop(point: Point, before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    async def asend(*arguments: Any, **named: Any) -> Any:
        try:
            return await before(*arguments, **named)
        except Exception as error:
            await Errors.take_in_loop(error, Receiver(_NAMES[point.owner]))
            raise

    return asend


def _answering(_: Point, before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    def get_response(self: BaseHandler, request: HttpRequest) -> Any:
        return answer(partial(before, self), request)

    return get_response


def _answering_in_loop(_: Point, before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    async def get_response_async(self: BaseHandler, request: HttpRequest) -> Any:
        return await answer_in_loop(partial(before, self), request)

    return get_response_async


_NAMES = {request_started: "request_started", request_finished: "request_finished"}

SIGNALS = tuple(
    Point(signal, name, wrap)
    for signal in _NAMES
    for name, wrap in (("send", _sending), ("asend", _sending_in_loop))
    if hasattr(signal, name)  # asend came with Django 5.0
)
"""Django answers nothing that receivers raise here."""

HANDLERS = (
    Point(BaseHandler, "get_response", _answering),
    Point(BaseHandler, "get_response_async", _answering_in_loop),
)
"""In place of a middleware that stands first."""
