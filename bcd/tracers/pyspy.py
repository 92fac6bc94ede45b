"""Runs py-spy on the process: ``py-spy dump --locals --json``."""

from __future__ import annotations

from bcd.tracers._stacks import StackTracer

__all__ = ["PySpyTracer"]


class PySpyTracer(StackTracer):
    """Keeps what py-spy sees as ``ID.pyspy.json``: every thread, its frames and their variables.

    Its arguments: see :class:`bcd.tracers._stacks.StackTracer`.
    """

    tool = "py-spy"
    executable = "py-spy"
    remedy = "pip install py-spy"
    nonblocking = "--nonblocking"

    def _command(self, program: str, pid: str) -> list[str]:
        return [program, "dump", "--locals", "--json", *self._flags, "{options}", "--pid", pid]
