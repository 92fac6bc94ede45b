"""Memory and requests that make no sense in places: there is a snapshot in time, or a reason.

``BCD_TEST_DAMAGES`` says how many are read of each kind under each Python; 25 make 1,000 in all.
"""

from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bcd.snapshot.limits import DEFAULTS
from tests.process.conftest import CLOSED, DAMAGES
from tests.process.damages import LONGEST_S, exception_of
from tests.pythons import REPOSITORY

TARGET = REPOSITORY / "tests" / "targets" / "reading" / "standing.py"
DAMAGED = REPOSITORY / "tests" / "targets" / "faults" / "damaged.py"
NUMBER = int(os.environ.get("BCD_TEST_DAMAGES", "20"))
WORDS = ("words-0.0003", "words-0.003", "words-0.03")
PAGES = ("pages-0.01", "pages-0.1")
MOST_MEMORY = 256  # MiB
WRITING_S = 1.0
"""Processor time for what comes before and after the reading, at the most."""

Read = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def read_damaged(
    interpreter: str,
    version: str,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Read:
    """What came of each reading of a kind; every snapshot is valid, in time, and small enough."""

    @functools.cache
    def read(kind: str) -> list[dict[str, Any]]:
        folder = tmp_path_factory.mktemp("damaged") / "kept"
        run = subprocess.run(
            [interpreter, DAMAGED, kind, "0", str(NUMBER), folder], capture_output=True, check=False
        )
        assert run.returncode == 0, run.stderr.decode()
        found = [json.loads(line) for line in run.stdout.splitlines()]
        assert [one["seed"] for one in found] == list(range(NUMBER))
        pytestconfig.stash[DAMAGES].add(version, kind, found)
        return found

    def checked(kind: str) -> list[dict[str, Any]]:
        found = read(kind)
        for one in found:
            assert "fault" not in one, one["fault"]
            assert one["peak"] < MOST_MEMORY
            assert one["cpu"] < LONGEST_S + WRITING_S
            if "refused" not in one:
                CLOSED.validate(one["document"])
        return found

    return checked


@pytest.mark.parametrize("kind", [*WORDS, *PAGES, "heads"])
def test_there_is_always_a_snapshot(read_damaged: Read, kind: str) -> None:
    """The exception is kept, unless the words were hit that say that it is one.

    None is refused for its damage, save where whole pages leave no type of the interpreter.
    """
    found = read_damaged(kind)
    taken = [one for one in found if "refused" not in one]
    assert len(taken) == len(found) or kind == "pages-0.1"
    assert len(taken) > len(found) * 3 // 4
    for one in taken:
        assert one["hit"] or exception_of(one) == "LookupError", one["seed"]
    assert any(not one["hit"] for one in taken), "some have to be put to the test"


@pytest.mark.parametrize("kind", [WORDS[0], WORDS[1], "heads"])
def test_the_rest_survives(read_damaged: Read, kind: str) -> None:
    """One damaged thread, frame, task or list does not cost the others."""
    documents = [one["document"] for one in read_damaged(kind)]
    frames = [len(document["exception"]["list"][0]["frames"]) for document in documents]
    threads = [sum(bool(each["frames"]) for each in document["threads"]) for document in documents]
    assert sum(frames) > 22 * len(documents) * (0.3 if kind == WORDS[1] else 0.6)
    assert sum(threads) > 2 * len(documents)
    if kind == WORDS[0]:
        assert sum(len(document["tasks"]) for document in documents) > 6 * len(documents)


def test_what_is_missing_is_said(read_damaged: Read) -> None:
    """A snapshot that lacks threads says what could not be read."""
    for one in read_damaged("heads"):
        document = one["document"]
        if len(document["threads"]) < 5:
            assert any("/proc/" not in note for note in document["notes"]), one["seed"]


def test_hints(read_damaged: Read) -> None:
    """With another address for the error the rest is kept; with one for ``int`` nothing is guessed.

    The process that is asked for its maps is another one here. Where that one's interpreter is
    elsewhere, the reading is refused.
    """
    found = read_damaged("hints")
    for one in found:
        if "refused" in one:
            assert "was not recognised" in one["refused"]
        else:
            assert len(one["document"]["threads"]) == 5, one["seed"]
            assert len(one["document"]["tasks"]) == 21
    assert any("refused" not in one for one in found)


def test_requests(read_damaged: Read) -> None:
    """A request with damaged bytes is refused in words, or what it still says is done."""
    for one in read_damaged("request"):
        if "refused" in one:
            assert one["refused"]
        else:
            assert one["hit"] or exception_of(one) == "LookupError", one["seed"]


def test_a_distance_that_is_wrong_is_looked_up(interpreter: str, tmp_path: Path) -> None:
    """Of a process that is there, the maps give what a damaged hint does not."""
    with subprocess.Popen(
        [interpreter, TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        with Path(f"/proc/{said['pid']}/mem").open("rb") as memory:
            request = {
                "version": 1,
                "arguments": [],
                "output": str(tmp_path / "kept"),
                "pid": said["pid"],
                "mode": "frozen",
                "memory": memory.fileno(),
                "started": time.monotonic(),
                "hints": {**said["hints"], "int": said["hints"]["int"] + 4096},
            }
            program = REPOSITORY / "bcd" / "ptrace" / "__main__.py"
            run = subprocess.run(
                [interpreter, "-I", "-S", program],
                input=json.dumps(request).encode() + b"\n{}\n",
                pass_fds=[memory.fileno()],
                capture_output=True,
                check=False,
            )
        process.communicate(b"\n")
    assert run.stderr == b""
    document = json.loads(Path(run.stdout.decode().strip()).read_bytes())
    CLOSED.validate(document)
    assert document["exception"]["list"][0]["type"] == "LookupError"


class TestKilled:
    def test_at_any_moment_leaves_nothing_half_written(self, tmp_path: Path) -> None:
        """A tracer that is killed leaves no file that is listed, or a whole one."""
        folder, whole = tmp_path / "kept", 0
        program = REPOSITORY / "bcd" / "ptrace" / "__main__.py"
        with subprocess.Popen(
            [sys.executable, TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            by_hand = ["--faulted", str(said["pid"]), "--output", folder]
            argv = [sys.executable, "-I", "-S", program, *by_hand]
            began = time.monotonic()
            subprocess.run(argv, check=True, capture_output=True)
            usual = time.monotonic() - began
            dice = random.Random(1)  # noqa: S311 - likewise
            for _ in range(60):
                tracer = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                with tracer:
                    try:
                        tracer.wait(dice.uniform(0.3, 1.2) * usual)
                    except subprocess.TimeoutExpired:
                        tracer.kill()
                    else:
                        whole += 1
            process.communicate(b"\n")
        listed = list(folder.glob("*.bcd.json*"))
        kept = min(whole + 1, DEFAULTS["alike"])
        assert len(listed) >= kept, "the one before, and each that ran to its end"
        for path in listed:
            CLOSED.validate(json.loads(path.read_bytes()))
        hidden = set(folder.iterdir()) - set(listed)
        assert all(path.name.startswith(".") and path.name.endswith(".tmp") for path in hidden)
        assert whole < 60, "some have to be killed"
