"""Whether and how one process can be read from outside."""

from __future__ import annotations

import tempfile

from bcd.doctor.check import Check, failed, ok, warned
from bcd.doctor.kernel import may_trace_others
from bcd.doctor.outside import take_snapshot
from bcd.doctor.program import find_program, proc_field
from bcd.errors import BcdError
from bcd.store.files import FolderStore

__all__ = ["check_process"]


def check_process(pid: int, python: str | None = None) -> list[Check]:
    """Read a process as it runs, which does it no harm, and say how a dump would.

    Args:
        pid: The process.
        python: Path of an interpreter to read it with, None for its own.
    """
    name = f"process {pid}"
    with tempfile.TemporaryDirectory(prefix="bcd-doctor-") as folder:
        try:
            program = find_program(pid, python)
            take_snapshot(program, pid, f"{folder}/kept", pause=False)
            found = FolderStore(folder + "/kept").find("latest")
        except BcdError as error:
            return [failed(name, str(error), "see what it says")]
    snapshot = getattr(found, "snapshot", None)
    assert snapshot is not None  # noqa: S101 - no dump of another tool
    process = snapshot.process
    threads = f"{len(snapshot.threads)} threads, {len(snapshot.tasks)} asyncio tasks"
    loaded = f"has bcd {process.bcd} loaded" if process.bcd else "has no bcd loaded"
    return [
        ok(name, f"can be read by {program.name}, Python {process.python}: {threads}"),
        ok("bcd in it", loaded),
        _check_hold(pid),
    ]


def _check_hold(pid: int) -> Check:
    tracer = proc_field(pid, "TracerPid")
    if tracer not in ("", "0"):
        return warned(
            "mode",
            f"process {tracer} is attached to it: it would be read as it stands",
            "end that debugger first",
        )
    if not may_trace_others():
        return warned(
            "mode",
            "unpaused: Yama forbids to hold it, so that values may not belong together",
            "run bcd as root, or set kernel.yama.ptrace_scope to 0",
        )
    return ok("mode", "attached: it would stand still while it is read, unless a sandbox refuses")
