"""The process itself, as the kernel describes it under ``/proc`` (man 5 proc)."""

from __future__ import annotations

import posix
import sys
import time

from bcd.ptrace.redact import REDACTED, Redactor
from bcd.ptrace.resources import content, read_memory, read_resources

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable

_ENVIRONMENT = ("LANG", "LC_ALL", "PYTHONPATH", "TZ", "VIRTUAL_ENV")
"""The only variables of the environment that are recorded."""


def start_time(pid: int) -> float | None:
    """When a process started, in seconds of Unix time, to 10 ms; None where it is not known.

    Not by the boot time in ``/proc/stat``, which is rounded to seconds.
    """
    try:
        fields = content(pid, "stat").rpartition(b")")[2].split()
        since_boot = int(fields[19]) / posix.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot)


def foreign_root(pid: int) -> str:
    """Where the files of a process in another container are found; "" for one that is in ours."""
    try:
        ours, theirs = (posix.readlink(f"/proc/{each}/ns/mnt") for each in ("self", pid))
    except OSError:
        return ""
    return "" if ours == theirs else f"/proc/{pid}/root"


def read_process(pid: int, redactor: Redactor, notes: Callable[[str], None]) -> dict[str, object]:
    """What can be known of a process; what cannot is left out and noted.

    Args:
        pid: The process.
        redactor: Replaces secrets in the command line.
        notes: Is told what could not be read and why.
    """
    facts: dict[str, object] = {"pid": pid}
    readers: dict[str, Callable[[], object]] = {
        "command_line": lambda: command_line(content(pid, "cmdline"), redactor),
        "executable": lambda: posix.readlink(f"/proc/{pid}/exe"),
        "working_directory": lambda: posix.readlink(f"/proc/{pid}/cwd"),
        "container_id": lambda: _container(content(pid, "cgroup").decode()),
        "environment": lambda: _environment(content(pid, "environ")),
    }
    for name, reader in readers.items():
        try:
            value = reader()
        except (OSError, ValueError) as error:
            notes(f"process.{name}: {error}")
            continue
        if value:
            facts[name] = value
    for reader_of_many in (_status, _stat, _host):
        try:
            facts.update(reader_of_many(pid))
        except (OSError, ValueError, IndexError, KeyError) as error:
            notes(f"process: {error}")
    facts.update(read_resources(pid, notes))
    return facts


def _text(raw: bytes) -> str:
    """What ``os.fsdecode`` gives, without the 1 ms that ``os`` takes to import."""
    return raw.decode(sys.getfilesystemencoding(), "surrogateescape")


def command_line(raw: bytes, redactor: Redactor) -> list[str]:
    """The arguments of a process, without secrets.

    Args:
        raw: As in ``/proc/PID/cmdline``.
        redactor: Replaces ``--password=x`` and ``--password x`` alike.
    """
    arguments = [_text(part) for part in raw.rstrip(b"\0").split(b"\0")]
    shown = []
    secret = False
    for argument in arguments:
        if secret and not argument.startswith("-"):
            redactor.learn(argument)
            shown.append(REDACTED)
        else:
            shown.append(redactor.text(argument))
        secret = redactor.is_option(argument)
    return shown


def _container(text: str) -> str | None:
    """The id of the container: the 64 hexadecimal digits in the name of the control group."""
    for line in text.splitlines():
        for part in line.replace("-", "/").replace(".scope", "").split("/"):
            if len(part) == 64 and not part.strip("0123456789abcdef"):  # noqa: PLR2004
                return part
    return None


def _environment(raw: bytes) -> dict[str, str]:
    pairs = (part.partition(b"=") for part in raw.split(b"\0"))
    known = {_text(name): _text(value) for name, _, value in pairs}
    return {name: known[name] for name in _ENVIRONMENT if name in known}


def _status(pid: int) -> dict[str, object]:
    lines = content(pid, "status").decode("utf-8", "replace").splitlines()
    fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    names = ("real", "effective", "saved")
    resident = int(fields["VmRSS"][0]) * 1024
    return {
        "ppid": int(fields["PPid"][0]),
        "uids": dict(zip(names, map(int, fields["Uid"]), strict=False)),
        "gids": dict(zip(names, map(int, fields["Gid"]), strict=False)),
        "memory": {
            "rss": resident,
            "vms": int(fields["VmSize"][0]) * 1024,
            **_shares(pid, resident),
        },
        "threads": int(fields["Threads"][0]),
        "context_switches": {
            "voluntary": int(fields["voluntary_ctxt_switches"][0]),
            "involuntary": int(fields["nonvoluntary_ctxt_switches"][0]),
        },
    }


def _shares(pid: int, resident: int) -> dict[str, int]:
    try:
        return read_memory(pid, resident)
    except (OSError, ValueError, IndexError):  # an old kernel, or somebody else's process
        return {}


def _stat(pid: int) -> dict[str, object]:
    fields = content(pid, "stat").rpartition(b")")[2].split()
    tick = posix.sysconf("SC_CLK_TCK")
    facts: dict[str, object] = {
        "cpu": {"user_s": int(fields[11]) / tick, "system_s": int(fields[12]) / tick}
    }
    started = start_time(pid)
    if started is not None:
        facts["started"] = rfc3339(started)
        facts["uptime_s"] = round(time.time() - started, 2)
    return facts


def _host(_pid: int) -> dict[str, object]:
    system = posix.uname()
    return {
        "python": sys.version.split()[0],
        "platform": f"{system.sysname} {system.release} {system.machine}",
        "host": system.nodename,
        "load": [round(load, 2) for load in posix.getloadavg()],
    }


def rfc3339(seconds: float) -> str:
    """Unix time as RFC 3339 in UTC, with microseconds."""
    whole = int(seconds)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{int((seconds - whole) * 1_000_000):06d}Z"
