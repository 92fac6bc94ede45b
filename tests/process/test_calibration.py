"""The layout of an interpreter is learnt the same, whatever else goes on in the process."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.pythons import REPOSITORY

TARGET = REPOSITORY / "tests" / "targets" / "reading" / "calibrating.py"
WAYS = (
    "threads that wait",
    "threads that compute",
    "threads that start others",
    "threads that allocate",
    "threads that raise",
    "threads beside new interpreters",
    "another thread",
    "handled exceptions",
    "a generator",
    "a class body",
    "a finalizer",
    "a deep stack",
    "a running loop",
    "a loop that has ended",
    "a loop in another thread",
    "greenlets",
    "interpreters",
    "a short switch interval",
    "a long switch interval",
    "garbage collection",
    "tracemalloc",
    "settrace",
    "setprofile",
    "monitoring",
    "coverage",
    "a forked child",
    "a context",
)


@pytest.mark.parametrize("way", WAYS)
def test_whatever_goes_on(interpreter: str, libraries: str, way: str) -> None:
    """Nothing is refused, nothing is found elsewhere, and the running loop and task stay."""
    done = subprocess.run(
        [interpreter, "-W", "ignore", TARGET, way],
        env={"PYTHONPATH": f"{REPOSITORY}:{libraries}"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert json.loads(done.stdout) == []
