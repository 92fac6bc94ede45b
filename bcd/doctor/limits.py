"""What there is of memory, processes and descriptors for a copy and a tracer."""

from __future__ import annotations

import resource
from pathlib import Path

from bcd.doctor.check import Check, ok, warned

__all__ = ["check_control_group", "check_limits", "check_overcommit"]

_NEEDED = {
    "RLIMIT_AS": (256 << 20, "the tracer may not get the memory that it needs", "ulimit -v"),
    "RLIMIT_NPROC": (64, "neither a copy nor a tracer may be startable", "ulimit -u"),
    "RLIMIT_NOFILE": (64, "there may be no descriptors left for a tracer", "ulimit -n"),
    "RLIMIT_FSIZE": (8 << 20, "a snapshot may not be writable", "ulimit -f"),
}
_LEFT = 64 << 20
_NEVER = "2"


def check_limits() -> Check:
    """Whether the limits of this process leave room."""
    for name, (least, consequence, command) in _NEEDED.items():
        limit, _ = resource.getrlimit(getattr(resource, name))
        if limit != resource.RLIM_INFINITY and limit < least:
            return warned(
                "limits",
                f"{name} is {limit:,}: {consequence}",
                f"raise it to {least:,} ({command})",
            )
    return ok("limits", "of memory, processes and files leave room")


def check_overcommit(sysctl: Path = Path("/proc/sys/vm/overcommit_memory")) -> Check:
    """Whether the kernel gives out memory that a copy shares and hardly ever uses."""
    if sysctl.read_text(encoding="ascii").strip() == _NEVER:
        return warned(
            "overcommit",
            "vm.overcommit_memory is 2: a large program may not be copied, and is held meanwhile",
            "set it to 0 or 1, or leave as much memory free as the program has",
        )
    return ok("overcommit", "programs may be copied")


def check_control_group(folder: Path | None = None) -> Check:
    """Whether the container's memory limit leaves room for a tracer.

    Args:
        folder: Of the control group; None for that of this process.
    """
    folder = folder or _own_group()
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
    except FileNotFoundError:
        return ok("container", "no limit on memory was found")
    if limit == "max":
        return ok("container", "no limit on memory")
    left = int(limit) - used
    if left < _LEFT:
        return warned(
            "container",
            f"{left >> 20} MiB are left of its memory; a tracer takes some 30, large ones 256",
            "raise the container's memory limit",
        )
    return ok("container", f"{left >> 20} MiB are left of its memory")


def _own_group() -> Path:
    """The folder of this process's control group, version 2."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    return Path("/sys/fs/cgroup") / path
