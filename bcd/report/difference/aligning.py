"""Two sequences beside each other: what is in both, and what is in one only."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

from bcd.report.difference.model import Change

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

__all__ = ["aligned", "changes"]

_MOST_COMPARED = 4_000_000  # about a second; bcd's own tracer stays far below


def aligned(
    before: Sequence[Hashable], after: Sequence[Hashable], *, in_place_of: bool = False
) -> Iterator[tuple[int | None, int | None]]:
    """Put two sequences beside each other.

    Args:
        before: The keys of one.
        after: Those of the other one.
        in_place_of: What stands in the place of something else is put beside it.

    Returns:
        Pairs of indexes in the order of both, None for what has no counterpart; of very long
        sequences simply one after the other.
    """
    if len(before) * len(after) > _MOST_COMPARED:
        yield from zip_longest(range(len(before)), range(len(after)))
        return
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, *bounds in matcher.get_opcodes():
        first, end, other_first, other_end = bounds
        here, there = range(first, end), range(other_first, other_end)
        if kind == "equal" or in_place_of:
            yield from zip_longest(here, there)
        else:
            yield from ((index, None) for index in here)
            yield from ((None, index) for index in there)


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    """Find what differs between two mappings, in their order."""
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Change(name=name, before=before.get(name), after=after.get(name))
