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
    assert len(one.snapshot["notes"]) == {"3.11": 2, "3.12": 1}.get(version, 0)
    return one


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
