"""Processes of several interpreters: the threads and tasks of each are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]


@pytest.fixture
def traced(run_target: Run, version: str) -> Traced:
    """The main interpreter traced; one shares its GIL, from 3.12 on another has its own."""
    (one,) = run_target("interpreters.py")
    notes = [note for note in one.snapshot["notes"] if "beside the main one" not in note]
    assert notes == []
    assert len(one.snapshot["notes"]) == len(SHARED.get(version, ()))
    return one


SHARED = {
    "3.11": ("the thread that made them", "share asyncio's register"),
    "3.12": ("the thread that made them",),
}
"""Version → of what a note says that interpreters have it in common."""


def functions(thread: dict[str, Any]) -> list[str]:
    """What a thread stands in, innermost last."""
    return [frame["function"] for frame in thread["frames"]]


class TestInterpreters:
    def test_threads_of_all(self, traced: Traced, version: str) -> None:
        """A thread that runs another interpreter's code is listed for both, with its frames.

        Before 3.13 an interpreter keeps the tid of the thread that made it.
        """
        shared, own = traced.truth["ids"]
        tids = traced.truth["tids"]
        shown = {
            (thread.get("interpreter", 0), thread["tid"]): functions(thread)
            for thread in traced.snapshot["threads"]
        }
        assert shown[0, tids["shared"]][-1] == shown[0, tids["own"]][-1] == "runs"
        assert min(f for (number, _), f in shown.items() if number == shared) == [
            "<module>",
            "waits_in_interpreter",
        ]
        if version not in ("3.11", "3.12"):
            assert shown[shared, tids["shared"]] == ["<module>", "waits_in_interpreter"]
            assert "run" in shown[own, tids["own"]]

    def test_names_and_waits(self, traced: Traced) -> None:
        """Each interpreter's ``threading`` names its threads; what they wait for is read too."""
        shared, own = traced.truth["ids"]
        of = {number: [] for number in (0, shared, own)}  # type: dict[int, list[dict[str, Any]]]
        for thread in traced.snapshot["threads"]:
            of[thread.get("interpreter", 0)].append(thread)
        assert "inner" in [thread["name"] for thread in of[shared]]
        assert {thread["waiting_for"] for thread in of[shared]} == {traced.truth["data"]}
        assert of[own][0]["waiting_for"].startswith("events of its event loop")

    def test_one_is_faulted_and_has_the_gil(self, traced: Traced) -> None:
        """The main thread in the main interpreter, and it stands first."""
        first, *others = traced.snapshot["threads"]
        assert (first["faulted"], first["gil"], first.get("interpreter")) == (True, True, None)
        assert not any(thread["faulted"] or thread["gil"] for thread in others)

    def test_tasks_of_all(self, traced: Traced, version: str) -> None:
        """The tasks of an event loop in another interpreter say which one, from 3.12 on."""
        (task,) = [t for t in traced.snapshot["tasks"] if t["name"] == "task of another"]
        assert task.get("interpreter") == (None if version == "3.11" else traced.truth["ids"][1])
        assert functions(task)[0] == "stands_in_task"
        assert task["waiting_for"].endswith("to be set")


class TestNotes:
    def test_what_earlier_versions_do_not_keep_apart(self, traced: Traced, version: str) -> None:
        """A note each; from 3.13 on there is none."""
        shared = SHARED.get(version, ())
        for note, words in zip(traced.snapshot["notes"], shared, strict=True):
            assert note.startswith("interpreters beside the main one: ")
            assert words in note

    def test_one_that_runs_with_a_gil_of_its_own(self, run_target: Run, version: str) -> None:
        """It ran while the process was copied, which is said; one that shares the GIL stood."""
        if version == "3.11":
            pytest.skip("interpreters have GILs of their own from Python 3.12 on")
        (one,) = run_target("interpreters.py", "busy")
        shared, own = one.truth["ids"]
        said = f"interpreter {own} has a GIL of its own and ran while the process was copied"
        notes = [note for note in one.snapshot["notes"] if "GIL" in note]
        assert [note.partition(":")[0] for note in notes] == [said]
        busy = [t for t in one.snapshot["threads"] if t.get("interpreter") == own]
        assert [thread["gil"] for thread in busy] == [True]
        assert shared in [thread.get("interpreter") for thread in one.snapshot["threads"]]
