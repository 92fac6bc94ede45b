"""Snapshots equal what ``traceback``, ``inspect``, ``threading`` and ``asyncio`` say, in all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.process.programs import TREES, programs

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    from tests.process.agreement import Agreement

    Run = Callable[..., list[Traced]]


WAYS_TO_RUN: dict[str, dict[str, Any]] = {
    "as usual": {},
    "optimized": {"options": ("-O",)},
    "without docstrings": {"options": ("-OO",)},
    "without columns": {"options": ("-X", "no_debug_ranges")},
    "for development": {"options": ("-X", "dev", "-W", "ignore")},
    "with tracemalloc": {"options": ("-X", "tracemalloc=5")},
    "without frozen modules": {"options": ("-X", "frozen_modules=off")},
    "with the C library's memory": {"variables": ("PYTHONMALLOC=malloc",)},
    "with a compiler for hot code": {"variables": ("PYTHON_JIT=1",)},
}
WAYS_TO_WATCH = ("settrace", "setprofile", "monitoring", "coverage")


class TestScopes:
    @pytest.mark.parametrize("way", WAYS_TO_RUN)
    def test_every_scope(
        self, run_target: Run, agreement: Agreement, libraries: str, way: str
    ) -> None:
        """Frames, variables and sources of functions, bodies and made-up code are as they are."""
        (traced,) = run_target("scopes.py", libraries=libraries, **WAYS_TO_RUN[way])
        check_exceptions(traced, agreement)

    @pytest.mark.parametrize("way", WAYS_TO_WATCH)
    def test_while_the_program_is_watched(
        self, run_target: Run, agreement: Agreement, libraries: str, way: str
    ) -> None:
        """Code that is instrumented for a debugger, a profiler or coverage is read as ever."""
        (traced,) = run_target("scopes.py", way, libraries=libraries)
        check_exceptions(traced, agreement)


def check_exceptions(traced: Traced, agreement: Agreement) -> None:
    """Compare all exceptions of a snapshot that leaves out nothing."""
    agreement.exceptions(traced.truth, traced.snapshot)
    agreement.complete(traced.snapshot)
    assert agreement.differences == []


class TestThreads:
    @pytest.mark.parametrize("way", ["nothing", "settrace", "monitoring"])
    def test_of_all_kinds(self, run_target: Run, agreement: Agreement, way: str) -> None:
        """Threads of any maker, name and number, and all frames that they stand in, are shown."""
        (traced,) = run_target("crew.py", way)
        assert len(traced.truth["threads"]) > 60
        assert sum(thread["handling"] is not None for thread in traced.truth["threads"]) == 5
        agreement.whole(traced.truth, traced.snapshot)
        agreement.complete(traced.snapshot)
        assert agreement.differences == []

    def test_bodies_with_a_comprehension(self, run_target: Run, version: str) -> None:
        """A comprehension within a body hides the body's variables of the same name, from 3.12 on.

        The process itself shows either these or the others, but never all.
        """
        (traced,) = run_target("crew.py", "nothing")
        frames = [frame for thread in traced.snapshot["threads"] for frame in thread["frames"]]
        item = "'hidden by the comprehension'" if version == "3.11" else "1"
        (body,) = [f for f in frames if f["function"] == "in_class_body.<locals>.Body"]
        held = {v["name"]: v["value"] for v in body["locals"] if not v["name"].startswith("__")}
        assert held == {"outer": "'free'", "own": "'free'", "item": item}
        (module,) = [f for f in frames if f["file"] == "<a module>" and f["function"] == "<module>"]
        held = {v["name"]: v["value"] for v in module["locals"]}
        assert held.pop("stand").startswith("<function stand")
        assert held == {"value": "[1]", "item": "'hidden'" if version == "3.11" else "1"}


class TestTasks:
    @pytest.mark.parametrize("loop", ["asyncio", "python", "debug", "eager", "uvloop"])
    def test_on_all_loops(
        self, run_target: Run, agreement: Agreement, version: str, libraries: str, loop: str
    ) -> None:
        """Tasks of asyncio and anyio, on one loop and on others, and all that they stand in."""
        if loop == "eager" and version == "3.11":
            pytest.skip("eager tasks came with Python 3.12")
        (traced,) = run_target("loops.py", loop, libraries=libraries)
        assert len(traced.truth["tasks"]) > 40
        assert sum(bool(task.get("handling")) for task in traced.truth["tasks"]) >= 6
        agreement.whole(traced.truth, traced.snapshot)
        agreement.complete(traced.snapshot)
        assert agreement.differences == []


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a program that failed
class TestGeneratedPrograms:
    @settings(
        max_examples=5,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(sources=st.lists(programs(), min_size=12, max_size=16))
    def test_any_program(self, run_target: Run, agreement: Agreement, sources: list[str]) -> None:
        """Functions, generators, coroutines, classes and blocks in any nesting are as they are."""
        for traced in run_target("generated.py", stdin=json.dumps(sources)):
            agreement.whole(traced.truth, traced.snapshot)
            agreement.complete(traced.snapshot)
        assert agreement.differences == []


class TestGeneratedTasks:
    @settings(
        max_examples=4,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(trees=st.lists(TREES, min_size=20, max_size=30))
    def test_any_tree(self, run_target: Run, agreement: Agreement, trees: list[object]) -> None:
        """Who waits for whom, in any nesting of all ways to wait, and where each task stands."""
        (traced,) = run_target("trees.py", stdin=json.dumps(trees))
        assert len(traced.truth["tasks"]) >= len(trees)
        agreement.whole(traced.truth, traced.snapshot)
        agreement.complete(traced.snapshot)
        assert agreement.differences == []
