"""What tells one request from the next, so that an error that several hooks see is traced once."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["NUMBER_KEY", "request_number"]

NUMBER_KEY = "bcd.scope"
"""Where a request keeps its number."""

_numbers = count(1)


def request_number(request: MutableMapping[str, Any]) -> int:
    """A number that a request keeps through all its middlewares, as a scope.

    Of one counter for all hooks, so that no two requests of a process have the same.

    Args:
        request: Its ASGI scope or WSGI environ; the number is kept in it.
    """
    number = request.get(NUMBER_KEY)
    if number is None:
        number = request[NUMBER_KEY] = _number_of_copies(request)
    return int(number)


def _number_of_copies(request: MutableMapping[str, Any]) -> int:
    """A new number, unless a copy of the scope has one.

    Some middlewares pass a copy on. What it shares with the scope is ``state``, of which a server
    makes a new one for each request.

    Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html (Lifespan State)
    """
    state = request.get("state")
    if not isinstance(state, dict):
        return next(_numbers)
    number: int = state.setdefault(NUMBER_KEY, next(_numbers))
    return number
