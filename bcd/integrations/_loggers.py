"""Loggers whose errors are not traced: bcd's own, and those that tell what a hook sees itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from bcd.integrations._capture import Capture

__all__ = ["is_passed_over", "note_hook"]

_LOGGERS = {
    "asgi": ("uvicorn.error",),
    "starlette": ("uvicorn.error",),
    "wsgi": ("gunicorn.error",),
    "flask": ("gunicorn.error",),
    "django": ("uvicorn.error", "gunicorn.error"),
    "celery": ("celery.app.trace", "celery.worker.request"),
}
"""The integration → loggers of what it stands in. That of asyncio is not among them: what its
hook has seen is known by its mark, and loops of another make log there what it has not."""

_hooks: dict[str, WeakSet[Capture]] = {}


def note_hook(integration: str, capture: Capture) -> None:
    """Pass over the loggers that belong to an integration, as long as its capture lives."""
    for logger in _LOGGERS.get(integration, ()):
        _hooks.setdefault(logger, WeakSet()).add(capture)


def is_passed_over(logger: str) -> bool:
    """Whether the errors are not to be traced that come by this logger."""
    return logger == "bcd" or logger.startswith("bcd.") or bool(_hooks.get(logger))
