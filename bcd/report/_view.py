"""What of a snapshot a reader wants to see, and how wide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

__all__ = ["Detail", "View"]

_NARROWEST = 40


class Detail(Enum):
    """How much of one thing is shown."""

    NONE = "none"
    FOLDED = "folded"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is shown.

    Attributes:
        width: Columns that lines are folded to; None lets every line be as long as it is,
            which is right for files and pipes.
        variables: Folded are those of library frames on one line.
        threads: Folded are stacks to their innermost frames.
        tasks: Likewise.
        app_only: Of the libraries' frames, only the innermost one of a stack is shown.
        context: Lines of source around that of each frame of the application; None shows some
            around the innermost one's.
    """

    width: int | None = None
    variables: Detail = Detail.FOLDED
    threads: Detail = Detail.FOLDED
    tasks: Detail = Detail.FOLDED
    app_only: bool = False
    context: int | None = None

    def indented(self, columns: int) -> View:
        """Return the view of a part that stands ``columns`` further to the right."""
        if self.width is None:
            return self
        return replace(self, width=max(self.width - columns, _NARROWEST))
