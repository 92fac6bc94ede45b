"""What a process holds: memory, open files, sockets, threads, limits (man 5 proc).

By the standard library alone. psutil knows no more of it and takes 28 ms to import, nearly as
long as a whole snapshot of a small service.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST = 4096
"""Descriptors and threads that are looked at; each costs two microseconds."""

_AT_ONCE = 16384

_MOST_TABLE = 4 * 1024 * 1024
"""Bytes of a table of sockets, which are those of the whole host or container."""

_CHEAP = 512 * 1024 * 1024
"""Bytes in memory up to which the kernel is asked to go through all pages."""

_KINDS = (
    ("socket:", "socket"),
    ("pipe:", "pipe"),
    ("anon_inode:", "anonymous"),
    ("/dev/", "device"),
)
_MEMFD = "/memfd:"
_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "uninterruptible",
    "T": "stopped",
    "t": "traced",
    "Z": "zombie",
    "X": "dead",
    "I": "idle",
}
_TCP = (
    *("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"),
    *("CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"),
)
"""From 1 on. Source: Linux include/net/tcp_states.h."""

_TABLES = {
    "unix": (None, 6),
    "tcp": (3, 9),
    "tcp6": (3, 9),
    "udp": (None, 9),
    "udp6": (None, 9),
}
"""Table → column of the state and of the inode. Source: man 5 proc_pid_net.

The quick one first: for those of TCP the kernel goes through a table for all connections that the
host might have, 3 ms each here, and an event loop alone has none.
"""

_ROLLUP = {b"Pss": "pss", b"Private_Clean": "uss", b"Private_Dirty": "uss", b"Swap": "swap"}
_LIMITS = {
    "Max open files": "open_files",
    "Max processes": "processes",
    "Max address space": "address_space",
    "Max data size": "data",
    "Max resident set": "resident",
    "Max stack size": "stack",
    "Max core file size": "core_file",
    "Max file size": "file_size",
    "Max cpu time": "cpu_s",
    "Max locked memory": "locked_memory",
}


def content(pid: int, name: str) -> bytes:
    """All of a file about a process.

    Args:
        pid: The process.
        name: Of the file under ``/proc/PID``.

    Raises:
        OSError: It cannot be read.
    """
    descriptor = posix.open(f"/proc/{pid}/{name}", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        parts = []
        while part := posix.read(descriptor, _AT_ONCE):
            parts.append(part)
        return b"".join(parts)
    finally:
        posix.close(descriptor)


def read_resources(pid: int, notes: Callable[[str], None]) -> dict[str, object]:
    """What a process holds; what cannot be read is left out and noted.

    Args:
        pid: The process.
        notes: Is told what could not be read and why.
    """
    facts: dict[str, object] = {}
    sockets: set[bytes] = set()
    readers: dict[str, Callable[[], object]] = {
        "files": lambda: _files(pid, sockets, notes),
        "sockets": lambda: _sockets(pid, sockets, notes) if sockets else {},
        "thread_states": lambda: _thread_states(pid, notes),
        "limits": lambda: _limits(pid),
    }
    for name, read in readers.items():
        try:
            value = read()
        except (OSError, ValueError, IndexError) as error:
            notes(f"process.{name}: {error}")
            continue
        if value:
            facts[name] = value
    return facts


def read_memory(pid: int, resident: int) -> dict[str, int]:
    """Bytes by kind that the process shares (``pss``), has for itself (``uss``), and swapped out.

    Args:
        pid: The process.
        resident: How much of it is in memory; above a limit nothing is asked.
    """
    found: dict[str, int] = {}
    if resident > _CHEAP:
        return found
    for line in content(pid, "smaps_rollup").splitlines():
        name, _, value = line.partition(b":")
        kind = _ROLLUP.get(name)
        if kind is not None:
            found[kind] = found.get(kind, 0) + int(value.split()[0]) * 1024
    return found


def _files(pid: int, sockets: set[bytes], notes: Callable[[str], None]) -> dict[str, int]:
    """Open files by kind; the inodes of the sockets among them go into ``sockets``."""
    names = posix.listdir(f"/proc/{pid}/fd")
    found: dict[str, int] = {}
    for name in names[:_MOST]:
        try:
            target = posix.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:  # closed in between
            continue
        kind = _kind(target)
        found[kind] = found.get(kind, 0) + 1
        if kind == "socket":
            sockets.add(target[len("socket:[") : -1].encode())
    if len(names) > _MOST:
        notes(f"process.files: the first {_MOST:,} of {len(names):,}")
    return found


def _kind(target: str) -> str:
    if target.startswith(_MEMFD):
        return "memory"
    return next((kind for start, kind in _KINDS if target.startswith(start)), "file")


def _sockets(pid: int, inodes: set[bytes], notes: Callable[[str], None]) -> dict[str, int]:
    """Sockets by protocol and state, as ``tcp LISTEN``; those of other protocols as ``other``."""
    found: dict[str, int] = {}
    left = set(inodes)
    for table, (state, inode) in _TABLES.items():
        for fields in _rows(f"/proc/{pid}/net/{table}", notes) if left else ():
            if len(fields) <= inode or fields[inode] not in left:
                continue
            left.discard(fields[inode])
            protocol = table.rstrip("6")
            kind = protocol if state is None else f"{protocol} {_TCP[int(fields[state], 16) - 1]}"
            found[kind] = found.get(kind, 0) + 1
    if left:
        found["other"] = len(left)
    return found


def _rows(path: str, notes: Callable[[str], None]) -> Iterator[list[bytes]]:
    try:
        with open(path, "rb") as lines:
            lines.readline()
            read = 0
            for line in lines:
                read += len(line)
                if read > _MOST_TABLE:
                    notes(f"process.sockets: the first {_MOST_TABLE:,} bytes of {path}")
                    return
                yield line.split()
    except FileNotFoundError:  # a kernel without that protocol
        return


def _thread_states(pid: int, notes: Callable[[str], None]) -> dict[str, int]:
    names = posix.listdir(f"/proc/{pid}/task")
    found: dict[str, int] = {}
    for name in names[:_MOST]:
        try:
            letter = content(pid, f"task/{name}/stat").rpartition(b")")[2].split()[0].decode()
        except (OSError, IndexError):  # it has ended in between
            continue
        state = _STATES.get(letter, letter)
        found[state] = found.get(state, 0) + 1
    if len(names) > _MOST:
        notes(f"process.thread_states: the first {_MOST:,} of {len(names):,}")
    return found


def _limits(pid: int) -> dict[str, int]:
    """The soft limits, in bytes, seconds or as a count; those that do not limit are left out."""
    found: dict[str, int] = {}
    for line in content(pid, "limits").decode("ascii").splitlines():
        for start, name in _LIMITS.items():
            if line.startswith(start):
                soft = line[len(start) :].split()[0]
                if soft != "unlimited":
                    found[name] = int(soft)
    return found
