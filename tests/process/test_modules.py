"""What the tracer process loads: little, nothing slow, and nothing of the traced program's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]

REPOSITORY = Path(__file__).parents[2]
TARGET = REPOSITORY / "tests" / "targets" / "reading" / "modules.py"

QUICK = {
    "__future__",
    "_asyncio",
    "_blake2",
    "_contextvars",
    "_ctypes",
    "_functools",
    "_json",
    "_signal",
    "_stat",
    "_struct",
    "_types",
    "_weakref",
    "fcntl",
    "gc",
    "itertools",
    "resource",
    "select",
    "types",
    "zlib",
}
"""Modules that start in well under a millisecond."""

SLOW = {
    "asyncio",
    "ctypes",
    "dataclasses",
    "json",
    "logging",
    "os",
    "pathlib",
    "re",
    "subprocess",
    "threading",
    "typing",
}

ENCODINGS = "encodings."

# The program as it is, but for its end: it then says what it has loaded.
TELLING = """
import posix, sys
before = set(sys.modules)
really_exit = posix._exit

def count_and_exit(status):
    new = {n: getattr(m, "__file__", None) for n, m in sys.modules.items() if n not in before}
    quick = [n for n, m in sys.modules.items() if "bcd.ptrace.compiled._Loader" in str(m.__spec__)]
    new["found quickly"] = ",".join(quick)
    with open(%(told)r, "w") as file:
        file.write("\\n".join(f"{name}={path}" for name, path in new.items()))
    really_exit(status)

posix._exit = count_and_exit
program = %(program)r
with open(program) as file:
    code = compile(file.read(), program, "exec")
exec(code, {"__name__": "__main__", "__file__": program})
"""


@pytest.fixture
def quick() -> list[str]:
    """The modules that the tracer's own finder has found, once it has run."""
    return []


@pytest.fixture
def loaded(interpreter: str, tmp_path: Path, quick: list[str]) -> Callable[[str], dict[str, str]]:
    """Trace a program that holds a text; the tracer's modules and their files, by name.

    The program's working folder and PYTHONPATH hold modules that would give themselves away.
    """

    def load(text: str) -> dict[str, str]:
        telling, told, planted = tmp_path / "telling.py", tmp_path / "told", tmp_path / "planted"
        program = REPOSITORY / "bcd" / "ptrace" / "__main__.py"
        telling.write_text(TELLING % {"told": str(told), "program": str(program)})
        planted.mkdir()
        (tmp_path / "kept").mkdir(mode=0o700)  # as from the second snapshot on
        for name in (
            "sitecustomize",
            "usercustomize",
            "select",
            "zlib",
            "json",
            "_json",
            "re",
            "os",
        ):
            (planted / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').close()\n")
        run = subprocess.run(
            [interpreter, TARGET, tmp_path / "kept", telling, text, planted],
            env={"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr.decode()
        assert not (tmp_path / "ran").exists(), "a planted module was run"
        assert Path(json.loads(run.stdout)["path"]).exists()
        lines = dict(line.split("=", 1) for line in told.read_text().splitlines())
        quick[:] = lines.pop("found quickly").split(",")
        return lines

    return load


class TestModules:
    def test_only_what_is_allowed(self, loaded: Callable[[str], dict[str, str]]) -> None:
        """A trace without secrets loads small C modules, and bcd's own that need them."""
        names = {name for name in loaded("plain") if not name.startswith(ENCODINGS)}
        own = {name for name in names if name.partition(".")[0] == "bcd"}
        assert all(
            name in ("bcd", "bcd._version") or name.startswith(("bcd.ptrace", "bcd.snapshot"))
            for name in own
        )
        assert "bcd.ptrace.main" in own
        assert names - own - QUICK == set()

    def test_nothing_slow(self, loaded: Callable[[str], dict[str, str]]) -> None:
        """None of the modules that take milliseconds to import is loaded, not even by another."""
        assert SLOW & set(loaded("plain")) == set()

    def test_own_from_what_is_compiled(
        self, loaded: Callable[[str], dict[str, str]], quick: list[str]
    ) -> None:
        """All of bcd's modules, but for the first ones, come from the quick finder."""
        own = {name for name in loaded("plain") if name.partition(".")[0] == "bcd"}
        assert own - set(quick) == {"bcd", "bcd.ptrace", "bcd.ptrace.compiled"}

    def test_patterns_only_for_secrets(self, loaded: Callable[[str], dict[str, str]]) -> None:
        """Only a text that may hold something of a secret's form costs the import of ``re``."""
        assert SLOW & set(loaded("password=xyz")) - {"os"} == {"re"}

    def test_all_from_the_interpreter_or_bcd(self, loaded: Callable[[str], dict[str, str]]) -> None:
        """No file of the program's own is loaded, wherever its path leads."""
        library = Path(os.__file__).parents[1]
        assert library.is_dir()
        for name, file in loaded("plain").items():
            if file != "None":
                own = name.partition(".")[0] == "bcd"
                assert file.startswith(f"{REPOSITORY}/bcd/") is own, name
                assert "site-packages" not in file
