"""Looking at processes from outside: what runs there, and whether snapshots will work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bcd.doctor.check import Check

__all__ = ["examine"]


def examine(folder: str, pid: int | None = None, python: str | None = None) -> list[Check]:
    """Make all checks; those that matter most come first.

    Args:
        folder: Of the snapshots.
        pid: A process to be looked at besides.
        python: Path of the interpreter to read it with, None for its own.
    """
    from bcd.doctor import kernel, limits, trials  # they load what a trace needs
    from bcd.doctor.check import run_checks
    from bcd.doctor.folder import check_folder
    from bcd.doctor.process import check_process

    found = run_checks(
        [
            ("python", trials.check_python),
            ("/proc", kernel.check_proc),
            ("own process", trials.check_own),
            ("tracer", trials.check_tracer),
            ("folder", lambda: check_folder(folder)),
            ("limits", limits.check_limits),
            ("overcommit", limits.check_overcommit),
            ("container", limits.check_control_group),
            ("permissions", kernel.check_capability),
            ("Yama", kernel.check_yama),
            ("seccomp", kernel.check_seccomp),
            ("bcd dump", trials.check_outside),
            ("extras", trials.check_extras),
        ]
    )
    return [*found, *(check_process(pid, python) if pid is not None else [])]
