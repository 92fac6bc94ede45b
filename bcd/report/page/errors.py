"""The error: what to say first, why it happened, and the tracebacks as Python orders them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bcd.report._chain import Link, linked
from bcd.report.page.frames import Stack, short_place, stack, telling_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.report.page.sources import Sources
    from bcd.snapshot.model import ExceptionChain, ExceptionRecord, Frame

__all__ = ["Error", "Headline", "Step", "errors", "headline", "steps"]

_GROUP_DEPTH = 10
_GROUP_WIDTH = 15
_MEMBERS_NAMED = 5
_WHY = {
    None: "",
    Link.CAUSE: "because of",
    Link.CONTEXT: "while handling",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """One error in a few words.

    Attributes:
        module: Of its type, with the last dot; empty for builtins.
        name: Of its type.
        message: Its lines.
        notes: Their lines.
        frame: Where it was raised, as far as the application goes.
        place: File and line of that.
        section: To refer to its traceback.
        anchor: To refer to the frame; empty where there is none.
    """

    module: str
    name: str
    message: Sequence[str]
    notes: Sequence[str]
    frame: Frame | None
    place: str
    section: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Step:
    """What led to the error before it.

    Attributes:
        why: How.
        head: The earlier error.
        first: Whether nothing came before it.
    """

    why: str
    head: Headline
    first: bool


@dataclass(frozen=True, slots=True)
class Error:
    """One exception with its traceback, or a word about one that is not shown.

    Attributes:
        head: In a few words.
        stack: Its frames.
        link: What it was to the next one, in Python's words; empty for the last.
        children: Of a group, the chains of each member.
        more: How many members are not shown.
        instead: What to say where it is shown elsewhere or lies too deep.
    """

    head: Headline
    stack: Stack
    link: str = ""
    children: Sequence[Sequence[Error]] = field(default_factory=tuple)
    more: int = 0
    instead: str = ""


def headline(record: ExceptionRecord, index: int, prefix: str = "e") -> Headline:
    """Put an exception into a few words.

    Args:
        record: The exception.
        index: Its place among those of its chain.
        prefix: Begin of the ids of its traceback and frames; one for each chain in a page.
    """
    module, dot, name = record.type.rpartition(".")
    frame = telling_frame(record.frames)
    at = next((i for i, each in enumerate(record.frames) if each is frame), None)
    return Headline(
        module=module + dot,
        name=name,
        message=record.message.expandtabs(4).split("\n") if record.message else [],
        notes=[text for note in record.notes for text in note.expandtabs(4).split("\n")],
        frame=frame,
        place="" if frame is None else short_place(frame),
        section=f"{prefix}{index}",
        anchor="" if at is None else f"{prefix}{index}-{at}",
    )


def steps(chain: ExceptionChain) -> list[Step]:
    """Follow the traced exception to what led to it, the newest first.

    Those are the members of a group, then its causes.
    """
    found = linked(chain.list, chain.root, set())[1:]
    members = chain.list[chain.root].children[:_MEMBERS_NAMED]
    first = found[-1][0] if found else None
    return [
        *(Step("among them", headline(chain.list[index], index), first=True) for index in members),
        *(
            Step(_WHY[link], headline(chain.list[index], index), first=index == first)
            for index, link in found
        ),
    ]


def errors(chain: ExceptionChain, sources: Sources, prefix: str = "e") -> list[Error]:
    """Prepare the tracebacks, the oldest first; for ``prefix`` see :func:`headline`."""
    return _Builder(chain.list, sources, prefix).chain(chain.root, depth=0)


class _Builder:
    """Walks the exceptions; each is shown once, however they refer to each other."""

    def __init__(self, records: Sequence[ExceptionRecord], sources: Sources, prefix: str) -> None:
        self._records = records
        self._sources = sources
        self._prefix = prefix
        self._seen: set[int] = set()

    def chain(self, root: int, depth: int) -> list[Error]:
        if root in self._seen:
            return [self._instead(root, "shown before")]
        if depth > _GROUP_DEPTH:
            return [self._instead(root, f"groups deeper than {_GROUP_DEPTH} are not shown")]
        found = linked(self._records, root, self._seen)
        return [
            self._error(index, link.value if link else "", depth) for index, link in reversed(found)
        ]

    def _instead(self, index: int, words: str) -> Error:
        head = headline(self._records[index], index, self._prefix)
        return Error(head, Stack([], None), instead=words)

    def _error(self, index: int, link: str, depth: int) -> Error:
        record = self._records[index]
        return Error(
            head=headline(record, index, self._prefix),
            stack=stack(record.frames, self._sources, anchor=f"{self._prefix}{index}"),
            link=link,
            children=[self.chain(each, depth + 1) for each in record.children[:_GROUP_WIDTH]],
            more=max(len(record.children) - _GROUP_WIDTH, 0),
        )
