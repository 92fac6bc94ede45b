"""Who waits for each other in a circle."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import TypeVar

    Waiting = TypeVar("Waiting", bound=Hashable)


def circles(waits: Mapping[Waiting, Waiting]) -> list[list[Waiting]]:
    """The circles of those that each wait for one other.

    Args:
        waits: Who waits → for whom.

    Returns:
        Each circle once, from the member that comes first in ``waits``, each before the one
        that it waits for.
    """
    found: list[list[Waiting]] = []
    done: set[Waiting] = set()
    for start in waits:
        path: dict[Waiting, None] = {}
        at = start
        while at in waits and at not in done and at not in path:
            path[at] = None
            at = waits[at]
        if at in path:
            members = list(path)
            found.append(members[members.index(at) :])
        done.update(path)
    return found
