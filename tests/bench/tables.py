"""What a benchmark prints: where it ran, and one table a question with the goal beside."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["machine", "print_table", "verdict"]


def machine() -> str:
    """One line about the machine and how busy it is."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        model = platform.machine()
    return (
        f"{os.cpu_count()} processors, {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.2f}"
    )


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is aligned to the left, the others to the right."""
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    print(f"\n{title}")
    for row in (head, *rows):
        cells = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "  ".join([f"{row[0]:<{widths[0]}}", *cells]), flush=True)


def verdict(measured: float, goal: float, *, at_least: bool = False) -> str:
    """The goal, and whether it was met."""
    met = measured >= goal if at_least else measured <= goal
    return f"{'≥' if at_least else '≤'} {goal:g} {'met' if met else 'MISSED'}"
