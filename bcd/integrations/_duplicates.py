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
        number = request[NUMBER_KEY] = next(_numbers)
    return int(number)
