"""README.md says what is true: its examples run, and what it names exists."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bcd
from bcd.snapshot.limits import DEFAULTS

PROJECT = Path(bcd.__file__).parents[1]
README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
EXAMPLES = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [line.partition("#")[0].strip() for line in dict(BLOCKS)["sh"].splitlines()]

# What a reader of the examples has already.
APPLICATIONS = """
import flask
from starlette.applications import Starlette

starlette_app, asgi_app = Starlette(), Starlette()
flask_app = flask.Flask("shop")
wsgi_app = flask.Flask("other").wsgi_app
"""


def section(title: str) -> str:
    """The text under a heading."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """The names in the first column of a table of settings."""
    rows = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def run_example(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example as a program of its own, which may not even warn."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", APPLICATIONS + code],
        env={**os.environ, "BCD_DIR": str(folder)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_first_commands() -> None:
    """A stranger is shown the demo first and the tests second."""
    assert COMMANDS[:2] == ["make demo", "make test"]


def test_ci_runs_the_second_command() -> None:
    """The CI proves what the README promises."""
    assert (PROJECT / ".ci" / "run").read_text().splitlines()[-1] == "exec make test"


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code: str, tmp_path: Path) -> None:
    """An example can be copied and works."""
    run = run_example(code, tmp_path / "snapshots")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""


def test_example_of_trace_prints_a_snapshot(tmp_path: Path) -> None:
    """The example of ``trace`` prints the path of a snapshot that there is."""
    (code,) = (code for code in EXAMPLES if "result.stdout" in code)
    path = Path(run_example(code, tmp_path / "snapshots").stdout.strip())
    assert path.parent == tmp_path / "snapshots"
    assert path.is_file()


def test_example_of_recover_takes_a_snapshot(tmp_path: Path) -> None:
    """The example of ``recover`` leaves one snapshot."""
    (code,) = (code for code in EXAMPLES if "bcd.recover(" in code)
    run_example(code, tmp_path / "snapshots")
    assert len(list((tmp_path / "snapshots").glob("*.bcd.json*"))) == 1


def test_settings_of_the_tracer() -> None:
    """The table of ``PythonTracer`` has its arguments, all of them."""
    parameters = inspect.signature(bcd.PythonTracer).parameters
    assert first_cells(section("Settings and limits")) == set(parameters)


def test_settings_of_integrations() -> None:
    """The table of the integrations has their arguments, all of them."""
    from bcd.integrations.asgi import BcdMiddleware  # not before this test wants it

    parameters = set(inspect.signature(BcdMiddleware).parameters) - {"app"}
    assert first_cells(section("Use it in a web application")) == parameters


def test_settings_of_the_process() -> None:
    """The table of ``init`` has its arguments, all of them, with the variables that there are."""
    from bcd.settings import Arguments  # not before this test wants it
    from bcd.settings.reading import variables

    rows = section("Set it up for the whole process")
    assert first_cells(rows) == set(Arguments.__annotations__)
    assert set(re.findall(r"`(BCD_\w+)`", rows)) == set(variables())


def test_limits() -> None:
    """Every limit is named with its default."""
    named = re.findall(r"`(\w+)=(\d+)`", section("Settings and limits"))
    assert {name: int(value) for name, value in named} == DEFAULTS


def test_names_for_users_of_go() -> None:
    """What the table for users of go-bcd names exists."""
    names = re.findall(r"\bbcd\.(\w+)", section("If you know go-bcd"))
    assert set(names) <= set(bcd.__all__)
    assert {"trace", "recover", "update_config", "GlobalConfig", "TraceOptions"} <= set(names)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make (\w+)", README))))
def test_commands_exist(target: str) -> None:
    """Every ``make`` command that is named is a target."""
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(([\w./]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    """Every link to a file of the project finds it."""
    assert (PROJECT / link).exists()
