"""Runs gdb's gcore on the process, for a core that debuggers read."""

from __future__ import annotations

from bcd.tracers._foreign import ForeignTracer

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from datetime import timedelta

__all__ = ["GcoreTracer"]


class GcoreTracer(ForeignTracer):
    """Keeps a core of the process as ``ID.core``, for gdb, ``pystack core`` or ``py-spy --core``.

    A core is the memory as it is, **with all its secrets**: nothing is replaced in it. It takes as
    much of the disk as the process has of memory, and the process stands still until it is
    written. A process that is larger than the free space is refused. ``redact`` and ``reveal``
    are for the attributes. What gcore attaches to, when and with which rights: see
    :class:`bcd.tracers._foreign.ForeignTracer`.

    Args:
        folder: Where the dumps go; see :func:`bcd.folder.snapshot_folder`.
        program: Path of gcore; None looks beside the interpreter, then in ``PATH``.
        python: Path of an interpreter of Python 3.11 or later, for programs in which
            ``sys.executable`` is another program (uWSGI, mod_wsgi).
        files: How many of these dumps the folder keeps, at least 1; the oldest go first.
        redact: Further names whose values are kept out, besides those that look secret.
        reveal: Names that look secret and whose values may be shown.
        timeout: Seconds from the call of ``trace`` to the end of gcore; below 0 means none.

    Raises:
        ConfigError: An argument of a wrong type or value.
    """

    tool = "gcore"
    executable = "gcore"
    remedy = "the package gdb, as by apt-get install gdb"

    def __init__(  # noqa: PLR0913 - all are options, given by name
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        program: str | os.PathLike[str] | None = None,
        python: str | None = None,
        files: int = 2,
        redact: Sequence[str] = (),
        reveal: Sequence[str] = (),
        timeout: float | timedelta = 120.0,
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

    def _command(self, program: str, pid: str) -> list[str]:
        return [program, "{options}", "-o", "{output}", pid]
