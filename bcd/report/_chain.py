"""How the exceptions of a snapshot follow from each other."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.snapshot.model import ExceptionChain, ExceptionRecord

__all__ = ["Link", "kind_of_handled", "linked"]


class Link(Enum):
    """What an exception was to the next one, in Python's words."""

    CAUSE = "The above exception was the direct cause of the following exception:"
    CONTEXT = "During handling of the above exception, another exception occurred:"


def linked(
    records: Sequence[ExceptionRecord], root: int, seen: set[int]
) -> list[tuple[int, Link | None]]:
    """Follow an exception to what led to it.

    Args:
        records: All exceptions of the snapshot.
        root: Where to begin.
        seen: Those that are shown already; the ones that are found are added.

    Returns:
        Exceptions from the newest to the oldest, each with what it was to the one before it.
    """
    found: list[tuple[int, Link | None]] = []
    index: int | None = root
    link: Link | None = None
    while index is not None and index not in seen:
        seen.add(index)
        found.append((index, link))
        index, link = _earlier(records[index])
    return found


def kind_of_handled(chain: ExceptionChain | None) -> str | None:
    """Return the type of the exception that is handled, for which others of its kind may stand."""
    return None if chain is None else chain.list[chain.root].type


def _earlier(record: ExceptionRecord) -> tuple[int | None, Link | None]:
    if record.cause is not None:
        return record.cause, Link.CAUSE
    if record.context is not None and not record.suppress_context:
        return record.context, Link.CONTEXT
    return None, None
