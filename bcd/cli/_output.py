"""Printing: styled lines on a terminal, plain text elsewhere, nothing that controls either."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole

from bcd.report.line import Part, line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

__all__ = [
    "OutputClosedError",
    "error_console",
    "print_json",
    "print_lines",
    "print_message",
    "print_warnings",
    "terminal_width",
]

_DELETE = "\x7f"


class OutputClosedError(Exception):
    """Whoever read standard output has gone; click would end the program in its own way."""


def terminal_width() -> int | None:
    """Return the columns of the terminal, None where standard output is no terminal."""
    console = _console()
    return console.width if console.is_terminal else None


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines on standard output; styled if that is a terminal."""
    console = _console()
    for each in lines:
        console.print(each, soft_wrap=True, end="\n")


def print_json(value: object) -> None:
    """Print JSON on standard output in ASCII, so that no character in it can do harm."""
    text = json.dumps(value, indent=2).replace(_DELETE, "\\u007f")
    try:
        sys.stdout.write(f"{text}\n")
    except BrokenPipeError:
        raise OutputClosedError from None


def print_warnings(sentences: Iterable[str]) -> None:
    """Print warnings on standard error, a line each."""
    for sentence in sentences:
        _print_remark(("bcd: warning: ", "yellow"), sentence)


def print_message(sentence: str) -> None:
    """Print one line on standard error: why the program fails, or why it has nothing to say."""
    _print_remark(("bcd: ", "bold"), sentence)


def _print_remark(*parts: Part) -> None:
    _console(stderr=True).print(line(*parts), soft_wrap=True, end="\n")


def error_console() -> RichConsole:
    """Return the console of standard error."""
    return _console(stderr=True)


class _Console(RichConsole):
    def on_broken_pipe(self) -> None:
        """Leave it to the program how it ends."""
        raise OutputClosedError


def _console(*, stderr: bool = False) -> _Console:
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # where the encoding lacks a character
    return _Console(stderr=stderr, markup=False, highlight=False, emoji=False)
