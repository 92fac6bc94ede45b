"""The program bcd, run by tests of the store."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bcd.cli.program import run

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PROGRAM", "Ended", "Ran", "on_a_terminal"]

PROGRAM = [sys.executable, "-c", "from bcd.cli import main; main()"]


class Ended(NamedTuple):
    """How the program ended and what it printed."""

    status: int
    out: str
    err: str


class Ran:
    """Runs the program in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ended:
        """Run it with these arguments; what it printed may have no traceback in it."""
        with pytest.raises(SystemExit) as ended:
            run([str(each) for each in arguments])
        printed = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        assert "Traceback" not in printed.err
        return Ended(ended.value.code, printed.out, printed.err)


def on_a_terminal(*arguments: object, typed: str = "") -> tuple[int, str]:
    """Run the program on a terminal and type something there.

    Returns:
        The exit status and all that the terminal showed.
    """
    master, slave = pty.openpty()
    os.write(master, typed.encode())
    running = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"},
        start_new_session=True,
    )
    os.close(slave)
    shown = b"".join(_read(master))
    os.close(master)
    return running.wait(), shown.decode().replace("\r\n", "\n")


def _read(master: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(master, 65536):
            yield chunk
    except OSError:  # how a terminal says that the other end is closed
        return
