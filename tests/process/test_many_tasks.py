"""Processes with thousands of asyncio tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]


def test_none_is_lost_below_the_limit(run_target: Run) -> None:
    """1,999 tasks and the running one are all there, and nothing is said of a limit on them."""
    (one,) = run_target("many_tasks.py", "1999")
    assert sorted(task["id"] for task in one.snapshot["tasks"]) == one.truth
    assert [
        line for line in one.snapshot["truncated"] if "kept" in line or "register" in line
    ] == []


def test_the_limit_is_told(run_target: Run) -> None:
    """Of 2,500 tasks 2,000 are shown, and the snapshot says that there are more."""
    (one,) = run_target("many_tasks.py", "2500")
    assert len({task["id"] for task in one.snapshot["tasks"]}) == 2000
    assert "more than 2,000 tasks, 2,000 kept" in one.snapshot["truncated"]
