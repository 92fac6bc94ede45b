"""Awaited traces on every event loop that is known ("Beyond Go"; trap 9), through AnyIO."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.process.conftest import REPOSITORY

PROGRAM = REPOSITORY / "tests" / "targets" / "awaiting" / "loops.py"


@pytest.mark.parametrize("kind", ["live", "frozen"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_traces_are_awaited(interpreter: str, libraries: str, loop: str, kind: str) -> None:
    """The loop goes on, whoever waits for what; a cancelled await loses no trace."""
    done = subprocess.run(
        [interpreter, "-W", "ignore", PROGRAM, loop, kind],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{REPOSITORY}:{libraries}"},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert json.loads(done.stdout) == {
        "result": [3, "path\n", "ExitError"],
        "loop_goes_on": "done\n",
        "loop_goes_on_before_its_turn": "path\n",
        "detached": [True, True, True, True],
        "cancelled": [True, True, True, 1],
        "recovered": True,
        "hooked": [[], ["boom"], True],
    }
