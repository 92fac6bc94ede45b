"""What py-spy and pystack share: they print the stacks of all threads and take like switches."""

from __future__ import annotations

from bcd.tracers._foreign import ForeignTracer

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from datetime import timedelta

__all__ = ["StackTracer"]


class StackTracer(ForeignTracer):
    """Keeps the stacks of every thread and their variables, as a tool prints them.

    Values under names that look secret are replaced, and so are texts of a secret's form, before
    anything reaches the disk. ``caller_only`` leaves out the other threads. What the tool
    attaches to, when and with which rights: see :class:`bcd.tracers._foreign.ForeignTracer`.

    Args:
        folder: Where the dumps go; see :func:`bcd.folder.snapshot_folder`.
        program: Path of the tool; None looks beside the interpreter, then in ``PATH``.
        nonblocking: Do not hold the process meanwhile; values may then not belong together.
        native: Show the frames of C, C++ and Rust too.
        python: Path of an interpreter of Python 3.11 or later, for programs in which
            ``sys.executable`` is another program (uWSGI, mod_wsgi).
        files: How many of these dumps the folder keeps, at least 1; the oldest go first.
        redact: Further names whose values are kept out, besides those that look secret.
        reveal: Names that look secret and whose values may be shown.
        timeout: Seconds from the call of ``trace`` to the end of the tool; below 0 means none.

    Raises:
        ConfigError: An argument of a wrong type or value.
    """

    nonblocking: str
    """The tool's switch for not holding the process."""

    def __init__(  # noqa: PLR0913 - all are options, given by name
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        program: str | os.PathLike[str] | None = None,
        nonblocking: bool = False,
        native: bool = False,
        python: str | None = None,
        files: int = 20,
        redact: Sequence[str] = (),
        reveal: Sequence[str] = (),
        timeout: float | timedelta = 30.0,
    ) -> None:
        super().__init__(
            folder=folder,
            program=program,
            python=python,
            files=files,
            redact=redact,
            reveal=reveal,
            timeout=timeout,
        )
        wanted = {self.nonblocking: nonblocking, "--native": native}
        self._flags = [flag for flag, on in wanted.items() if on]
