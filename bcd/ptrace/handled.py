"""The exceptions that threads and tasks were handling: they stand in an ``except`` block."""

from __future__ import annotations

from bcd.ptrace.exceptions import UNKNOWN, Exceptions
from bcd.ptrace.stacks import Frames
from bcd.ptrace.target import Target

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any


class Handled:
    """Reads what is handled, as far as it is not the error itself.

    Args:
        target: The process that is read.
        known: Addresses of exceptions that the snapshot shows already.
    """

    def __init__(self, target: Target, known: Collection[int]) -> None:
        self._target = target
        self._known = known
        self._left = target.limits["exceptions"]

    def tell(self, holder: dict[str, Any], address: int, frames: Frames) -> None:
        """Add the exception to the thread or task that handles it.

        Args:
            holder: The thread or task.
            address: Of the exception, 0 where it handles none.
            frames: Reads its frames.
        """
        if not address or address in self._known:
            return
        if self._left <= 0:
            limit = self._target.limits["exceptions"]
            self._target.remarks.cut(f"exceptions that are handled: the first {limit}")
            return
        chain = Exceptions(self._target, frames, self._left).read(address, None)
        self._left -= len(chain["list"])
        if chain["list"][0]["type"] != UNKNOWN:
            holder["handling"] = chain
