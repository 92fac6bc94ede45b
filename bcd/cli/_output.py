"""Printing: styled lines on a terminal, plain text elsewhere, nothing that controls either."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

from rich.console import Console as RichConsole

from bcd.cli._pager import pager_command, through
from bcd.report.line import Part, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
_WARNINGS = 10


class OutputClosedError(Exception):
    """Whoever read standard output has gone; click would end the program in its own way."""


def terminal_width() -> int | None:
    """Return the columns of the terminal, None where standard output is no terminal."""
    return _console().width if sys.stdout.isatty() else None


def print_lines(lines: Iterable[Text], *, paged: bool = False) -> None:
    """Print lines on standard output; styled if that is a terminal.

    Args:
        lines: They are made while they are printed.
        paged: What does not fit on the screen is shown in the user's pager.
    """
    console = _console()
    rows = iter(lines)
    pager = pager_command() if paged else None
    if pager is None:
        _print(rows, console)
        return
    screen, fits = _screen(rows, console)
    if fits:
        _print(screen, console)
        return
    with suppress(OutputClosedError), through(pager) as stream:
        _print(chain(screen, rows), _console(file=stream, force_terminal=True))


def _print(rows: Iterable[Text], console: RichConsole) -> None:
    for each in rows:
        console.print(each, soft_wrap=True, end="\n")


def _screen(rows: Iterator[Text], console: RichConsole) -> tuple[list[Text], bool]:
    """Take as many lines as fit on the screen; say whether those were all."""
    taken: list[Text] = []
    room = console.height - 1  # for the prompt that follows
    for row in rows:
        taken.append(row)
        room -= max(-(-row.cell_len // console.width), 1)
        if room < 0:
            return taken, False
    return taken, True


def print_json(value: object) -> None:
    """Print JSON on standard output in ASCII, so that no character in it can do harm."""
    text = json.dumps(value, indent=2).replace(_DELETE, "\\u007f")
    try:
        sys.stdout.write(f"{text}\n")
    except BrokenPipeError:
        raise OutputClosedError from None


def print_warnings(sentences: Iterable[str]) -> None:
    """Print warnings on standard error, a line each, the first ones of very many."""
    warnings = list(sentences)
    for sentence in warnings[:_WARNINGS]:
        _print_remark(("bcd: warning: ", "yellow"), sentence)
    more = len(warnings) - _WARNINGS
    if more > 0:
        files = "file" if more == 1 else "files"
        _print_remark(("bcd: warning: ", "yellow"), f"{more:,} more {files} cannot be read")


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


def _console(*, stderr: bool = False, **settings: Any) -> _Console:
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # where the encoding lacks a character
    return _Console(stderr=stderr, markup=False, highlight=False, emoji=False, **settings)
