"""The tracer or its program is killed, reading does not end, memory is short: nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import CLOSED, REPOSITORY, load

FAULTS = REPOSITORY / "tests" / "targets" / "faults"
MOST_MEMORY = 256  # MiB
PATIENCE = 20.0  # seconds


def run(interpreter: str, name: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Run one of the programs beside which bcd is to be imported."""
    return subprocess.run(
        [interpreter, FAULTS / name, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=60,
        check=False,
    )


def is_there(pid: int) -> bool:
    """Whether a process runs, or is a zombie that nobody reaps."""
    try:
        return b"\nState:\tZ" not in Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return False


def test_a_tracer_that_is_killed(interpreter: str, tmp_path: Path) -> None:
    """Whenever it is killed, no copy stays, the slot is free, and the program goes on.

    What the program left behind is looked at after each of 10 kills, under each Python.
    """
    folder = tmp_path / "kept"
    done = run(interpreter, "killed_tracer.py", folder, 1, 10)
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said["others"] == []
    assert said["killed"] >= 2
    assert said["killed"] + said["whole"] == 10
    files = sorted(path.name for path in folder.iterdir())
    for name in files:
        if not name.startswith("."):
            load(folder / name)
    for half in folder.glob(".*"):
        os.utime(half, (time.time() - 60,) * 2)
    run(interpreter, "killed_tracer.py", folder, 2, 0).check_returncode()
    assert list(folder.glob(".*")) == [], "the next one removes what the dead have left"


def test_a_program_that_is_killed_while_it_is_read(interpreter: str, tmp_path: Path) -> None:
    """The frozen copy outlives its program until it is read: the snapshot is whole; none stays."""
    folder = tmp_path / "kept"
    done = run(interpreter, "big_frozen.py", folder)
    assert done.returncode == -9
    processes = [int(pid) for pid in done.stdout.split()]
    assert len(processes) == 2, "the copy and the tracer"
    ends = time.monotonic() + PATIENCE
    while any(map(is_there, processes)) and time.monotonic() < ends:
        time.sleep(0.005)
    assert not any(map(is_there, processes))
    (path,) = folder.iterdir()
    error = load(path)["exception"]["list"][0]
    assert len(error["frames"]) == 52
    assert all(frame["locals"] for frame in error["frames"][1:])


@pytest.mark.parametrize("kind", ["strings", "containers", "values", "beyond", "threads", "tasks"])
def test_memory(kind: str, tmp_path: Path) -> None:
    """Whatever a program holds, its tracer takes less than 256 MiB, and there is a snapshot."""
    done = run(sys.executable, "hostile.py", tmp_path / "kept", kind)
    assert done.returncode == 0, done.stderr.decode()
    said: dict[str, Any] = json.loads(done.stdout)
    assert 0 < said["peak"] < MOST_MEMORY
    document = load(said["path"])
    assert kind == "tasks" or document["exception"]["list"][0]["type"] == "LookupError"
    assert document["truncated"] != []


def test_a_reading_that_does_not_end(interpreter: str, tmp_path: Path) -> None:
    """A loop that looks at no clock is interrupted, and the rest is read."""
    done = run(interpreter, "endless.py", tmp_path / "kept", 0)
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(Path(done.stdout.decode().strip()).read_bytes())
    CLOSED.validate(document)
    assert "exception: the time for reading was over" in document["truncated"]


def test_a_reading_that_cannot_be_interrupted(interpreter: str, tmp_path: Path) -> None:
    """One that goes on all the same is ended; no file stays."""
    done = run(interpreter, "endless.py", tmp_path / "kept", 1)
    assert done.returncode == -14
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_reading_that_a_busy_machine_keeps_waiting(interpreter: str, tmp_path: Path) -> None:
    """On a frozen copy, only the time that the tracer runs is taken off its time."""
    done = run(interpreter, "starved.py", tmp_path / "kept")
    assert done.returncode == 0, done.stderr.decode()
    document = load(done.stdout.decode().strip())
    assert document["truncated"] == []
    (thread,) = document["threads"]
    assert {variable["name"] for variable in thread["frames"][-1]["locals"]} >= {"kept"}
