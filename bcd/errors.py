"""The exceptions of bcd: one tree, so that one ``except BcdError`` catches them all.

::

    BcdError
    ├── ConfigError            a setting or an argument that cannot be used
    ├── TraceError             why one trace did not give a snapshot
    │   ├── Busy               another trace runs, or the rate limit is not over yet
    │   ├── SlotTimeout        the wait for the one slot took too long
    │   ├── FreezeError        the memory of the process could not be had
    │   ├── StartError         the tracer program could not be started
    │   ├── ExecutionTimeout   the tracer ran too long and was killed
    │   ├── ExitError          the tracer ended with a non-zero status or by a signal
    │   ├── KillError          the tracer ran too long and could not be killed
    │   ├── FinalizeError      the tracer object itself failed to make its command
    │   └── PutError           the snapshot was made, and could not be uploaded
    ├── SignalError            a signal that was traced, as an error
    ├── SendError              a snapshot that was not sent, or that nobody accepted
    ├── StoreError             a store of snapshots that cannot be used
    └── SnapshotError          a snapshot that cannot be read
        ├── SnapshotNotFound
        ├── SnapshotCorrupt
        └── SnapshotTooNew

A message says what happened, to what, and what to do about it. The tracer process has a tree of
its own, :mod:`bcd.ptrace.errors`.
"""


class BcdError(Exception):
    """The root of everything that bcd raises or returns as an error."""


class ConfigError(BcdError):
    """A setting or an argument that cannot be used; the message names it and what is accepted."""


class TraceError(BcdError):
    """Why one trace did not give a snapshot; found in ``TraceResult.error``."""


class Busy(TraceError):  # noqa: N818 - reads as what it is: ``except Busy``
    """Another trace runs or the rate limit is not over yet, and the caller would not wait."""


class SlotTimeout(TraceError):  # noqa: N818
    """The one slot for tracers did not become free within the time-out (rule 16)."""


class FreezeError(TraceError):
    """The memory of the process could not be had, neither as a copy nor in place."""


class StartError(TraceError):
    """The tracer program could not be started; the message names its path (rule 13)."""


class ExecutionTimeout(TraceError):  # noqa: N818
    """The tracer ran longer than the time-out and was killed (rule 17)."""


class ExitError(TraceError):
    """The tracer ended with a non-zero status or by a signal; the message names it (rule 13)."""


class KillError(TraceError):
    """The tracer ran longer than the time-out and could not be killed (rule 22)."""


class FinalizeError(TraceError):
    """The tracer object raised while it made its command; ``__cause__`` is what it raised."""


class PutError(TraceError):
    """The snapshot was made and could not be uploaded; it is still where the tracer left it."""


class SignalError(BcdError):
    """A signal that was traced; its text is ``strsignal`` in lower case (rule 27)."""

    __module__ = "bcd"  # its classifier is "bcd.SignalError", as in Go


class SendError(BcdError):
    """A snapshot that was not sent to a service, or that the service did not accept.

    Attributes:
        of_one: Whether it is this one snapshot that was refused, so that others may pass.
    """

    def __init__(self, message: str, *, of_one: bool = False) -> None:
        super().__init__(message)
        self.of_one = of_one


class StoreError(BcdError):
    """A store of snapshots that cannot be used: not reached, of another version, or full."""


class SnapshotError(BcdError):
    """A snapshot that cannot be read."""


class SnapshotNotFound(SnapshotError):  # noqa: N818
    """No snapshot of that id, path or folder."""


class SnapshotCorrupt(SnapshotError):  # noqa: N818
    """A file that is no snapshot, or a damaged one."""


class SnapshotTooNew(SnapshotError):  # noqa: N818
    """A snapshot of a format newer than this bcd; update bcd to read it."""
