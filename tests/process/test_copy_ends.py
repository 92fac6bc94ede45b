"""However the tracer process ends, the frozen copy ends with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = REPOSITORY / "bcd" / "ptrace" / "__main__.py"
WAITING = """
import sys, time
sys.path.append(sys.argv[1])
from bcd.ptrace.main import _end_copy_when_stopped
from bcd.ptrace.request import Request
request = Request()
request.copy = int(sys.argv[2])
_end_copy_when_stopped(request)
print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def copy() -> Iterator[subprocess.Popen[bytes]]:
    """Something that sleeps for long, as a copy does."""
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        yield sleeping
        sleeping.kill()


def request(folder: Path, copy: int, **changes: Any) -> bytes:
    """A request to read a copy whose memory is none, and what follows once the copy is made."""
    document = {
        "version": 1,
        "arguments": [],
        "output": str(folder / "kept"),
        "pid": copy,
        "mode": "frozen",
        "memory": 0,
        "started": 0.0,
        "hints": {"int": 16},
    }
    told = {"blocked_ms": 1.5, "in_time": True, "copy": copy}
    lines = (json.dumps(each).encode() + b"\n" for each in ({**document, **changes}, told))
    return b"".join(lines)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, b" does not run /"),
        ({"output": "/proc/nowhere"}, b"no snapshot can be kept"),
        ({"hints": {"executable": [1, 2]}}, b"under another interpreter"),
        ({"mode": "recorded", "record": {}}, b"the record on standard input is damaged"),
    ],
)
def test_a_tracer_that_fails_ends_the_copy(
    interpreter: str,
    tmp_path: Path,
    copy: subprocess.Popen[bytes],
    changes: dict[str, Any],
    said: bytes,
) -> None:
    """Whatever it could not do, it leaves no copy behind."""
    done = subprocess.run(
        [interpreter, "-I", "-S", PROGRAM],
        input=request(tmp_path, copy.pid, **changes),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert copy.wait(timeout=10) == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_tracer_that_is_told_to_end_ends_the_copy(
    copy: subprocess.Popen[bytes], number: int
) -> None:
    """Also where the program has ended before it, so that nobody else would; as told, it ends."""
    command = [sys.executable, "-I", "-S", "-c", WAITING, REPOSITORY, str(copy.pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout is not None
        tracer.stdout.readline()
        tracer.send_signal(number)
        assert tracer.wait(timeout=10) == -number
    assert copy.wait(timeout=10) == -signal.SIGKILL
