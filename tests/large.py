"""A snapshot as large as the limits admit: 100 threads, 2,000 tasks, 4 MiB."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from bcd.snapshot.codec import to_dict
from bcd.snapshot.model import Frame, SourceLines, Task, Thread, Variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.snapshot.model import Snapshot

__all__ = ["LARGEST", "large"]

LARGEST = 4 * 1024 * 1024
_THREADS, _DEPTH, _TASKS = 100, 30, 2_000
_VALUE = "<shop.orders.Order number={} lines=[<shop.cart.Line sku='TEA-{}' count=2>, {}]>"


def large(sample: Snapshot, size: int = LARGEST) -> Snapshot:
    """Make a snapshot out of another one that has more of everything.

    Args:
        sample: Whose error it has.
        size: Bytes of its document, which it comes close to and does not go over.
    """
    made = replace(
        sample,
        threads=(*sample.threads[:1], *(_thread(number) for number in range(_THREADS - 1))),
        tasks=tuple(_task(number) for number in range(_TASKS)),
        sources={**sample.sources, **{_file(depth): _source(depth) for depth in range(_DEPTH)}},
    )
    room = size - len(json.dumps(to_dict(made))) - 100 * _THREADS * _DEPTH
    length = room // (_THREADS * _DEPTH)
    if length < len(_VALUE):
        raise ValueError(f"{size} bytes are too few")
    threads = [replace(each, frames=_filled(each.frames, length)) for each in made.threads[1:]]
    return replace(made, threads=(*made.threads[:1], *threads))


def _file(depth: int) -> str:
    return f"/srv/shop/part{depth}.py" if depth % 3 else f"/usr/lib/python3.12/part{depth}.py"


def _source(depth: int) -> SourceLines:
    return SourceLines(lines={n: f"    value = step_{depth}(order, {n})" for n in range(40, 61)})


def _frame(depth: int, line: int) -> Frame:
    return Frame(
        function=f"Worker.step_{depth}",
        file=_file(depth),
        line=line,
        end_line=line,
        column=4,
        end_column=20,
        in_app=bool(depth % 3),
    )


def _filled(frames: Sequence[Frame], length: int) -> tuple[Frame, ...]:
    def variable(number: int) -> Variable:
        text = _VALUE.format(number, number, "x" * length)[:length]
        return Variable(
            name="order", type="shop.orders.Order", value=text, address="0x7f3a6bafa180"
        )

    return tuple(replace(frame, locals=(variable(number),)) for number, frame in enumerate(frames))


def _thread(number: int) -> Thread:
    frames = tuple(_frame(depth, 45 + (number >> depth & 1)) for depth in range(_DEPTH))
    return Thread(
        tid=5_000 + number,
        name=f"worker-{number}",
        daemon=False,
        faulted=False,
        gil=False,
        frames=frames,
    )


def _task(number: int) -> Task:
    above = (f"0x7f00{number - 1:08x}",) if number % 20 else ()
    return Task(
        id=f"0x7f00{number:08x}",
        name=f"Task-{number}",
        state="waiting",
        waiting_for=f"Task-{number + 1}" if number % 20 < 19 else "a sleep of 30 s",
        awaited_by=above,
        frames=tuple(_frame(depth, 45 + (number >> depth & 1)) for depth in range(4)),
    )
