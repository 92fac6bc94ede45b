"""Programs of greenlets: whoever waits for a tracer leaves the thread to the others (trap 15)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bcd import _greenlets
from tests.leftovers import end_session
from tests.libraries import need
from tests.process.conftest import REPOSITORY, load

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = REPOSITORY / "tests" / "targets" / "greenlets" / "program.py"
DONE = {"error": "NoneType", "said": "None", "stdout": "go\n", "status": 0}


@pytest.fixture(params=["gevent", "eventlet"])
def library(request: pytest.FixtureRequest) -> str:
    """One library after the other."""
    return need(request.param)


@pytest.fixture(params=["before", "after"])
def when(request: pytest.FixtureRequest) -> str:
    """Whether the program is monkey-patched before or after bcd is imported."""
    return str(request.param)


def run(library: str, when: str, scenario: str, folder: Path) -> Any:
    """What the program told; it has to end by itself, and to leave nothing behind."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", PROGRAM, library, when, scenario, folder],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as program:
        try:
            told, complaints = program.communicate(timeout=60)
        finally:
            left = end_session(program.pid)
    assert program.returncode == 0, complaints.decode()
    for trouble in (b"[bcd]", b"LoopExit", b"Exception ignored"):
        assert trouble not in complaints, complaints.decode()
    assert not left
    return json.loads(told)


def test_waiting_leaves_the_thread(library: str, when: str, tmp_path: Path) -> None:
    """The tracer ends when another greenlet of the thread lets it."""
    assert run(library, when, "waited_for", tmp_path) == {**DONE, "limitation": None}


def test_recover_leaves_the_thread(library: str, when: str, tmp_path: Path) -> None:
    """The same where ``recover`` waits; the error goes on (rule 25)."""
    told = run(library, when, "recovered", tmp_path)
    assert told == {"raised": "no such card", "queue": 0}


def test_flushing_leaves_the_thread(library: str, when: str, tmp_path: Path) -> None:
    """A detached trace ends, and who waits for that leaves the thread to the others."""
    told = run(library, when, "in_background", tmp_path)
    assert (told["error"], told["flushed"], told["queue"]) == ("NoneType", True, 0)


def test_detached_trace_needs_no_turn(library: str, when: str, tmp_path: Path) -> None:
    """It ends in a thread of its own, also while a greenlet computes and never yields."""
    assert run(library, when, "without_turns", tmp_path)["error"] == "NoneType"


def test_greenlets_wait_for_each_other(library: str, when: str, tmp_path: Path) -> None:
    """Two of a thread that trace at once are served one after the other (rule 20)."""
    assert run(library, when, "together", tmp_path) == [DONE, DONE]


def test_rate_limit_leaves_the_thread(library: str, when: str, tmp_path: Path) -> None:
    """A greenlet that waits for the slot in vain lets the others run (rule 16)."""
    told = run(library, when, "limited", tmp_path)
    assert (told["first"]["error"], told["first"]["status"]) == ("ExitError", 3)
    assert told["second"]["error"] == "SlotTimeout"
    assert told["turns"] > 10  # of hundreds


def test_hub_waits_for_no_greenlet(library: str, when: str, tmp_path: Path) -> None:
    """A trace in a callback of the hub is refused while a greenlet of it has the slot."""
    told = run(library, when, "in_hub", tmp_path)
    assert told["hub"]["error"] == "Busy"
    assert told["waiting"] == DONE


def test_real_thread_waits_as_ever(library: str, when: str, tmp_path: Path) -> None:
    """A thread of the library's pool waits by itself, and no hub is made for it."""
    assert run(library, when, "in_pool", tmp_path) == [DONE, None, None]


def test_upload_leaves_the_thread(library: str, when: str, tmp_path: Path) -> None:
    """The server that takes it may be a greenlet of the same thread."""
    assert run(library, when, "uploads", tmp_path) == [3]


def test_killed_greenlet_takes_its_tracer_along(library: str, when: str, tmp_path: Path) -> None:
    """Neither slot nor process is left of one that is killed while it waits."""
    assert run(library, when, "killed", tmp_path) == {"queue": 0, "children": []}


def test_time_out(library: str, when: str, tmp_path: Path) -> None:
    """A tracer that takes too long is killed and reaped (rule 17)."""
    told = run(library, when, "too_long", tmp_path)
    assert (told["error"], told["children"]) == ("ExecutionTimeout", [])


def test_tracer_that_the_library_reaps(library: str, when: str, tmp_path: Path) -> None:
    """The child watchers of gevent take every status: it is unknown then, and no error."""
    told = run(library, when, "with_child_watchers", tmp_path)
    ends = {(each["error"], each["stdout"], each["status"]) for each in told["results"]}
    assert ends <= {("NoneType", "done\n", None), ("ExitError", "done\n", 3)}
    assert told["children"] == []


@pytest.mark.parametrize("moment", ["before", "after", "never"])
def test_snapshot_of_an_error_in_a_greenlet(library: str, moment: str, tmp_path: Path) -> None:
    """The error, its frames and the thread in which it came up are right."""
    told = run(library, moment, "snapshot", tmp_path)
    snapshot = load(told["stdout"].rstrip())
    error = snapshot["exception"]["list"][snapshot["exception"]["root"]]
    functions = [frame["function"].rpartition(".")[2] for frame in error["frames"]]
    assert functions == ["works", *["fails"] * 4]
    (faulted,) = (thread for thread in snapshot["threads"] if thread["faulted"])
    assert faulted["tid"] == told["thread"]
    assert faulted["frames"][-1]["function"].endswith("works")


def test_greenlets_of_an_unpatched_program(library: str, tmp_path: Path) -> None:
    """There a wait holds the thread, which is said; the time-out ends it."""
    told = run(library, "never", "waited_for", tmp_path)
    assert told["error"] == "ExecutionTimeout"
    assert told["limitation"] == (
        f"{library} runs here, but time.sleep was not monkey-patched: "
        "whoever waits for a tracer holds all greenlets of the thread"
    )


def test_set_up(library: str, tmp_path: Path) -> None:
    """``init`` says in one line what does not work, and nothing where all is well."""
    assert run(library, "before", "set_up", tmp_path / "patched") == ""
    (line,) = run(library, "never", "set_up", tmp_path / "unpatched").splitlines()
    assert f"{library} runs here, but time.sleep was not monkey-patched" in line


def test_detached_trace_of_an_unpatched_program(library: str, tmp_path: Path) -> None:
    """It holds nobody there either."""
    told = run(library, "never", "in_background", tmp_path)
    assert (told["error"], told["flushed"], told["queue"]) == ("NoneType", True, 0)


def test_no_greenlets_no_limitation() -> None:
    """A program of threads is told nothing."""
    assert _greenlets.limitation() is None


def test_hub_that_cannot_be_found(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of the library that keeps its hub elsewhere: waits hold the thread, as is said."""

    def sleep(_: float) -> None:
        """Stand in for the library's."""

    sleep.__module__ = f"{library}.hub"
    monkeypatch.setattr("time.sleep", sleep)
    for name in ("gevent._hub_local", "eventlet.hubs"):
        monkeypatch.setitem(sys.modules, name, None)
    assert _greenlets.current() is None
    said = _greenlets.limitation()
    assert said is not None
    assert said.startswith(f"{library} runs here, but bcd cannot find its hub: ")
