"""gunicorn: ``setup()`` puts a hook around whatever WSGI application its workers serve.

Its own hooks stand in the user's configuration, which is left alone; so the method of the workers
is wrapped that loads the application.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._points import Installed, Point, point_of_class
from bcd.integrations.wsgi import OfAll

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["setup"]

_OF_WSGI = frozenset(
    f"gunicorn.workers.{name}" for name in ("geventlet", "ggevent", "gthread", "sync")
)
"""Where the workers come from that serve WSGI; those of other servers may serve ASGI."""


def setup(
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
) -> Installed:
    """Have every error traced that leaves a WSGI application which a worker loads from now on.

    An application that has a hook of its own keeps that one's settings.

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
    from gunicorn.workers.base import Worker  # the class of now, should it be reloaded

    capture = Capture("wsgi", tracer, options, ignore, before_trace)
    return Installed(capture, [point_of_class(Worker, "load_wsgi", _loading)])


def _loading(point: Point, before: Callable[..., None]) -> Callable[..., None]:
    @wraps(before)
    def load_wsgi(worker: Any) -> None:
        before(worker)
        if any(kind.__module__ in _OF_WSGI for kind in type(worker).__mro__):
            worker.wsgi = OfAll(worker.wsgi, partial(point.capture_of, load_wsgi))

    return load_wsgi
