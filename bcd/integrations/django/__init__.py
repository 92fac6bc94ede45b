"""Django: ``"bcd.integrations.django.BcdMiddleware"``, first in ``MIDDLEWARE``, or ``setup()``.

Django answers what views and middlewares raise, wherever in the chain, and sends the signal
``got_request_exception`` for it. The middleware sees the bodies that fail while they are sent.
What the receivers of ``request_started`` and ``request_finished`` raise is seen around these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.signals import got_request_exception

from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._points import CHANGES, Point
from bcd.integrations.django._answers import answer, answer_in_loop
from bcd.integrations.django._around import HANDLERS, SIGNALS
from bcd.integrations.django._errors import Errors, request_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.http import HttpRequest

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["BcdMiddleware", "Handle", "setup", "setup_for_all"]


class BcdMiddleware:
    """Has every unhandled error of the Django project traced; for ``MIDDLEWARE``.

    Django makes it, so it takes no settings: those of :func:`bcd.init` and of :func:`setup` hold.
    """

    sync_capable = True
    async_capable = True
    _capture: ClassVar[Capture | None] = None

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._answer = answer
        if iscoroutinefunction(get_response):
            self._answer = answer_in_loop
            markcoroutinefunction(self)
        if BcdMiddleware._capture not in Errors.captures:
            BcdMiddleware._capture = Capture("django")
            Handle(BcdMiddleware._capture, SIGNALS, below=True)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request, or give the coroutine that does."""
        return self._answer(self.get_response, request)


def setup(
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
) -> Handle:
    """Have every unhandled error of the Django project traced, with or without the middleware.

    Call it at any time; who calls it again takes the errors over from the earlier handle until
    the later one is uninstalled.

    Args:
        tracer: None takes the default tracer.
        options: Options of each trace; None takes the tracer's own.
        ignore: Exception classes, or names like ``"shop.OutOfStock"``, that are expected.
        before_trace: Gets ``(error, attributes)``; returns the attributes, edited or not, or
            None for no trace.

    Returns:
        What uninstalls it.

    Raises:
        ConfigError: An entry of ``ignore`` is neither a class nor a name.
    """
    return Handle(Capture("django", tracer, options, ignore, before_trace), SIGNALS + HANDLERS)


def setup_for_all() -> Handle:
    """Do the same for ``bcd.init``: where the program calls :func:`setup` itself, that holds."""
    return Handle(Capture("django"), SIGNALS + HANDLERS, below=True)


class Handle:
    """What was installed, to be uninstalled."""

    def __init__(self, capture: Capture, points: Iterable[Point], *, below: bool = False) -> None:
        self._capture = capture
        self._points = [*points]
        with CHANGES:
            Errors.captures.add(capture, below=below)
            got_request_exception.connect(request_failed, weak=False)
            for point in self._points:
                point.add(capture)

    def uninstall(self) -> None:
        """Trace no more, and restore what stood before; does nothing the second time."""
        with CHANGES:
            points, self._points = self._points, []
            for point in points:
                point.remove(self._capture)
            if not Errors.captures.remove(self._capture):
                got_request_exception.disconnect(request_failed)
