"""Of two long texts the part that shows how they differ."""

from __future__ import annotations

from dataclasses import dataclass

from bcd.report.line import cells, cut, printable

__all__ = ["Excerpt", "excerpts"]

_LEAD = 16


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A text in three parts.

    Attributes:
        same_begin: What both begin with, or the end of that.
        differs: What only this one has.
        same_end: What both end with, or the begin of that.
    """

    same_begin: str
    differs: str
    same_end: str


def excerpts(before: str, after: str, room: int | None) -> tuple[Excerpt, Excerpt]:
    """Cut two texts so that one sees how they differ.

    Args:
        before: One text.
        after: The other one.
        room: Columns for each; None leaves them whole.

    Returns:
        Both, printable and no wider than the room.
    """
    one, two = printable(before), printable(after)
    begin = _common(one, two)
    end = _common(one[begin:][::-1], two[begin:][::-1])
    return _excerpt(one, begin, end, room), _excerpt(two, begin, end, room)


def _common(one: str, two: str) -> int:
    """How many characters two texts have in common at their begin."""
    pairs = zip(one, two, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


def _excerpt(text: str, begin: int, end: int, room: int | None) -> Excerpt:
    last = len(text) - end
    parts = [text[:begin], text[begin:last], text[last:]]
    if room is None or cells(text) <= room:
        return Excerpt(*parts)
    if begin > _LEAD:
        parts[0] = "…" + parts[0][-_LEAD:]
    for index, part in enumerate(parts):
        parts[index] = cut(part, room) if room > 2 else ""  # noqa: PLR2004 - a wide character and …
        room -= cells(parts[index])
    return Excerpt(*parts)
