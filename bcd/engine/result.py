"""What came of one trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bcd.errors import TraceError

__all__ = ["TraceResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceResult:
    """What came of one trace, as it was known when the call returned; it never changes.

    Whoever waited (``trace``, ``await atrace``) has the whole: the tracer has ended and was
    reaped, its frozen copy too, and the slot was given back. Of a detached trace it is known that
    its tracer was started; what goes wrong afterwards is told by the tracer's log alone.
    A cancelled await has no result.

    Where the tracer uploads its snapshots (``put_on_trace``), a trace that succeeded goes on
    with that, the slot given up and the rate limit running, within what is left of its own
    time-out. If it fails, ``error`` is a :class:`bcd.errors.PutError`; the snapshot is then
    where ``stdout`` says.

    Attributes:
        error: Why there is no snapshot, or why it was not uploaded; None when all succeeded,
            when the tracer goes on by itself (``detach``), and when the trace was dropped.
        stdout: The first 64 KiB of the tracer's output, where its command left it to us and
            somebody waited for it; bcd's own tracer prints the path of the snapshot.
        stderr: The same of its error output.
        exit_status: Exit status of the tracer, negative for the signal that ended it; None when
            there was none, it is not known yet, or something else in the program reaped it.
        duration: Seconds from the call of ``trace`` to its return.
        held: Seconds from the call until the tracer had been started and a program that does
            not wait for it could go on.
        dropped: Whether the callable that was to give the attributes decided against a trace.
    """

    error: TraceError | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    exit_status: int | None = None
    duration: float = 0.0
    held: float = 0.0
    dropped: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return self.error is None

    def raise_for_error(self) -> None:
        """Raise the error, if there is one.

        Raises:
            TraceError: What went wrong.
        """
        if self.error is not None:
            raise self.error
