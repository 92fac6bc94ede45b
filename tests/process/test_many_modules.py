"""Programs with thousands of modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.process.conftest import Traced


def test_the_last_of_many_modules_is_found(run_target: Callable[..., list[Traced]]) -> None:
    """The tasks' register and the threads' names are found behind 6,000 other modules."""
    (traced,) = run_target("many_modules.py")

    assert traced.truth > 6000, "asyncio has to come after the crowd"
    assert [task["name"] for task in traced.snapshot["tasks"]] == ["the one task"]
    assert traced.snapshot["threads"][0]["name"] == "MainThread"
