"""What importing bcd loads, each time in an interpreter of its own: nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import bcd

PROJECT = Path(bcd.__file__).parents[1]
PACKAGES = sysconfig.get_path("purelib")

# Loaded neither by the core nor by a hook of another framework.
FOREIGN = {"blinker", "click", "flask", "platformdirs", "rich", "starlette", "uvicorn", "werkzeug"}
# Each takes 5 to 60 ms, or starts something.
HEAVY = {
    "asyncio",
    "concurrent.futures",
    "email",
    "http",
    "logging",
    "multiprocessing",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "unittest",
    "urllib.request",
}


def loaded_by(statement: str, *, packages: bool = False) -> set[str]:
    """The modules that a statement adds to those of a bare interpreter.

    Args:
        statement: What to run.
        packages: Whether installed packages can be found.
    """
    path = [str(PROJECT), PACKAGES] if packages else [str(PROJECT)]
    program = (
        f"import sys; sys.path += {path!r}; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*(set(sys.modules) - before))"
    )
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_bcd_alone() -> None:
    """``import bcd`` loads its version and nothing else."""
    assert loaded_by("import bcd") <= {"bcd", "bcd._version", "__future__"}


@pytest.mark.parametrize(
    "name",
    [
        "trace",
        "atrace",
        "recover",
        "register",
        "init",
        "capture",
        "set_attribute",
        "PythonTracer",
        "BTTracer",
        "GlobalConfig",
    ],
)
def test_names_without_any_package(name: str) -> None:
    """The core works where no package is installed, and loads nothing heavy."""
    loaded = loaded_by(f"import bcd; bcd.{name}")
    assert loaded & (HEAVY | FOREIGN) == set()


@pytest.mark.parametrize("hook", ["asgi", "wsgi"])
def test_hooks_of_protocols(hook: str) -> None:
    """The hooks for ASGI and WSGI need no framework and load nothing heavy."""
    loaded = loaded_by(f"import bcd.integrations.{hook}")
    assert loaded & (HEAVY | FOREIGN) == set()


@pytest.mark.parametrize(
    ("hook", "framework"),
    [("starlette", {"starlette"}), ("flask", {"flask", "werkzeug", "blinker", "click"})],
)
def test_hooks_of_frameworks(hook: str, framework: set[str]) -> None:
    """The hook of a framework loads that framework and no other."""
    loaded = loaded_by(f"import bcd.integrations.{hook}", packages=True)
    assert loaded & FOREIGN == framework


@pytest.mark.parametrize(
    ("hook", "framework"), [("starlette", "starlette.applications"), ("flask", "flask")]
)
def test_hooks_add_little_to_their_framework(hook: str, framework: str) -> None:
    """A program that has loaded its framework loads nothing heavy for the hook."""
    before = loaded_by(f"import {framework}", packages=True)
    after = loaded_by(f"import {framework}, bcd.integrations.{hook}", packages=True)
    assert (after - before) & (HEAVY | FOREIGN) == set()


def test_hooks_load_no_program() -> None:
    """Importing a hook loads neither the reports nor the commands."""
    loaded = loaded_by("import bcd.integrations.asgi, bcd.integrations.wsgi")
    assert {name for name in loaded if name.startswith(("bcd.cli", "bcd.report", "bcd.store"))} == (
        set()
    )


def test_program_says_its_version_without_frameworks() -> None:
    """The program ``bcd`` loads click and rich, but no framework and nothing for pages."""
    loaded = loaded_by("import bcd.cli.program", packages=True)
    assert {"click", "rich"} <= loaded
    assert loaded & {"flask", "jinja2", "starlette", "webbrowser", "werkzeug"} == set()
