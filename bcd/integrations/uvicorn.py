"""uvicorn: ``setup()`` puts a hook around whatever application it serves.

uvicorn has no hook of its own for that, so the method is wrapped that loads the application.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from bcd.integrations._capture import BeforeTrace, Capture, Ignore
from bcd.integrations._points import Installed, Point, point_of_class
from bcd.integrations.asgi import OfAll

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config

    from bcd.tracer import TraceOptions, Tracer

__all__ = ["setup"]


def setup(
    tracer: Tracer | None = None,
    options: TraceOptions | None = None,
    ignore: Ignore = (),
    before_trace: BeforeTrace | None = None,
) -> Installed:
    """Have every error traced that leaves an application which uvicorn loads from now on.

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
    from uvicorn.config import Config  # the class of now, should it be reloaded

    capture = Capture("asgi", tracer, options, ignore, before_trace)
    return Installed(capture, [point_of_class(Config, "load", _loading)])


def _loading(point: Point, before: Callable[..., None]) -> Callable[..., None]:
    @wraps(before)
    def load(config: Config) -> None:
        before(config)
        app: Any = config.loaded_app
        config.loaded_app = OfAll(app, partial(point.capture_of, load))

    return load
