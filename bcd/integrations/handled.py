"""Errors that the program handles itself: ``bcd.capture(error)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bcd.engine import on_event_loop, type_name
from bcd.integrations._capture import Capture, Captured
from bcd.integrations._complaints import complain
from bcd.integrations._enclosing import Within, enclosing, want_requests

__all__ = ["Captured", "capture"]

want_requests("capture")

# One key, read and replaced by one call of C, so there is no lock that a fork could leave locked.
_own: dict[str, Capture] = {}


def capture(error: BaseException, attributes: Mapping[str, str | float] | None = None) -> Captured:
    """Have an error traced that the program handles itself.

    It goes the way of an error that nobody handles, with the default tracer: what ``bcd.init``
    was told to ignore is ignored, an error that was seen before is not traced again, nobody waits
    for the slot, ``before_trace`` has its say. If the error is raised again after that, no hook
    further up traces it a second time. It raises nothing.

    Args:
        error: The error, usually that of the ``except`` clause.
        attributes: For this snapshot; texts and numbers by their names.

    Returns:
        What became of it, which is a text too, such as ``"traced"``. The snapshot of an error
        that was traced is written while the program goes on.
    """
    try:
        _check(error, attributes)
        occasion = _Handled(attributes or {})
        return _capture().take(error, occasion, may_wait=not on_event_loop())
    except Exception as problem:  # noqa: BLE001 - never into the program
        complain("capture: an error could not be traced", problem)
        return Captured.FAILED


def _capture() -> Capture:
    try:
        return _own["capture"]
    except KeyError:
        return _own.setdefault("capture", Capture("capture"))


def _check(error: object, attributes: object) -> None:
    if not isinstance(error, BaseException):
        raise TypeError(f"it was given {type_name(error)} for the error; accepted is an exception")
    if attributes is not None and not isinstance(attributes, Mapping):
        raise TypeError(
            f"it was given {type_name(attributes)} for the attributes; accepted is a mapping"
        )


class _Handled(Within):
    """What is known where the program handles an error: the request too, if it is in one."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        super().__init__(enclosing())
        self._attributes = attributes

    def attributes(self, error: BaseException) -> dict[str, Any]:
        """Those of the request, and over them those that the program gave."""
        return super().attributes(error) | dict(self._attributes)
