"""Frames as a page shows them: the application's open, runs of the libraries' folded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from bcd.report._frames import same_place
from bcd.report._libraries import packages_of
from bcd.report.page.texts import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markupsafe import Markup

    from bcd.report.page.sources import Row, Sources
    from bcd.snapshot.model import Frame, Variable

__all__ = ["Call", "Run", "Stack", "short_place", "stack"]

_REPEATS_SHOWN = 3
_VARIABLES_SHOWN = 12
_OPENING = re.compile(r"[\[({<]")


@dataclass(frozen=True, slots=True)
class Shown:
    """One variable.

    Attributes:
        name: As in the source.
        module: Of its type, with the last dot; empty for builtins.
        type: Name of its type.
        value: What ``repr`` would show.
        nested: Whether the value has parts that can be looked at one by one.
        used: Whether the line that was being run names it.
        redacted: Whether it was a secret.
        cut: Whether a limit cut it.
    """

    name: Markup
    module: str
    type: str
    value: Markup
    nested: bool
    used: bool
    redacted: bool
    cut: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One frame.

    Attributes:
        frame: The frame itself.
        folder: Where its file lies, with the last slash.
        name: Name of its file.
        rows: Its source, empty where that is not known.
        variables: The first ones, those of the current line before the others.
        more: The other ones.
        changed: Whether the file is newer than the process.
        open: Whether it shows its source and variables from the start.
        anchor: To refer to it; empty for none.
        telling: Whether it is the one that tells most of its stack.
    """

    frame: Frame
    folder: str
    name: str
    rows: Sequence[Row]
    variables: Sequence[Shown]
    more: Sequence[Shown]
    changed: bool
    open: bool
    anchor: str
    telling: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Frames beside each other.

    Attributes:
        calls: The frames.
        library: Whether they are folded, as frames of libraries.
        repeated: Whether they are folded, as repetitions of the one before.
        packages: Where the folded ones come from.
    """

    calls: Sequence[Call]
    library: bool = False
    repeated: bool = False
    packages: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack, innermost last.

    Attributes:
        runs: Its frames.
        telling: The application's innermost frame, else the innermost; None without frames.
    """

    runs: Sequence[Run]
    telling: Frame | None


def stack(
    frames: Sequence[Frame],
    sources: Sources,
    *,
    anchor: str = "",
    unfold: bool = True,
) -> Stack:
    """Prepare a stack.

    Args:
        frames: Innermost last.
        sources: The lines that are known.
        anchor: Begin of the ids of its frames; empty for none.
        unfold: Whether frames of the application show source and variables from the start.
    """
    telling = telling_frame(frames)
    innermost = frames[-1] if frames else None

    def calls() -> Iterator[Call]:
        for index, frame in enumerate(frames):
            name = f"{anchor}-{index}" if anchor else ""
            told = frame is telling
            opened = unfold and (frame.in_app or frame is innermost)
            yield _call(frame, sources, anchor=name, telling=told, opened=opened)

    return Stack(list(_runs(list(calls()), innermost)), telling)


def telling_frame(frames: Sequence[Frame]) -> Frame | None:
    """Return the one frame that tells most: the application's innermost, else the innermost."""
    telling = [frame for frame in frames if frame.in_app] or list(frames)
    return telling[-1] if telling else None


def short_place(frame: Frame) -> str:
    """Name the file and the line of a frame."""
    return f"{_split(frame.file)[1]}:{'?' if frame.line is None else frame.line}"


def _runs(calls: Sequence[Call], innermost: Frame | None) -> Iterator[Run]:
    def in_library(call: Call) -> bool:
        return not call.frame.in_app and call.frame is not innermost

    for library, run in groupby(calls, in_library):
        found = list(run)
        if library:
            yield Run(found, library=True, packages=packages_of([call.frame for call in found]))
        else:
            yield from _without_repeats(found)


def _without_repeats(calls: Sequence[Call]) -> Iterator[Run]:
    for _, group in groupby(calls, lambda call: same_place(call.frame)):
        run = list(group)
        yield Run(run[:_REPEATS_SHOWN])
        if len(run) > _REPEATS_SHOWN:
            yield Run(run[_REPEATS_SHOWN:], repeated=True)


def _split(file: str) -> tuple[str, str]:
    folder, slash, name = file.rpartition("/")
    return folder + slash, name


def _call(frame: Frame, sources: Sources, *, anchor: str, telling: bool, opened: bool) -> Call:
    folder, name = _split(frame.file)
    used = sources.names(frame) if frame.locals else set()
    variables = [_variable(each, used=each.name in used) for each in frame.locals]
    variables.sort(key=lambda each: not each.used)
    return Call(
        frame=frame,
        folder=folder,
        name=name,
        rows=sources.rows(frame),
        variables=variables[:_VARIABLES_SHOWN],
        more=variables[_VARIABLES_SHOWN:],
        changed=sources.is_changed(frame),
        open=opened,
        anchor=anchor,
        telling=telling,
    )


def _is_nested(value: str) -> bool:
    begin = _OPENING.search(value)
    return begin is not None and any(
        value.find(mark, begin.end()) >= 0 for mark in (", ", "=", ": ")
    )


def _variable(variable: Variable, *, used: bool) -> Shown:
    module, dot, kind = variable.type.rpartition(".")
    marked = "…" in variable.value or "..." in variable.value
    return Shown(
        name=shown(variable.name),
        module=module + dot,
        type=kind,
        value=shown(variable.value),
        nested=_is_nested(variable.value),
        used=used,
        redacted=variable.value == "[redacted]",
        cut=variable.truncated and not marked,
    )
