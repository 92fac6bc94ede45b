"""An error as the traceback that Python itself would have printed, for programs that parse it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bcd.report._exceptions import exception_lines
from bcd.report._frames import FrameWriter, same_place
from bcd.report._marks import marks, visible
from bcd.report._view import View
from bcd.report.line import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.text import Text

    from bcd.snapshot.model import ExceptionChain, Frame, SourceLines

__all__ = ["traceback_text"]

_REPEATS_SHOWN = 3  # as traceback does it


def traceback_text(chain: ExceptionChain, sources: Mapping[str, SourceLines]) -> str:
    """Write an error with everything that led to it, the oldest first, without variables.

    Args:
        chain: The error.
        sources: File → the lines that are known.

    Returns:
        Lines that end in newlines; nothing in them can control a terminal.
    """
    rows = exception_lines(chain, _PlainFrames(sources, View()))
    return "".join(f"{row.plain}\n" for row in rows)


class _PlainFrames(FrameWriter):
    """Writes of each frame its place and its line of source, and nothing else."""

    def stack(self, frames: Sequence[Frame], indent: int = 0) -> Iterator[Text]:  # noqa: ARG002
        for _, group in groupby(frames, same_place):
            run = list(group)
            for frame in run[:_REPEATS_SHOWN]:
                yield from self._plain(frame)
            repeated = len(run) - _REPEATS_SHOWN
            if repeated > 0:
                times = "time" if repeated == 1 else "times"
                yield line(f"  [Previous line repeated {repeated} more {times}]")

    def _plain(self, frame: Frame) -> Iterator[Text]:
        number = "?" if frame.line is None else str(frame.line)
        yield line(f'  File "{frame.file}", line {number}, in {frame.function}')
        source = self._sources.get(frame.file)
        text = source.lines.get(frame.line or 0, "") if source is not None else ""
        shown = visible(text).strip()
        if source is None or not shown:
            return
        yield line("    ", shown)
        indented = len(visible(text)) - len(visible(text).lstrip())
        mark = marks(frame, source.lines).get(frame.line or 0, "")[indented:]
        if mark:
            yield line("    ", mark)
