"""What the tracer process is asked for, and its answer.

A program asks on standard input, a person by hand in argv; either gets one line.
"""

from __future__ import annotations

import posix
import sys
import time

from bcd.ptrace.bounds import Limits
from bcd.ptrace.errors import RequestError

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

VERSION = 1
_LONGEST_LINE = 1 << 20
USAGE = (
    "usage: --faulted PID [--thread TID]... [--fault-thread TID]... [--caller-task ADDRESS]..."
    " [--kv KEY:VALUE]... [--classifier NAME]... [--no-pause] [--limit NAME:NUMBER]..."
    " [--redact NAME]... [--reveal NAME]... --output FOLDER"
)


class Request:
    """One request.

    Attributes:
        pid: The process to be traced.
        attributes: Key → value; of equal keys the last one counts.
        error_text: The first value of the attribute ``error``: what ``str()`` gave for the
            error in the program. A later one is an attribute that somebody chose to call so.
        classifiers: In the order given.
        only_threads: Native ids of the threads to keep; empty for all.
        faulted_threads: Native ids of the threads that are to blame.
        caller_tasks: Addresses of the asyncio tasks that are to blame.
        output: The folder for the snapshot.
        mode: ``frozen``, ``gil-held``, ``attached``, ``unpaused`` or ``recorded``.
        memory: Descriptor of the memory to read, None to open it.
        record: What the program itself recorded of the error, in mode ``recorded`` alone.
        release: Descriptor to close when the program may go on, None where it does not wait.
        copy: Process id of the frozen copy, None where there is none or it is not told yet.
        started: ``time.monotonic()`` when the program asked, None by hand.
        reason: The kind of the snapshot's reason.
        hints: Addresses in the target and the identity of its interpreter.
        limits: The limits of the reading.
        redact: Further secret names.
        reveal: Names that are not secret.
        notes: What the program has to say about how its memory is read.
    """

    def __init__(self) -> None:
        self.pid = 0
        self.attributes: dict[str, str] = {}
        self.error_text: str | None = None
        self.classifiers: list[str] = []
        self.only_threads: set[int] = set()
        self.faulted_threads: set[int] = set()
        self.caller_tasks: set[int] = set()
        self.output = ""
        self.mode = "attached"
        self.memory: int | None = None
        self.record: dict[str, Any] | None = None
        self.release: int | None = None
        self.copy: int | None = None
        self.started: float | None = None
        self.reason = "dump"
        self.hints: dict[str, Any] = {}
        self.limits = Limits()
        self.redact: list[str] = []
        self.reveal: list[str] = []
        self.notes: list[str] = []

    def add_arguments(self, arguments: Sequence[str]) -> None:
        """Take Backtrace-like options.

        Raises:
            RequestError: An unknown option, or one without its value.
        """
        for unknown in self.take_arguments(arguments):
            raise RequestError(f"unknown option {unknown!r}; {USAGE}")

    def take_arguments(self, arguments: Sequence[str]) -> list[str]:
        """Take Backtrace-like options among others.

        Returns:
            The others, in their order.

        Raises:
            RequestError: An option without its value.
        """
        others = []
        rest = iter(arguments)
        for option in rest:
            if option in _OPTIONS:
                _OPTIONS[option](self, _value(option, rest))
            elif option == "--no-pause":
                self.mode = "unpaused"
            elif option not in _IGNORED and not option.startswith(("--load=", "--module=")):
                others.append(option)
        return others


def _value(option: str, rest: Iterator[str]) -> str:
    for value in rest:
        return value
    raise RequestError(f"the option {option} needs a value; {USAGE}")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise RequestError(f"{text!r} is no number; {USAGE}")
    return int(text)


def _faulted(request: Request, text: str) -> None:
    request.pid = _number(text)


def _thread(request: Request, text: str) -> None:
    request.only_threads.add(_number(text))


def _fault_thread(request: Request, text: str) -> None:
    request.faulted_threads.add(_number(text))


def _caller_task(request: Request, text: str) -> None:
    try:
        request.caller_tasks.add(int(text, 16))
    except ValueError:
        raise RequestError(f"{text!r} is no address of a task; {USAGE}") from None


def _kv(request: Request, text: str) -> None:
    key, _, value = text.partition(":")
    request.attributes[key] = value
    if key == "error" and request.error_text is None:
        request.error_text = value


def _classifier(request: Request, text: str) -> None:
    request.classifiers.append(text)


def _output(request: Request, text: str) -> None:
    request.output = text


def _limit(request: Request, text: str) -> None:
    name, _, value = text.partition(":")
    request.limits = Limits({**request.limits.values, name: _number(value)})


def _redact(request: Request, text: str) -> None:
    request.redact.append(text)


def _reveal(request: Request, text: str) -> None:
    request.reveal.append(text)


_IGNORED = frozenset({"--load", "--module"})
_OPTIONS = {
    "--faulted": _faulted,
    "--thread": _thread,
    "--fault-thread": _fault_thread,
    "--caller-task": _caller_task,
    "--kv": _kv,
    "--classifier": _classifier,
    "--output": _output,
    "--limit": _limit,
    "--redact": _redact,
    "--reveal": _reveal,
}


def from_arguments(arguments: Sequence[str]) -> Request:
    """The request of somebody who started the program by hand.

    Raises:
        RequestError: The arguments make no sense.
    """
    request = Request()
    request.add_arguments(arguments)
    if not request.pid:
        raise RequestError(f"no process to trace; {USAGE}")
    if not request.output:
        raise RequestError(f"no folder for the snapshot; {USAGE}")
    return request


def from_line(line: bytes) -> Request:
    """The request of a program: one JSON document in one line.

    Raises:
        RequestError: The line is no request of this version.
    """
    document = decode(line)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise RequestError("the request on standard input is not one of this version of bcd")
    try:
        return _from_document(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise RequestError(f"the request on standard input is damaged: {kind}: {error}") from None


def _from_document(document: dict[str, Any]) -> Request:
    request = Request()
    request.add_arguments([str(argument) for argument in document["arguments"]])
    request.pid = int(document["pid"])
    request.output = str(document["output"])
    request.mode = _one_of(_MODES, document["mode"])
    if request.mode == "recorded":
        request.record = dict(document["record"])
    else:
        request.memory = int(document["memory"])
    request.release = _optional_int(document.get("release"))
    # Not in the future, whatever damaged it: no duration may be below zero, or no number.
    request.started = max(0.0, min(time.monotonic(), float(document["started"])))
    request.reason = _one_of(_REASONS, document.get("reason", "error"))
    request.hints = dict(document["hints"])
    request.limits = Limits(document.get("limits"))
    request.redact = [str(name) for name in document.get("redact", ())]
    request.reveal = [str(name) for name in document.get("reveal", ())]
    request.notes = [str(note) for note in document.get("notes", ())]
    return request


_MODES = ("frozen", "gil-held", "attached", "unpaused", "recorded")
_REASONS = ("error", "request", "signal", "dump")


def _one_of(known: tuple[str, ...], value: object) -> str:
    for each in known:
        if each == value:
            return each
    raise ValueError(f"{value!r} is none of {', '.join(known)}")


def _optional_int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def decode(line: bytes, what: str = "the request on standard input") -> Any:
    """Decode JSON without the ``json`` package, which takes 8 ms to import.

    Args:
        line: The JSON.
        what: Names it in an error.

    Raises:
        RequestError: It is no JSON.
    """
    from _json import make_scanner

    text = line.decode("utf-8", "surrogateescape")
    try:
        settings: Any = _Settings()
        document, _ = make_scanner(settings)(text.strip(), 0)
    except (StopIteration, ValueError) as error:
        raise RequestError(f"{what} is no JSON: {error}") from None
    except SystemError:  # 3.11 tells no more unless json.decoder is loaded. Source: Modules/_json.c
        raise RequestError(f"{what} is no JSON") from None
    return document


class _Settings:
    """What the scanner asks of ``json.JSONDecoder``."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    array_hook = None
    memo: dict[str, str] = {}  # noqa: RUF012 - as JSONDecoder has it


def read_line() -> tuple[bytes, bytes]:
    """The first line of standard input, and what of the rest came with it."""
    data = b""
    while b"\n" not in data and len(data) <= _LONGEST_LINE:
        part = posix.read(0, 65536)
        if not part:
            break
        data += part
    line, _, rest = data.partition(b"\n")
    return line, rest


def answer(path: str) -> int:
    """Print the path of what was written; returns the exit status."""
    _print(1, path.encode(sys.getfilesystemencoding(), "surrogateescape") + b"\n")
    return 0


def fail(reason: str, status: int = 1) -> int:
    """Print why nothing was written; returns the exit status."""
    line = " ".join(reason.split())
    _print(2, f"{line}\n".encode("utf-8", "backslashreplace"))
    return status


def _print(descriptor: int, data: bytes) -> None:
    """Print, also when nobody listens any more: the snapshot is what counts."""
    try:
        posix.write(descriptor, data)
    except OSError:
        return
