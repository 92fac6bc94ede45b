"""Threads: equal stacks once, folded to what they are doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._chain import kind_of_handled
from bcd.report._exceptions import handling_lines
from bcd.report._frames import FrameWriter, same_place
from bcd.report._view import Detail
from bcd.report.line import Part, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from bcd.snapshot.model import Thread

__all__ = ["grouped", "kind_of_wait", "names_of", "thread_lines"]

_GROUPS = 20
_NAMES = 4


def thread_lines(threads: Sequence[Thread], frames: FrameWriter, detail: Detail) -> Iterator[Text]:
    """Show the threads; those that stand at the same place are one group."""
    groups = grouped(threads)
    shown = groups if detail is Detail.FULL else groups[:_GROUPS]
    for group in shown:
        yield _title(group)
        yield from _wait(group)
        yield from handling_lines(group[0].handling, frames, full=detail is Detail.FULL)
        write = frames.stack if detail is Detail.FULL else frames.folded
        yield from write(group[0].frames)
        if not group[0].frames:
            yield line("  (no Python frames)", style="dim")
    left = sum(map(len, groups[len(shown) :]))
    if left:
        yield line(f"… and {left} more threads; --threads shows all", style="dim")


def grouped(threads: Sequence[Thread]) -> list[list[Thread]]:
    """Put threads with equal stacks and waits together; the faulted and the GIL's holder apart."""
    groups: dict[object, list[Thread]] = {}
    for thread in sorted(threads, key=lambda each: (not each.faulted, not each.gil)):
        stack = tuple(map(same_place, thread.frames))
        key = (
            thread.faulted,
            thread.gil,
            thread.interpreter,
            kind_of_wait(thread.waiting_for, thread.held_by),
            kind_of_handled(thread.handling),
            stack,
        )
        groups.setdefault(key, []).append(thread)
    return list(groups.values())


def kind_of_wait(words: str | None, held_by: object) -> str | None:
    """Return what is waited for without the object, for which others of its kind may stand.

    Not where somebody holds it: who that is matters.
    """
    if words is None or held_by is not None:
        return words
    return words.partition(" at 0x")[0].partition(", ")[0]


def names_of(names: Sequence[str]) -> str:
    """Join names, the first few of many."""
    if len(names) <= _NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMES - 1])} and {len(names) - _NAMES + 1} more"


def _wait(group: Sequence[Thread]) -> Iterator[Text]:
    """Show what the threads wait for, if that is known; of many that wait alike, the first's."""
    first = group[0]
    if first.waiting_for is not None:
        style = "yellow" if first.held_by is not None else "dim"
        yield line("  waits for ", (first.waiting_for, style))


def _title(group: Sequence[Thread]) -> Text:
    first = group[0]
    names = names_of([each.name or "(not started by threading)" for each in group])
    parts: list[Part] = [(names, "bold")]
    parts.append((f" · tid {names_of([str(each.tid) for each in group])}", "dim"))
    if first.daemon and len(group) == 1:
        parts.append((" · daemon", "dim"))
    if first.interpreter:
        parts.append((f" · interpreter {first.interpreter}", "dim"))
    if first.faulted:
        parts.append((" · faulted", "bold red"))
    if first.gil:
        parts.append((" · holds the GIL", "yellow"))
    return line(*parts)
