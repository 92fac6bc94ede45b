"""Whether a command is a Python that is told to pass PYTHONPATH over."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["passes_python_path_over"]

_PYTHON = re.compile(r"(python|pypy)[0-9.]*(t|d)?")
_LONGEST_LINE = 256  # bytes that the kernel reads of a script (man 2 execve)
_WITH_VALUE = frozenset("WXm")  # options that are followed by something of their own
_WHY = {
    "I": "isolates itself from the environment (-I)",
    "E": "passes over PYTHONPATH (-E)",
    "S": "does not import site (-S)",
}


def passes_python_path_over(command: Sequence[str]) -> str | None:
    """Say why bcd does not get into a program by PYTHONPATH.

    Args:
        command: What is to be run: an interpreter with its arguments, or a script.

    Returns:
        The beginning of a sentence; None where nothing speaks against it.
    """
    for arguments in (list(command), _interpreter_of(command[0])):
        if arguments and _PYTHON.fullmatch(Path(arguments[0]).name):
            for flag in _flags(arguments[1:]):
                if flag in _WHY:
                    return f"{' '.join(arguments[:2])} {_WHY[flag]}"
    return None


def _flags(arguments: Sequence[str]) -> Iterator[str]:
    """The single letters before the script or module."""
    skip = False
    for argument in arguments:
        if skip:
            skip = False
            continue
        if not argument.startswith("-") or argument.startswith("--") or argument == "-":
            return
        for position, letter in enumerate(argument[1:], start=1):
            yield letter
            if letter in _WITH_VALUE or letter == "c":
                skip = position == len(argument) - 1
                if letter in "mc":
                    return
                break


def _interpreter_of(program: str) -> list[str]:
    """The first line of a script as words, without ``env``."""
    path = shutil.which(program)
    if path is None:
        return []
    try:
        with Path(path).open("rb") as file:
            line = file.readline(_LONGEST_LINE)
        words = shlex.split(line.removeprefix(b"#!").decode()) if line.startswith(b"#!") else []
    except (OSError, ValueError):
        return []
    if words and Path(words[0]).name == "env":
        return [word for word in words[1:] if word != "-S"]
    return words
