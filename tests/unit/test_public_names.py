"""What a user may import: a name that goes away or moves breaks somebody's program."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import bcd

NAMES = {
    "BTTracer",
    "BcdError",
    "Captured",
    "Command",
    "ConfigError",
    "GcoreTracer",
    "GlobalConfig",
    "Log",
    "LogPriority",
    "LoggingLog",
    "Memory",
    "MemoryTracer",
    "PySpyTracer",
    "PystackTracer",
    "PythonTracer",
    "SignalError",
    "SnapshotError",
    "TraceError",
    "TraceOptions",
    "TraceResult",
    "Tracer",
    "TracerSig",
    "__version__",
    "atrace",
    "capture",
    "enable_tracing",
    "flush",
    "init",
    "recover",
    "register",
    "set_attribute",
    "trace",
    "unregister",
    "update_config",
}
HOOKS = {
    "bcd.integrations.asgi": "BcdMiddleware",
    "bcd.integrations.flask": "Bcd",
    "bcd.integrations.starlette": "instrument",
    "bcd.integrations.wsgi": "BcdMiddleware",
}
SETTINGS = {"tracer", "options", "ignore", "before_trace", "reraise"}


def names_for_type_checkers() -> dict[str, str]:
    """The imports that only a type checker sees: name to module."""
    tree = ast.parse(Path(bcd.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    public = [node for node in imports if node.module and node.module.startswith("bcd.")]
    return {alias.name: node.module or "" for node in public for alias in node.names}


def test_all_names_are_these() -> None:
    """A name is added or taken away on purpose, with a line in CHANGELOG.md."""
    assert set(bcd.__all__) == NAMES


def test_dir_shows_the_names() -> None:
    """``dir(bcd)`` shows names that were not used yet."""
    assert dir(bcd) == sorted(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_name_is_that_of_its_module(name: str) -> None:
    """A name is the very object of the module where a type checker finds it."""
    home = names_for_type_checkers()[name]
    assert getattr(bcd, name) is getattr(importlib.import_module(home), name)


def test_a_name_survives_the_import_of_a_module_of_that_name() -> None:
    """``bcd.recover`` is what users call, also after something imported its module."""
    script = "import bcd.recover, bcd; assert isinstance(bcd.recover, type), bcd.recover"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_type_checkers_see_no_other_names() -> None:
    """What a type checker accepts exists at run time."""
    assert set(names_for_type_checkers()) == NAMES


def test_star_import_gives_the_names() -> None:
    """``from bcd import *`` finds them all."""
    found: dict[str, object] = {}
    exec("from bcd import *", found)  # noqa: S102 - the only way to run it inside a function
    assert set(found) >= NAMES


def test_unknown_name_is_an_attribute_error() -> None:
    """A wrong name fails as in any module, and ``hasattr`` can tell."""
    with pytest.raises(AttributeError, match="module 'bcd' has no attribute 'tracee'"):
        bcd.tracee  # noqa: B018 - that is the test


def test_hooks_of_the_process_take_them_too() -> None:
    """All but ``reraise``: there is nobody above who could get the error."""
    hooks = importlib.import_module("bcd.integrations.hooks")
    for function in (hooks.install, hooks.install_loop):
        parameters = inspect.signature(function).parameters
        assert set(parameters) - {"points", "loop"} == SETTINGS - {"reraise"}


@pytest.mark.parametrize(("module", "name"), sorted(HOOKS.items()))
def test_hooks_take_the_same_settings(module: str, name: str) -> None:
    """Whoever knows one integration knows them all."""
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    settings = {
        parameter.name: parameter.default
        for parameter in parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert set(settings) == SETTINGS
    assert settings["tracer"] is None
    assert settings["options"] is None
    assert settings["ignore"] == ()
    assert settings["before_trace"] is None
    assert settings["reraise"] is True
