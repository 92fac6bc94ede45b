"""What the kernel allows: whose memory may be read, and which calls a sandbox refuses."""

from __future__ import annotations

import os
from pathlib import Path

from bcd.doctor.check import Check, failed, ok, warned
from bcd.doctor.program import proc_field

__all__ = [
    "check_capability",
    "check_proc",
    "check_seccomp",
    "check_yama",
    "has_capability",
    "may_trace_others",
    "yama_scope",
]

_SYS_PTRACE = 19  # linux/capability.h
_YAMA = {
    1: "only descendants may be attached to, and those that allow it (bcd.enable_tracing)",
    2: "only processes with the capability SYS_PTRACE may attach",
    3: "nobody may attach, until the next boot",
}
_SECCOMP = {"1": "only the barest calls", "2": "a filter"}


def check_proc(proc: Path = Path("/proc")) -> Check:
    """Whether processes can be seen at all."""
    if not (proc / "self" / "status").exists():
        return failed("/proc", f"{proc} is not mounted", "mount it: mount -t proc proc /proc")
    mounts = (proc / "self" / "mounts").read_text(encoding="utf-8", errors="replace")
    mine = [line.split() for line in mounts.splitlines()]
    options = next((fields[3] for fields in reversed(mine) if fields[1:3] == ["/proc", "proc"]), "")
    hidden = [each for each in options.split(",") if each.startswith("hidepid=")]
    if hidden and hidden[0] not in ("hidepid=0", "hidepid=off"):
        return warned(
            "/proc",
            f"mounted with {hidden[0]}: processes of other users are hidden",
            "for `bcd dump` of theirs, run it as root; snapshots of one's own process work",
        )
    return ok("/proc", "mounted; processes can be seen")


def has_capability(status: str = "self") -> bool:
    """Whether this process has the capability SYS_PTRACE."""
    return bool(int(proc_field(status, "CapEff") or "0", 16) >> _SYS_PTRACE & 1)


def check_capability() -> Check:
    """As whom this runs, and whether it may trace what is not its own."""
    user = os.geteuid()
    if has_capability():
        return ok("permissions", f"user {user}, with the capability SYS_PTRACE")
    return warned(
        "permissions",
        f"user {user}, without the capability SYS_PTRACE",
        "nothing, for snapshots of one's own process; `bcd dump` reads processes of this user"
        " alone, others as root",
    )


def yama_scope(sysctl: Path = Path("/proc/sys/kernel/yama/ptrace_scope")) -> int:
    """Yama's restriction; 0 where there is none or no Yama."""
    try:
        return int(sysctl.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def check_yama(scope: int | None = None) -> Check:
    """Whether Yama lets a process be attached to."""
    scope = yama_scope() if scope is None else scope
    if scope == 0:
        return ok("Yama", "does not restrict who may attach to whom")
    said = _YAMA.get(scope, "of a kind that bcd does not know")
    if has_capability() and scope < 3:  # noqa: PLR2004 - the last, which has no exception
        return ok("Yama", f"ptrace_scope is {scope}, which this user's capability overrides")
    return warned(
        "Yama",
        f"ptrace_scope is {scope}: {said}",
        "nothing, for snapshots of one's own process; for `bcd dump`, py-spy, pystack and gcore"
        " run them as root or set kernel.yama.ptrace_scope to 0",
    )


def check_seccomp() -> Check:
    """Whether a sandbox is around; what it refuses, the trials show."""
    mode = proc_field("self", "Seccomp")
    if mode in ("", "0"):
        return ok("seccomp", "no filter")
    return ok("seccomp", f"{_SECCOMP.get(mode, mode)} is in force; the trials show what it refuses")


def may_trace_others() -> bool:
    """Whether neither Yama nor a lack of capabilities forbids to attach to one's own user's."""
    scope = yama_scope()
    return scope == 0 or (scope < 3 and has_capability())  # noqa: PLR2004 - as above
