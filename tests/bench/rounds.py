"""Interleaved rounds: what is compared is measured in turn, so that a busy moment hits all."""

from __future__ import annotations

import gc
import os
import statistics
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["added", "interleave", "quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to one processor and collect no garbage, so that small differences can be seen."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
        os.sched_setaffinity(0, allowed)


def interleave(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure every case once a round, each round beginning with another one.

    Returns:
        The measurements of each case, in the order of the rounds.
    """
    names = list(cases)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(cases[name]())
    return found


def added(case: list[float], bare: list[float]) -> tuple[float, float]:
    """What a case adds to the bare one.

    Returns:
        The median of the differences within each round, and the difference of the minima.
    """
    differences = [ours - theirs for ours, theirs in zip(case, bare, strict=True)]
    return statistics.median(differences), min(case) - min(bare)
