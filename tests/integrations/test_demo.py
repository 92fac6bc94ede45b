"""``make demo`` without the set-up: what it promises, and that it can fail."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcd.snapshot import decode

if TYPE_CHECKING:
    from types import ModuleType

PROJECT = Path(__file__).parents[2]
DEMO = PROJECT / "example_apps" / "demo.py"
OTHER = (PROJECT / "tests" / "samples" / "checkout.bcd.json").read_bytes()


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    """The demo as a module."""
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module  # where its data classes look for their names
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def visit(demo: ModuleType) -> Any:
    """A visit on which everything went well."""
    good = demo.Reply(201, "{}", 2.0)
    failed = demo.Reply(500, "Internal Server Error", 3.0)
    return demo.Visit(failed=failed, good=[good] * 3, slow=[good])


def run_demo(temporary: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with a folder of its own for temporary files."""
    temporary.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, DEMO],
        env={**os.environ, "TMPDIR": str(temporary), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.server
def test_demo(tmp_path: Path) -> None:
    """The demo shows the error with its variables and how long the request was held."""
    run = run_demo(tmp_path / "temporary")

    assert run.returncode == 0, run.stdout + run.stderr
    assert "$ bcd show\nstarlette_shop.NoExchangeRate: no rate for 'CHF' today\n" in run.stdout
    assert "card_token = [redacted]" in run.stdout
    assert "bcd held the failing request for" in run.stdout
    assert list((tmp_path / "temporary").iterdir()) == [], "it cleans up"


@pytest.mark.server
def test_demo_without_a_server(tmp_path: Path) -> None:
    """Where the shop cannot start, the demo fails, says what the server said, and cleans up."""
    (tmp_path / "starlette").mkdir()
    (tmp_path / "starlette" / "__init__.py").write_text("raise ImportError('no starlette here')")

    run = run_demo(tmp_path / "temporary", PYTHONPATH=str(tmp_path))

    assert run.returncode == 1
    assert "The demo failed: " in run.stdout
    assert "no starlette here" in run.stdout
    assert list((tmp_path / "temporary").iterdir()) == []


def test_replies_as_they_should_be(demo: ModuleType, visit: Any) -> None:
    """The program's own 500 and good answers are no fault."""
    assert list(demo.faults_of_replies(visit)) == []


@pytest.mark.parametrize(("status", "text"), [(200, "Internal Server Error"), (500, "bcd failed")])
def test_another_answer_is_a_fault(demo: ModuleType, visit: Any, status: int, text: str) -> None:
    """The failing request has to be answered by the program itself."""
    visit.failed = demo.Reply(status, text, 1.0)
    assert len(list(demo.faults_of_replies(visit))) == 1


def test_a_failing_neighbour_is_a_fault(demo: ModuleType, visit: Any) -> None:
    """No other request may fail."""
    visit.slow = [demo.Reply(503, "", 1.0)]
    assert len(list(demo.faults_of_replies(visit))) == 1


def test_snapshot_of_something_else_is_a_fault(demo: ModuleType) -> None:
    """Another error, another route and other tasks are each told apart."""
    snapshot = replace(decode(OTHER), attributes={"http.route": "/cart/{product}"})
    told = "\n".join(demo.faults_of_snapshot(snapshot, OTHER))
    assert "exceptions" in told
    assert "classifiers" in told
    assert "its route is '/cart/{product}'" in told
    assert "of the 3 slow requests" in told


def test_secret_is_a_fault(demo: ModuleType) -> None:
    """A password or a token in the document is told, and so is a document without redactions."""
    snapshot = replace(decode(OTHER), exception=None)
    told = list(demo.faults_of_snapshot(snapshot, demo.CARD_TOKEN.encode()))
    assert "nothing in it was redacted" in told
    assert f"the secret {demo.CARD_TOKEN!r} is in it" in told
