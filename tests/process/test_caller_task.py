"""Which asyncio task is to blame ("Beyond Go": ``add_caller_task``)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from bcd.report.text import plain
from bcd.snapshot import from_dict
from tests.process.conftest import REPOSITORY, load

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = REPOSITORY / "tests" / "targets" / "awaiting" / "caller.py"


def snapshot_of(interpreter: str, folder: Path, way: str) -> dict[str, Any]:
    """Let the program trace itself, and read its one snapshot."""
    done = subprocess.run(
        [interpreter, PROGRAM, folder, way],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (path,) = folder.glob("[!.]*.bcd.json*")
    return load(path)


@pytest.mark.parametrize(
    "way",
    ["trace", "detached", "atrace", "atrace in its turn", "recover", "async recover", "asgi"],
)
def test_the_failing_task_is_marked(interpreter: str, tmp_path: Path, way: str) -> None:
    """It and no other, first in the document and in the report."""
    snapshot = snapshot_of(interpreter, tmp_path / "kept", way)

    tasks = [(task["name"], task.get("faulted")) for task in snapshot["tasks"]]
    assert len(tasks) == 10
    assert tasks[0] == ("request", True)
    assert {mark for _, mark in tasks[1:]} == {None}
    (line,) = [line for line in plain(from_dict(snapshot)).splitlines() if "this task" in line]
    assert line.split(" · ")[0].endswith("request")
    assert line.endswith("this task failed")


@pytest.mark.parametrize("way", ["not faulted", "another thread", "on behalf of another thread"])
def test_no_task_is_marked(interpreter: str, tmp_path: Path, way: str) -> None:
    """Where nobody is to blame, or a thread that runs no task."""
    snapshot = snapshot_of(interpreter, tmp_path / "kept", way)

    assert len(snapshot["tasks"]) == 10
    assert not [task for task in snapshot["tasks"] if "faulted" in task]


def test_no_limit_leaves_it_out(interpreter: str, tmp_path: Path) -> None:
    """It is read before all others, with its variables."""
    snapshot = snapshot_of(interpreter, tmp_path / "kept", "many tasks")

    first, *others = snapshot["tasks"]
    assert (first["name"], first["faulted"], len(others)) == ("request", True, 2)
    assert any(frame["locals"] for frame in first["frames"])
