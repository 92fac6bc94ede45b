"""The exceptions of the tracer process: one tree, which never leaves it.

::

    ReadError              something could not be read
    ├── MemoryFault        an address that holds nothing, or nothing sensible
    ├── CalibrationError   an interpreter whose layout could not be proven
    ├── RequestError       a request or an option that makes no sense
    └── DeadlineReached    the time for reading is over

Apart from :mod:`bcd.errors`, because to make a class takes longer than to import a module.
"""


class ReadError(Exception):
    """Something could not be read; becomes a note in the snapshot, or the reason for none."""


class MemoryFault(ReadError):  # noqa: N818
    """An address that holds nothing, or nothing sensible."""


class CalibrationError(ReadError):
    """An interpreter whose layout in memory could not be proven; it is refused, never guessed."""


class RequestError(ReadError):
    """A request or a command-line option that makes no sense."""


class DeadlineReached(ReadError):  # noqa: N818
    """The time for reading is over; what was read so far is kept."""
