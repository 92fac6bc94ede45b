"""A bar on standard error for what takes longer than a second; nothing where no one looks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self, TypeVar

from bcd.cli._output import error_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.progress import Progress, TaskID

__all__ = ["Bar", "watched"]

_PATIENCE = 1.0
_Item = TypeVar("_Item")


class Bar:
    """Shows how far something is, once it has taken a second.

    Args:
        words: What is done, as the terminal shows it.
        total: How many steps there are; None where that is not known.
        clock: Seconds from anywhere.
    """

    def __init__(
        self, words: str, total: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._words, self._total, self._done = words, total, 0
        self._clock, self._shown_from = clock, clock() + _PATIENCE
        self._wanted = sys.stderr.isatty()
        self._shown: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown is not None:
            self._shown[0].stop()

    def advance(self, steps: int = 1) -> None:
        """Say that some steps more are done."""
        self._done += steps
        if self._wanted and self._shown is None and self._clock() >= self._shown_from:
            self._shown = self._show()
        if self._shown is not None:
            progress, task = self._shown
            progress.update(task, completed=self._done, total=self._total)

    def restart(self, total: int | None = None) -> None:
        """Count anew, with other steps; None where their number is not known."""
        self._done, self._total = 0, total

    def expect(self, total: int) -> None:
        """Say how many steps there are, where that becomes known later."""
        self._total = total

    def _show(self) -> tuple[Progress, TaskID]:
        from rich import progress as bars  # for what takes long

        progress = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeRemainingColumn(),
            console=error_console(),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        progress.start()
        return progress, progress.add_task(self._words, total=self._total)


def watched(items: Iterable[_Item], words: str, total: int | None = None) -> Iterator[_Item]:
    """Go through items with a bar.

    Args:
        items: In their order.
        words: What is done with them.
        total: How many there are; None where that is not known.
    """
    with Bar(words, total) as bar:
        for item in items:
            yield item
            bar.advance()
