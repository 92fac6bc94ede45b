"""Switch integrations on for the whole process, each once the program imports its framework.

Each integration in the table has a function ``setup(tracer, options, ignore, before_trace)`` for
all applications of the process. It returns what has a method ``uninstall``. Where programs call
that one themselves there is a ``setup_for_all()`` too, over which theirs holds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bcd.integrations._complaints import complain
from bcd.integrations._imports import when_imported
from bcd.integrations._points import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["AUTOMATIC", "Automatic", "Handle", "switch_on"]


class Automatic(NamedTuple):
    """One integration that can be switched on for the whole process."""

    after: str
    """The module of the framework that has all that the integration imports of it."""
    integration: str
    """The module of bcd."""


AUTOMATIC = {
    "celery": Automatic("celery.app.base", "bcd.integrations.celery"),
    "django": Automatic("django.core.handlers.base", "bcd.integrations.django"),
    "flask": Automatic("flask", "bcd.integrations.flask"),
    "gunicorn": Automatic("gunicorn.workers.base", "bcd.integrations.gunicorn"),
    "starlette": Automatic("starlette.applications", "bcd.integrations.starlette"),
    "uvicorn": Automatic("uvicorn.config", "bcd.integrations.uvicorn"),
}
"""By the names of the setting ``integrations``."""


class _SetUp(Protocol):
    def uninstall(self) -> None:
        """Take it back."""


def switch_on(names: Iterable[str]) -> Handle:
    """Switch integrations on, now or as soon as their frameworks are imported.

    With the default tracer of the process and what ``bcd.init`` was told. One that cannot be
    switched on is told on stderr.

    Args:
        names: Of :data:`AUTOMATIC`.

    Returns:
        What switches them off.
    """
    handle = Handle()
    for name in names:
        handle.add(name)
    return handle


class Handle:
    """What was switched on, to be switched off."""

    def __init__(self) -> None:
        self._set_up: dict[str, _SetUp] = {}
        self._call_off: list[Callable[[], object]] | None = []

    def add(self, name: str) -> None:
        """Switch one more on."""
        call_off = when_imported(AUTOMATIC[name].after, lambda: self._set_one_up(name))
        with CHANGES:
            if self._call_off is not None:
                self._call_off.append(call_off)

    def uninstall(self) -> None:
        """Switch all off; does nothing the second time."""
        with CHANGES:
            call_off, self._call_off = self._call_off, None
            set_up, self._set_up = self._set_up, {}
        for step in call_off or []:
            step()
        for one in set_up.values():
            one.uninstall()

    def _set_one_up(self, name: str) -> None:
        """Switch it on, again if its framework was reloaded."""
        try:
            module = import_module(AUTOMATIC[name].integration)
            made: _SetUp = getattr(module, "setup_for_all", module.setup)()
        except Exception as problem:  # noqa: BLE001 - a version of the framework that is not known
            complain(f"{name}: the integration could not be switched on", problem)
            return
        with CHANGES:
            replaced: _SetUp | None = made
            if self._call_off is not None:  # not switched off meanwhile
                replaced = self._set_up.get(name)
                self._set_up[name] = made
        if replaced is not None:
            replaced.uninstall()
