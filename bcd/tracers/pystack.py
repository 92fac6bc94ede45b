"""Runs pystack on the process: ``pystack remote --locals``."""

from __future__ import annotations

from bcd.tracers._stacks import StackTracer

__all__ = ["PystackTracer"]


class PystackTracer(StackTracer):
    """Keeps what pystack sees as ``ID.pystack.txt``: every thread, its frames and variables.

    Its arguments: see :class:`bcd.tracers._stacks.StackTracer`.
    """

    tool = "pystack"
    executable = "pystack"
    remedy = "pip install pystack"
    nonblocking = "--no-block"

    def _command(self, program: str, pid: str) -> list[str]:
        return [program, "remote", "--locals", "--no-color", *self._flags, "{options}", pid]
