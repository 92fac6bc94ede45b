"""The attributes that readers know by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RELEASE", "SERVICE", "route_of", "suppressed_before"]

SERVICE = "service.name"
RELEASE = "service.version"

_ROUTES = ("http.route", "celery.task_name")
_SUPPRESSED = "bcd.suppressed"
_DIGITS = 12


def route_of(attributes: Mapping[str, str]) -> str | None:
    """Return the route of the request, or the name of the task where there is none."""
    return next((attributes[key] for key in _ROUTES if attributes.get(key)), None)


def suppressed_before(attributes: Mapping[str, str]) -> int:
    """Return how many errors of the kind were only counted before this one."""
    text = attributes.get(_SUPPRESSED, "")
    plain = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if plain else 0
