"""Which interpreter a process runs, and how to run it once more, for the tracer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bcd.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Program", "find_program", "proc_field"]

_INTERPRETER = re.compile(r"python(3(\.\d+)?[a-z]*)?$")
_LIBRARY = re.compile(r"\S*/libpython3[^/]*\.so\S*")
_DELETED = " (deleted)"
_MAIN = b"Py_BytesMain"  # what the program "python" calls first, or has inside of itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The interpreter of a process.

    Attributes:
        executable: What to execute: the very file, also where it was replaced or is in another
            container.
        name: Its path, by which it finds its standard library.
        environment: What it needs to find its own libraries.
    """

    executable: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


def find_program(pid: int, python: str | None = None) -> Program:
    """Find the interpreter that a process runs.

    Args:
        pid: The process.
        python: Path of an interpreter that is to be taken instead.

    Raises:
        TraceError: There is no such process, or it runs no Python that can be started again.
    """
    link = _executable(pid)
    root = _root(pid)
    library = _library(pid)
    if python is not None:
        return Program(executable=python, name=python)
    if not _INTERPRETER.match(Path(link).name) or not _holds(f"/proc/{pid}/exe", _MAIN):
        raise TraceError(_no_interpreter(pid, link, library))
    folder = Path(library).parent if library else None
    return Program(
        executable=f"/proc/{pid}/exe",
        name=root + link,
        environment={} if folder is None else {"LD_LIBRARY_PATH": f"{root}{folder}"},
    )


def proc_field(pid: int | str, name: str) -> str:
    """One field of ``/proc/PID/status``; "" where there is none."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{re.escape(name)}:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def _executable(pid: int) -> str:
    """The path of what a process executes."""
    state = proc_field(pid, "State")
    if not state:
        raise TraceError(_no_process(pid))
    if (group := proc_field(pid, "Tgid")) != str(pid):
        raise TraceError(f"{pid} is a thread of process {group}; give that number")
    if state[0] in "ZX":
        parent = proc_field(pid, "PPid")
        raise TraceError(
            f"process {pid} has ended and waits for its parent, process {parent}, to notice;"
            " there is nothing left to read"
        )
    try:
        return str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(_DELETED)
    except FileNotFoundError:
        raise TraceError(f"process {pid} is a thread of the kernel, not a program") from None
    except OSError as error:
        owner = proc_field(pid, "Uid").partition("\t")[0]
        raise TraceError(
            f"process {pid} of user {owner} may not be looked at: {error.strerror}; run bcd as"
            " that user, or as root with the capability SYS_PTRACE"
        ) from None


def _no_process(pid: int) -> str:
    if not Path("/proc/self/status").exists():
        return "/proc is not mounted, through which processes are read; mount it"
    return f"there is no process {pid}, or /proc hides it from this user (hidepid)"


def _root(pid: int) -> str:
    """The folder in which a process of another container sees its files, "" in this one."""
    try:
        theirs, ours = (Path(f"/proc/{each}/ns/mnt").readlink() for each in (pid, "self"))
    except OSError:
        return ""
    return f"/proc/{pid}/root" if theirs != ours else ""


def _library(pid: int) -> str | None:
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise TraceError(
            f"process {pid} may not be read: {error.strerror}; run bcd as root, or with the"
            " capability SYS_PTRACE"
        ) from None
    found = _LIBRARY.search(maps)
    return found[0] if found else None


def _holds(path: str, text: bytes) -> bool:
    """Whether a file holds a text."""
    import mmap  # for this alone

    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123 - as a descriptor
            return data.find(text) >= 0
    except (OSError, ValueError):
        return False


def _no_interpreter(pid: int, link: str, library: str | None) -> str:
    if library is None:
        return f"process {pid} runs {link}, which is no CPython 3"
    return (
        f"process {pid} runs {link}, which has Python inside; name with --python the interpreter"
        f" that belongs to {library}"
    )
