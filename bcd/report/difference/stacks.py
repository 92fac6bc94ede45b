"""Two stacks beside each other, function by function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcd.report.difference.aligning import aligned
from bcd.report.difference.model import Change, FramePair, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bcd.snapshot.model import Frame, SourceLines, Variable

__all__ = ["frame_pairs", "function_of", "parting", "place_of"]

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")


def frame_pairs(
    before: Sequence[Frame],
    after: Sequence[Frame],
    sources: tuple[Mapping[str, SourceLines], Mapping[str, SourceLines]],
) -> Iterator[FramePair]:
    """Put two stacks beside each other.

    Args:
        before: Innermost last.
        after: Likewise.
        sources: What is known of the files of each.
    """
    keys = [[function_of(frame) for frame in frames] for frames in (before, after)]
    for index, other in aligned(*keys):
        one = None if index is None else before[index]
        two = None if other is None else after[other]
        yield _pair(one, two, sources)


def parting(pairs: Sequence[FramePair]) -> int | None:
    """Return the index of the first pair that is not at the same line of code in both."""
    apart = (
        index
        for index, pair in enumerate(pairs)
        if pair.before is None or pair.after is None or pair.moved
    )
    return next(apart, None)


def function_of(frame: Frame) -> tuple[str, str]:
    """Return what a frame has in common with the same one of another release, in another folder."""
    return (frame.function, frame.file.rpartition("/")[2])


def place_of(frame: Frame, sources: Mapping[str, SourceLines]) -> Place:
    """Say where a frame stands."""
    known = sources.get(frame.file)
    text = known.lines.get(frame.line or 0) if known is not None else None
    return Place(
        function=frame.function,
        file=frame.file,
        line=frame.line,
        source=None if text is None else text.strip(),
        in_app=frame.in_app,
    )


def _pair(
    before: Frame | None,
    after: Frame | None,
    sources: tuple[Mapping[str, SourceLines], Mapping[str, SourceLines]],
) -> FramePair:
    one = None if before is None else place_of(before, sources[0])
    two = None if after is None else place_of(after, sources[1])
    if before is None or after is None or one is None or two is None:
        return FramePair(before=one, after=two)
    known = one.source is not None and two.source is not None
    moved = one.source != two.source if known else one.line != two.line
    variables = tuple(_variables(before.locals, after.locals))
    return FramePair(before=one, after=two, moved=moved, variables=variables)


def _variables(before: Sequence[Variable], after: Sequence[Variable]) -> Iterator[Change]:
    olds, news = ({each.name: each for each in variables} for variables in (before, after))
    for name in dict.fromkeys([*olds, *news]):
        old, new = olds.get(name), news.get(name)
        if _compared(old) != _compared(new):
            typed = old is not None and new is not None and old.value == new.value
            yield Change(name=name, before=_text(old, typed=typed), after=_text(new, typed=typed))


def _text(variable: Variable | None, *, typed: bool) -> str | None:
    """Return the value, with its type where the other one looks alike and has another."""
    if variable is None:
        return None
    return f"{variable.value} ({variable.type})" if typed else variable.value


def _compared(variable: Variable | None) -> tuple[str, str] | None:
    """Return what of a value can be compared: addresses differ always, and mean nothing."""
    return None if variable is None else (variable.type, _ADDRESS.sub("0x", variable.value))
