"""The tracer program, started by hand on a process that did not ask."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.process.conftest import REPOSITORY, load

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = REPOSITORY / "bcd" / "ptrace" / "__main__.py"
WAITING = "import sys\ndef waits():\n    print(flush=True)\n    sys.stdin.read()\nwaits()"


def start(interpreter: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end."""
    return subprocess.run(
        [interpreter, "-I", "-S", PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )


@pytest.mark.skipif(os.getuid() != 0, reason="Yama may forbid others to read a stranger's memory")
def test_takes_a_snapshot_of_a_process_that_did_not_ask(interpreter: str, tmp_path: Path) -> None:
    """It finds the interpreter by itself, prints the path, and holds the process meanwhile."""
    with subprocess.Popen(
        [interpreter, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as waiting:
        assert waiting.stdout is not None
        waiting.stdout.readline()
        done = start(interpreter, "--faulted", str(waiting.pid), "--output", str(tmp_path))
        waiting.communicate(b"")
    assert (done.returncode, done.stderr) == (0, b"")
    snapshot = load(os.fsdecode(done.stdout).rstrip("\n"))
    assert snapshot["tracer"]["mode"] == "attached"
    assert [frame["function"] for frame in snapshot["threads"][0]["frames"]] == [
        "<module>",
        "waits",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--faulted", "4194000", "--output", "{}"], b"there is no process 4194000"),
        (["--faulted", "1", "--output", "/proc/nowhere"], b"no snapshot can be kept"),
        (["--output", "{}"], b"no process to trace"),
        ([], b"the request on standard input is no JSON"),
    ],
)
def test_says_why_not_in_one_line(
    interpreter: str, tmp_path: Path, arguments: list[str], said: bytes
) -> None:
    """No traceback: what it was, and what to do."""
    done = start(interpreter, *[argument.format(tmp_path) for argument in arguments])

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == []
