"""The variables of threads and tasks that are not to blame: read last, innermost frames first.

Of many threads and tasks not all variables fit into a snapshot. So all stacks are read first,
without them, and then those of the innermost frame of each, then those of its callers, and so on
outwards until the time, the number of values or the room is used up.
"""

from __future__ import annotations

from bcd.ptrace.errors import DeadlineReached

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.stacks import Frame, Frames


class Later:
    """Frames whose variables are still to be read.

    Args:
        frames: Reads them.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._waiting: list[tuple[int, Frame, int]] = []

    def add(self, callees: int, entry: Frame, frame: int) -> None:
        """Put off the variables of one frame.

        Args:
            callees: How many frames of its stack are further in.
            entry: The frame as it stands in the snapshot; gets the variables.
            frame: Its address.
        """
        self._waiting.append((callees, entry, frame))

    def read(self) -> None:
        """Read as many as may be; the next call goes on with those that are left."""
        self._waiting.sort(key=_callees)
        done = 0
        try:
            for _, entry, frame in self._waiting:
                self._frames.read_variables(entry, frame)
                done += 1
        except DeadlineReached:
            return
        finally:
            del self._waiting[:done]

    @property
    def left(self) -> int:
        """Of how many frames they were not read."""
        return len(self._waiting)


def _callees(item: tuple[int, Frame, int]) -> int:
    return item[0]
