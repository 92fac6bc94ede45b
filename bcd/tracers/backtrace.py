"""The tracer that runs Backtrace's ``ptrace`` program, and uploads what it wrote."""

from __future__ import annotations

import os
from contextlib import suppress

from bcd.errors import ConfigError, PutError
from bcd.tracer import Command, LogPriority, TraceOptions
from bcd.tracers._base import TracerBase

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from datetime import timedelta

    from bcd.tracer import Input, Output
    from bcd.tracers._put import Destination

__all__ = ["PROGRAM", "BTTracer"]

PROGRAM = "/opt/backtrace/bin/ptrace"
"""Where Backtrace installs it."""

_SUFFIX = ".btt"  # of the files that Backtrace's program writes
_NAMED = 3  # failures of a folder that its error tells one by one


class _CallersPid(str):
    """Stands in the base options for the process that reads them, a forked child too (rule 1)."""

    __slots__ = ()


class BTTracer(TracerBase):
    """Runs Backtrace's ``ptrace`` on this process, as go-bcd's ``BTTracer`` does.

    A trace marks the calling thread as faulted and classifies by the error's type, within
    120 s, unless :meth:`default_trace_options` is edited or a trace is given others.

    Args:
        include_system_threads: Show the threads and frames of the interpreter itself too.
        path: Of the program; it is not looked up in ``PATH``.
        module: The program's module that knows the language of this process.
    """

    def __init__(
        self,
        include_system_threads: bool = False,  # noqa: FBT001, FBT002 - go-bcd's one argument
        *,
        path: str | os.PathLike[str] = PROGRAM,
        module: str = "python",
    ) -> None:
        shown = "" if include_system_threads else ",filter,user"
        super().__init__(
            "--load=",
            f"--module={module}:enable,true{shown}",
            "--faulted",
            _CallersPid(),
            defaults=TraceOptions(faulted=True, err_classification=True, timeout=120.0),
        )
        self._path = os.fspath(path)
        self._pipes: tuple[Input, Output, Output] = (None, None, None)
        self._destination: Destination | None = None

    def __str__(self) -> str:
        return f"BTTracer {self._path}"

    def options(self) -> list[str]:
        """A copy of the base options, with the pid of the process that calls (rule 1)."""
        pid = str(os.getpid())
        return [pid if isinstance(option, _CallersPid) else option for option in super().options()]

    def set_path(self, path: str | os.PathLike[str]) -> None:
        """Run another program; holds also for a trace that waits for its turn (rule 12)."""
        self._path = os.fspath(path)

    def set_pipes(self, stdin: Input = None, stdout: Output = None, stderr: Output = None) -> None:
        """Connect the program's standard streams; holds also for a trace that waits.

        Args:
            stdin: See :data:`bcd.tracer.Input`; None is the null device.
            stdout: See :data:`bcd.tracer.Output`; None keeps the first 64 KiB for the result,
                without which no upload can follow a trace.
            stderr: Likewise.
        """
        self._pipes = (stdin, stdout, stderr)

    def finalize(self, options: list[str]) -> Command:
        """Make the command; path and pipes are those of this moment (rule 12)."""
        stdin, stdout, stderr = self._pipes
        command = Command(argv=[self._path, *options], stdin=stdin, stdout=stdout, stderr=stderr)
        self._debug("command: %s", command.argv)
        return command

    def configure_put(
        self,
        endpoint: str,
        token: str,
        *,
        unlink: bool = False,
        on_trace: bool = False,
        timeout: float | timedelta = 30.0,
    ) -> None:
        """Say where snapshots are uploaded to. Needs ``pip install 'bcd[upload]'``.

        A proxy that the environment names (``https_proxy``) is used.

        Args:
            endpoint: Address of the server; ``https`` and port 6098 where it leaves them out.
            token: The server's submission token; it is kept out of every message.
            unlink: Remove a file once the server has accepted it.
            on_trace: Upload after each trace that succeeded, see :class:`bcd.TraceResult`.
            timeout: Seconds that one upload may take in all, above 0.

        Raises:
            ConfigError: An argument that cannot be used, or httpx is missing; nothing changed.
        """
        from importlib.util import find_spec  # takes longer than all the rest

        from bcd.tracers._put import destination  # so do its imports

        if find_spec("httpx") is None:
            raise ConfigError("uploads need httpx, which is missing: pip install 'bcd[upload]'")
        self._destination = destination(
            endpoint, token, unlink=unlink, on_trace=on_trace, timeout=timeout
        )

    def put_on_trace(self) -> bool:
        """Whether each trace that succeeds is to be followed by :meth:`put`."""
        return self._destination is not None and self._destination.on_trace

    def put(self, snapshot: str | bytes | os.PathLike[str], timeout: float | None = None) -> None:
        """Upload a snapshot, and remove it afterwards if :meth:`configure_put` says so.

        Args:
            snapshot: Path of a regular file. Bytes may be what the program printed: the end of
                the line is no part of the path.
            timeout: Seconds; None, or more than ``configure_put`` allows, means what that says.

        Raises:
            PutError: The server did not accept it; the file is still there.
        """
        if self._destination is None:
            raise PutError("uploads are not set up: call configure_put(endpoint, token) before")
        from bcd.tracers._put import put_file  # its imports take long

        given = snapshot.rstrip(b"\r\n") if isinstance(snapshot, bytes) else snapshot
        path = os.fsdecode(given)
        self._debug("uploading %s to %s", path, self._destination.server)
        kept = put_file(self._destination, path, timeout)
        self._debug("uploaded %s", path)
        if kept is not None:
            with suppress(Exception):  # a log that fails does not undo the upload
                self.logf(LogPriority.WARNING, "uploaded %s, which stays: %s", path, kept)

    def put_dir(self, path: str | bytes | os.PathLike[str]) -> list[str]:
        """Upload each snapshot of a folder, those in its subfolders left out.

        Args:
            path: Of the folder. Regular files whose name ends in ``.btt`` are snapshots.

        Returns:
            Their paths, ordered by name.

        Raises:
            PutError: The folder cannot be read, or some were not accepted; all were tried.
        """
        snapshots = _snapshots_in(os.fsdecode(path))
        failures = []
        for snapshot in snapshots:
            try:
                self.put(snapshot)
            except PutError as failure:
                failures.append(str(failure))
        if failures:
            more = "; …" if len(failures) > _NAMED else ""
            raise PutError(
                f"{len(failures)} of {len(snapshots)} snapshots were not uploaded: "
                + "; ".join(failures[:_NAMED])
                + more
            )
        return snapshots

    def _debug(self, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        with suppress(Exception):  # a log that fails must not fail a trace
            self.logf(LogPriority.DEBUG, format, *args)


def _snapshots_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.path
                for entry in entries
                if entry.name.endswith(_SUFFIX) and entry.is_file(follow_symlinks=False)
            )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PutError(f"the snapshots in {folder!r} cannot be listed: {reason}") from error
