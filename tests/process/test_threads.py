"""All threads of a frozen process: where each one stands, its name, and who has the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]

PLACE = ("function", "file", "line", "end_line", "column", "end_column")


def outline(thread: dict[str, Any]) -> dict[str, Any]:
    """What the truth and the snapshot have in common."""
    frames = [
        {
            "place": [frame[part] for part in PLACE],
            "names": [v["name"] if isinstance(v, dict) else v[0] for v in frame["locals"]],
        }
        for frame in thread["frames"]
    ]
    return {key: thread[key] for key in ("tid", "name", "daemon")} | {"frames": frames}


@pytest.fixture(params=[0, 1], ids=["from a thread", "from the main thread"])
def traced(run_target: Run, request: pytest.FixtureRequest) -> Traced:
    """The trace that another thread made, then the one that the main thread made."""
    one = run_target("threads.py")[request.param]
    assert one.snapshot["notes"] == []
    return one


class TestThreads:
    def test_stacks_equal_the_truth(self, traced: Traced) -> None:
        """Every thread has its native id, name, kind and exactly the frames that it stands in."""
        truth = {thread["tid"]: outline(thread) for thread in traced.truth}
        shown = {thread["tid"]: outline(thread) for thread in traced.snapshot["threads"]}
        assert shown == truth
        assert len(shown) >= 6

    def test_the_caller_is_faulted_and_first(self, traced: Traced) -> None:
        """The thread that traced is to blame, has the GIL, and stands first; no other does."""
        (own,) = [thread["tid"] for thread in traced.truth if thread["own"]]
        first, *others = traced.snapshot["threads"]
        assert (first["tid"], first["faulted"], first["gil"]) == (own, True, True)
        assert not any(thread["faulted"] or thread["gil"] for thread in others)

    def test_variables_of_waiting_threads(self, traced: Traced) -> None:
        """A waiting thread's variables are read too."""
        texts = {
            v["value"]
            for thread in traced.snapshot["threads"]
            for frame in thread["frames"]
            for v in frame["locals"]
            if frame["function"] == "waits_for_event" and v["name"] == "text"
        }
        assert texts == {"'thread 1'", "'thread 2'"}
