"""What to do where the kernel refuses because something is used up."""

from __future__ import annotations

import errno

__all__ = ["remedy"]

_REMEDIES = {
    errno.EMFILE: "raise the limit on open files (ulimit -n), or close what is not needed",
    errno.ENFILE: "raise the system's limit on open files (sysctl fs.file-max)",
    errno.EAGAIN: "raise the limit on processes (ulimit -u; in a container, pids.max)",
    errno.ENOMEM: "allow the program more memory (ulimit -v, sysctl vm.overcommit_memory)",
}


def remedy(error: BaseException, otherwise: str) -> str:
    """Say what to do about a call that failed, to follow a semicolon.

    Args:
        error: What it raised.
        otherwise: What to do where nothing is used up.
    """
    if isinstance(error, MemoryError):
        return _REMEDIES[errno.ENOMEM]
    code = error.errno if isinstance(error, OSError) else None
    return otherwise if code is None else _REMEDIES.get(code, otherwise)
