"""The user's pager, for what is longer than the screen."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pager_command", "pager_option", "through"]

_DEFAULT = "less -R"
_LESS = "FRX"  # as git has it: leave what was read on the screen, let colours through

pager_option = click.option(
    "--no-pager",
    "paged",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Print at once what is longer than the screen.  [default: $BCD_PAGER, $PAGER or less]",
)


def pager_command() -> list[str] | None:
    """Return the pager of this user, None where there is none or nothing to be paged."""
    if not _is_terminal() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    told = (os.environ[name] for name in ("BCD_PAGER", "PAGER") if name in os.environ)
    try:
        command = shlex.split(next(told, _DEFAULT))
    except ValueError:  # a quotation mark without its other one
        return None
    usable = command and command != ["cat"] and shutil.which(command[0]) is not None
    return command if usable else None


@contextmanager
def through(command: list[str]) -> Iterator[IO[str]]:
    """Start a pager and wait for its end.

    Args:
        command: It.

    Returns:
        What is written to it. That may end in a ``BrokenPipeError``, when the user has seen
        enough.
    """
    with _interrupts_left_to_it():
        pager = subprocess.Popen(  # noqa: S603 - what the user set
            command,
            stdin=subprocess.PIPE,
            env={"LESS": _LESS, "LV": "-c", **os.environ},
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
        )
        assert pager.stdin is not None  # noqa: S101 - told to mypy
        try:
            yield pager.stdin
        finally:
            with suppress(BrokenPipeError):
                pager.stdin.close()
            pager.wait()


@contextmanager
def _interrupts_left_to_it() -> Iterator[None]:
    """Let Ctrl-C be for the pager, which knows what to do with it, and takes ``q`` for the end."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_terminal() -> bool:
    return sys.stdout.isatty()
