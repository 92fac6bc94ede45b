"""The course of a dump: ask, run the tool, replace secrets, write, answer.

A dump is two files: what the tool found, and a head that says what it is. The head is written
last and removed first, so that a dump with a head is whole whenever the process ends.
"""

from __future__ import annotations

import os
import time

from bcd.ptrace.errors import ReadError, RequestError
from bcd.ptrace.guard import Bounds
from bcd.ptrace.outputs import CLEANERS
from bcd.ptrace.process import read_process, rfc3339
from bcd.ptrace.redact import Redactor
from bcd.ptrace.request import VERSION, Request, answer, decode, fail, read_line
from bcd.ptrace.tool import ToolFailed, run, version_of
from bcd.ptrace.write import Folder, encode
from bcd.snapshot.format import (
    DUMP_FORMAT_VERSION,
    DUMP_HEAD,
    DUMP_OUTPUTS,
    ID_LENGTH,
    TEMPORARY_PREFIX,
    id_of_dump_file,
    new_id,
)

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_MOST_OUTPUT = 32 * 1024 * 1024
"""Bytes that a tool may print: they are kept in memory until the secrets are out."""

_FAILED_CORE = b"Failed to write corefile"
_SAVED_CORE = b"Saved corefile"
"""What gdb prints; its ``gcore`` succeeds whenever there is a file, also half of one.
Source: gdb/gcore.c, gdb/gcore.in."""


def main() -> int:
    """Make one dump of the process that is named on standard input.

    Returns:
        The exit status: 0, and the path of the tool's output was printed; else that of the
        tool, or 1, and the reason was.
    """
    os.umask(0o077)  # for what the tool writes by itself
    try:
        line, _ = read_line()
        path = _take(_Wanted(line))
    except ToolFailed as failure:
        return fail(str(failure), failure.status)
    except (OSError, ReadError) as error:
        return fail(str(error))
    except MemoryError:
        return fail("there is not enough memory to keep what the tool found")
    return answer(path)


class _Wanted:
    """What is asked for.

    Attributes:
        tool: One of ``DUMP_OUTPUTS``.
        command: The tool's path and arguments.
        keep: How many dumps of this tool the folder keeps.
        seconds: The longest time that the tool may hold the process, None for ever.
        request: The rest, as for a snapshot.

    Args:
        line: One JSON document. In its command ``{options}`` stands for the options that are
            the tool's own, ``{output}`` for the begin of the name of the file to write.

    Raises:
        RequestError: It is no request of this version.
    """

    def __init__(self, line: bytes) -> None:
        document = decode(line)
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise RequestError("the request on standard input is not one of this version of bcd")
        self.request = Request()
        try:
            self._fill(document)
        except (AttributeError, KeyError, TypeError) as error:
            raise RequestError(f"the request on standard input is damaged: {error!r}") from None

    def _fill(self, document: dict[str, Any]) -> None:
        request = self.request
        options = request.take_arguments(document["arguments"])
        request.pid = document["pid"]
        request.output = document["output"]
        request.reason = document["reason"]
        request.redact, request.reveal = document["redact"], document["reveal"]
        self.tool: str = document["tool"]
        self.keep: int = document["keep"]
        self.seconds: float | None = document["timeout"]
        self.error = _error(document["arguments"])
        self.command: list[str] = []
        for part in document["command"]:
            self.command += options if part == "{options}" else [part]


def _error(arguments: Sequence[str]) -> dict[str, str] | None:
    """The error's text, and its type, which follows the text where it is given at all."""
    for index, argument in enumerate(arguments):
        if argument.startswith("error:") and arguments[index - 1] == "--kv":
            classified = arguments[index + 1 : index + 2] == ["--classifier"]
            kind = arguments[index + 2] if classified else ""
            return {"type": kind, "message": argument.removeprefix("error:")}
    return None


def _take(wanted: _Wanted) -> str:
    request = wanted.request
    folder = Folder(request.output)
    redactor = Redactor(request.redact, request.reveal)
    dump_id, created = new_id(), time.time()
    notes: list[str] = []
    process = read_process(request.pid, redactor, notes.append)
    told = _told(wanted, redactor)  # first: what is known as secret then is found in the output
    began = time.monotonic()
    keep = _keep_core if wanted.tool == "gcore" else _keep_printed
    path = keep(wanted, folder, dump_id, redactor)
    head = {
        "format": DUMP_FORMAT_VERSION,
        "id": dump_id,
        "created": rfc3339(created),
        "tool": {
            "name": wanted.tool,
            "version": version_of(wanted.tool, wanted.command[0]),
            "path": wanted.command[0],
            "total_ms": round((time.monotonic() - began) * 1000, 3),
        },
        "reason": {"kind": request.reason},
        "process": process,
        **told,
        "faulted_threads": sorted(request.faulted_threads),
        "output": {"name": os.path.basename(path), "size": os.stat(path).st_size},
        "notes": notes,
    }
    _keep_head(folder, path, head, redactor)
    _prune(folder, wanted, os.path.basename(path))
    return path


def _keep_printed(wanted: _Wanted, folder: Folder, dump_id: str, redactor: Redactor) -> str:
    folder.check_space(0)
    bounds = Bounds(_MOST_OUTPUT, wanted.seconds)
    printed, _ = run(wanted.command, wanted.request.pid, bounds)
    if not printed.strip():
        raise ToolFailed(f"{wanted.command[0]} ended well and printed nothing")
    only = wanted.request.only_threads
    return folder.put(
        dump_id + DUMP_OUTPUTS[wanted.tool], CLEANERS[wanted.tool](printed, redactor, only)
    )


def _keep_core(wanted: _Wanted, folder: Folder, dump_id: str, _redactor: Redactor) -> str:
    pid = wanted.request.pid
    room = folder.check_space(_size_of_core(pid))
    begin = TEMPORARY_PREFIX + dump_id
    temporary = f"{begin}.{pid}"  # as gcore will call it
    command = [begin if part == "{output}" else part for part in wanted.command]
    folder.enter()  # so that no name of a folder can confuse gdb
    try:
        _check_saved(command[0], *run(command, pid, Bounds(room, wanted.seconds, temporary)))
        folder.flush(temporary)
    except BaseException:
        folder.remove(temporary)
        raise
    return folder.adopt(temporary, dump_id + DUMP_OUTPUTS["gcore"])


def _check_saved(program: str, printed: bytes, complaints: bytes) -> None:
    if _FAILED_CORE in complaints or _SAVED_CORE not in printed:
        raise ToolFailed.of(program, complaints, "the core was not saved")


def _size_of_core(pid: int) -> int:
    """About how many bytes a core takes: what is writable and the process's own."""
    with open(f"/proc/{pid}/status", "rb") as lines:
        fields = dict(line.split(b":", 1) for line in lines)
    wanted = (b"VmData", b"VmStk", b"RssShmem")
    return sum(int(fields[name].split()[0]) * 1024 for name in wanted if name in fields)


def _told(wanted: _Wanted, redactor: Redactor) -> dict[str, Any]:
    """What the program told of the error, without secrets."""
    attributes, error = wanted.request.attributes, wanted.error
    return {
        "attributes": {name: redactor.named(name, attributes[name]) for name in attributes},
        "classifiers": [redactor.text(each) for each in wanted.request.classifiers],
        "error": error and {name: redactor.text(error[name]) for name in error},
    }


def _keep_head(folder: Folder, path: str, head: dict[str, Any], redactor: Redactor) -> None:
    try:
        folder.put(head["id"] + DUMP_HEAD, encode(_scrubbed(head, redactor)))
    except BaseException:
        folder.remove(os.path.basename(path))
        raise


def _scrubbed(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.scrub(value)
    if isinstance(value, list):
        return [_scrubbed(item, redactor) for item in value]
    if isinstance(value, dict):
        return {key: _scrubbed(item, redactor) for key, item in value.items()}
    return value


def _prune(folder: Folder, wanted: _Wanted, newest: str) -> None:
    """Remove the tool's oldest dumps above the limit, and outputs whose heads never came."""
    names = sorted(name for name, _ in folder.files() if id_of_dump_file(name))
    outputs = [name for name in names if name.endswith(DUMP_OUTPUTS[wanted.tool])]
    known = {name[:ID_LENGTH] for name in names if name.endswith(DUMP_HEAD)}
    too_many = outputs[: -wanted.keep]
    headless = [name for name in outputs if name[:ID_LENGTH] not in known]
    for name in {*too_many, *filter(folder.is_stale, headless)} - {newest}:
        folder.remove(name[:ID_LENGTH] + DUMP_HEAD)
        folder.remove(name)
