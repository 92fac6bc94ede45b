"""The program bcd as tests run it: in this process, or on a terminal of its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcd.cli.program import run
from bcd.snapshot.format import SUFFIX

if TYPE_CHECKING:
    from datetime import datetime

SAMPLE = Path(__file__).parent / "samples" / "checkout.bcd.json"
PROGRAM = [sys.executable, "-c", "from bcd.cli import main; main()"]
PATIENT = "from bcd.cli import _progress, main; _progress._PATIENCE = 1e9; main()"
"""The program without the bar that it shows on a machine which is busy with something else."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SCREEN_ROWS = 50


class Ran:
    """Runs the program in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit status, standard output and standard error."""
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        printed = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err


def id_at(moment: datetime, number: int = 0) -> str:
    """Make the id of a snapshot that was made then."""
    whole = int(moment.timestamp() * 1000) << 80 | number
    return "".join(_ALPHABET[whole >> shift & 31] for shift in range(125, -1, -5))


def keep(folder: Path, moment: datetime, number: int = 0, **changes: Any) -> str:
    """Put a snapshot made at that time into a folder.

    Args:
        folder: Of the snapshots.
        moment: When it was made.
        number: Tells it from others of the same time.
        **changes: Keys of the document; ``type`` and ``message`` are those of the error.

    Returns:
        Its id.
    """
    snapshot_id = id_at(moment, number)
    document: dict[str, Any] = json.loads(SAMPLE.read_bytes())
    error = document["exception"]["list"][document["exception"]["root"]]
    error.update({key: changes.pop(key) for key in ("type", "message") if key in changes})
    made = {"id": snapshot_id, "created": f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"}
    (folder / f"{snapshot_id}{SUFFIX}").write_text(json.dumps(document | made | changes))
    return snapshot_id


def on_a_terminal(
    *arguments: str,
    columns: int = 80,
    rows: int = _SCREEN_ROWS,
    program: list[str] | None = None,
    keys: bytes = b"",
    status: int = 0,
    **environment: str,
) -> str:
    """Run the program on a terminal and return what it showed there.

    Args:
        *arguments: Of the program.
        columns: Of the terminal.
        rows: Likewise.
        program: What is run; None for bcd, without a bar.
        keys: What the user types.
        status: How it has to end.
        **environment: Variables that are set.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    running = subprocess.Popen(
        ["setsid", "--ctty", *(program or [sys.executable, "-c", PATIENT]), *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "xterm"} | environment,
    )
    os.close(slave)
    os.write(master, keys)
    shown = b""
    with open(master, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor
        try:
            while chunk := terminal.read(65536):
                shown += chunk
        except OSError:  # how a terminal says that the other end is closed
            pass
    assert running.wait() == status
    return shown.decode().replace("\r\n", "\n")


def without_styles(text: str) -> str:
    """Take the colours out of what a terminal showed."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
