"""What the import rule of pyproject.toml cannot say: which packages each part may use."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bcd

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(bcd.__file__).parent
PROJECT = PACKAGE.parent

# What stands first in the path of a module → the packages that it may import at run time, beside
# the standard library and bcd itself.
MAY_USE = {
    "autostart/sitecustomize.py": {"sitecustomize"},  # the real one
    "cli": {"click", "platformdirs", "rich"},
    "folder.py": {"platformdirs"},
    "integrations/celery.py": {"celery"},
    "integrations/django": {"asgiref", "django"},
    "integrations/flask.py": {"flask", "werkzeug"},
    "integrations/gunicorn.py": {"gunicorn"},
    "integrations/starlette.py": {"starlette"},
    "integrations/uvicorn.py": {"uvicorn"},
    "report": {"rich"},
    "report/page": {"jinja2", "markupsafe"},
    "send/post.py": {"httpx"},
    "store/sql": {"alembic", "platformdirs", "psycopg", "sqlalchemy"},
    "tracers/_put.py": {"httpx"},
    "viewer": {"jinja2", "markupsafe", "starlette", "uvicorn"},
}
OF_ANY_PYTHON = sys.stdlib_module_names | {"_interpreters", "_xxsubinterpreters"}
"""The standard library of every supported version."""

MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


def imports_of(module: str) -> set[str]:
    """The modules that a module of bcd may import at run time, also inside functions."""
    found: set[str] = set()
    for node in run_time_nodes(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "an import is written in full"
            found.add(node.module)
    return found


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, save what stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from run_time_nodes(child)


def allowed_for(module: str) -> set[str]:
    """The packages beside the standard library that a module of bcd may import."""
    return {
        package
        for place, packages in MAY_USE.items()
        if module == place or module.startswith(f"{place}/")
        for package in packages
    }


@pytest.mark.parametrize("module", MODULES)
def test_packages_of_a_module(module: str) -> None:
    """The core needs nothing but Python; only the edges know click, rich and the frameworks."""
    used = {name.partition(".")[0] for name in imports_of(module)} - {"bcd"}
    assert used - OF_ANY_PYTHON <= allowed_for(module)


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("ptrace/")])
def test_tracer_process_is_light(module: str) -> None:
    """What takes long to import stays out of the tracer, for which a program may be waiting."""
    heavy = {"asyncio", "ctypes", "inspect", "logging", "pathlib", "subprocess", "threading"}
    assert not imports_of(module) & heavy


def test_core_dependencies_are_what_the_core_uses() -> None:
    """pyproject.toml asks for no package that is not used, and for each that is."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    asked = {re.split(r"[<>=\[; ]", line)[0] for line in project["dependencies"]}
    used = set().union(*(MAY_USE[place] for place in ("cli", "folder.py", "report")))
    assert asked == used


def test_version_is_said_once_for_all() -> None:
    """The package and its metadata have the same version."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["version"] == bcd.__version__
