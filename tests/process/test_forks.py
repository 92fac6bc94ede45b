"""Forks at any moment (rules 1 and 24; traps 1 and 2): no deadlock, right pid, no double report."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.conftest import REPOSITORY, load

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = REPOSITORY / "tests" / "targets" / "forks" / "program.py"
METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])


def run(interpreter: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """What the program reports; it says nothing else unless told."""
    done = subprocess.run(
        [interpreter, "-W", "ignore", PROGRAM, folder, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    report["said"] = done.stderr.decode()
    return report


def test_200_forks_while_4_threads_trace(interpreter: str, tmp_path: Path) -> None:
    """Each child traces at once, as itself, and keeps nothing of the parent open (rule 24)."""
    report = run(interpreter, tmp_path, "crowd")

    assert report == {"failed": [], "left": 0, "children": [], "said": ""}


def test_a_fork_during_a_trace(interpreter: str, tmp_path: Path) -> None:
    """The child's slot is free, and the parent's tracer is not the child's (rule 24)."""
    report = run(interpreter, tmp_path, "during a trace")

    assert report == {"failed": [], "children": [], "said": ""}


def test_a_fork_during_a_freeze(interpreter: str, tmp_path: Path) -> None:
    """The memory of the parent's copy is not open in the child (rule 24)."""
    report = run(interpreter, tmp_path, "during a freeze")

    assert report == {"failed": [], "held": 1, "children": [], "said": ""}


def test_a_fork_during_the_rate_limit(interpreter: str, tmp_path: Path) -> None:
    """With a waiter in the queue, who is not in the child (rule 24)."""
    report = run(interpreter, tmp_path, "during the limit")

    assert report == {"failed": [], "said": ""}


def test_at_fork_handlers_in_any_order(interpreter: str, tmp_path: Path) -> None:
    """One that stands before those of bcd may trace, whoever held a lock in the parent (trap 1)."""
    report = run(interpreter, tmp_path, "handlers in any order")

    assert (report["failed"], report["forked"]) == ([], 1)
    assert report["said"] == "trace failed: the tracer '/bin/sh' exited with status 7\n"


def test_a_fork_by_the_thread_that_holds_the_lock(interpreter: str, tmp_path: Path) -> None:
    """The child gives up a lock that nobody needs any more (trap 1)."""
    report = run(interpreter, tmp_path, "in the thread with the lock")

    assert report == {"failed": [], "said": ""}


def test_the_parents_detached_trace_is_not_the_childs(interpreter: str, tmp_path: Path) -> None:
    """The child neither waits for it nor logs it (rule 24)."""
    report = run(interpreter, tmp_path, "detached in the parent")

    assert (report["failed"], report["flushed"]) == ([], True)
    assert report["said"] == "trace failed: the tracer '/bin/sh' exited with status 3\n"


@pytest.mark.parametrize(
    ("way", "raised", "method"),
    [
        ("workers", 6, "fork"),
        ("workers", 6, "spawn"),
        ("workers", 6, "forkserver"),
        ("workers, detached", 0, "fork"),
    ],
)
def test_workers_that_end_after_each_task(
    interpreter: str, tmp_path: Path, way: str, raised: int, method: str
) -> None:
    """Each error has exactly one snapshot, of the process that it came up in (trap 2)."""
    report = run(interpreter, tmp_path, way, method)

    assert report == {"raised": raised, "said": ""}
    snapshots = [load(path) for path in (tmp_path / "kept").glob("[!.]*.bcd.json*")]
    messages = sorted(each["exception"]["list"][0]["message"] for each in snapshots)
    pids = [each["process"]["pid"] for each in snapshots]
    assert sorted(pids) == sorted(int(message.split()[-1]) for message in messages)
    assert [message.split()[1] for message in messages] == list("012345")
    assert len(set(pids)) == 6


@METHODS
def test_the_end_of_a_worker_waits_for_its_trace(
    interpreter: str, tmp_path: Path, method: str
) -> None:
    """Also where it ends without ``atexit`` (trap 2)."""
    report = run(interpreter, tmp_path, "last wait", method)

    assert report == {"done": True, "status": 0, "said": ""}
