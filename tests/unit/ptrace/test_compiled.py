"""The finder of the tracer's own modules: what it takes, and what it leaves to Python's own."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcd.ptrace.compiled import Compiled

if TYPE_CHECKING:
    from types import ModuleType

SOURCE = "value = 42\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The source of a module, and beside it what Python has compiled of it."""
    source = tmp_path / "bcd" / "part" / "one.py"
    source.parent.mkdir(parents=True)
    (source.parent / "__init__.py").write_text(SOURCE)
    source.write_text(SOURCE)
    for each in (source, source.parent / "__init__.py"):
        py_compile.compile(str(each), doraise=True)
    return source


def compiled(source: Path) -> Path:
    """Where Python keeps what it has compiled of a file."""
    return Path(importlib.util.cache_from_source(str(source)))


def find(source: Path, name: str = "bcd.part.one") -> ModuleSpec | None:
    """What the finder says of a module in the folder of ``module``."""
    found = Compiled(f"{source.parents[1]}/").find_spec(name)
    assert found is None or isinstance(found, ModuleSpec)
    return found


def load(spec: ModuleSpec | None) -> ModuleType:
    """Load what was found."""
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_a_module(module: Path) -> None:
    """It is run from its compiled file and says where its source is."""
    made = load(find(module))
    assert made.value == 42
    assert made.__file__ == str(module)
    assert made.__package__ == "bcd.part"
    assert not hasattr(made, "__path__")


def test_a_package(module: Path) -> None:
    """It knows its folder, so that Python's own finder can look for what is in it."""
    made = load(find(module, "bcd.part"))
    assert made.value == 42
    assert made.__path__ == [str(module.parent)]
    assert made.__package__ == "bcd.part"


def test_others_are_left_alone(module: Path) -> None:
    """No module of another name is looked for, be its file there or not."""
    assert find(module, "part.one") is None
    assert find(module, "bcdpart") is None
    assert find(module, "bcd.part.two") is None


def test_a_source_that_changed(module: Path) -> None:
    """A newer or longer source is not what was compiled."""
    status = module.stat()
    os.utime(module, (status.st_atime, status.st_mtime + 2))
    assert find(module) is None
    os.utime(module, (status.st_atime, status.st_mtime))
    assert find(module) is not None
    module.write_text(SOURCE * 2)
    os.utime(module, (status.st_atime, status.st_mtime))
    assert find(module) is None


def test_a_source_that_is_gone(module: Path) -> None:
    """Without a source nothing says that the compiled file is of today."""
    module.unlink()
    assert find(module) is None


def test_nothing_compiled(module: Path) -> None:
    """Python's own loader compiles what is not compiled yet."""
    compiled(module).unlink()
    assert find(module) is None


def test_compiled_by_another_python(module: Path) -> None:
    """The magic number has to be this interpreter's."""
    data = bytearray(compiled(module).read_bytes())
    data[0] ^= 1
    compiled(module).write_bytes(data)
    assert find(module) is None


@pytest.mark.parametrize("mode", ["CHECKED_HASH", "UNCHECKED_HASH"])
def test_known_by_a_hash(module: Path, mode: str) -> None:
    """What is known by a hash of its source (PEP 552) is left to Python's own loader."""
    py_compile.compile(str(module), invalidation_mode=py_compile.PycInvalidationMode[mode])
    assert find(module) is None


@pytest.mark.parametrize("kept", [0, 10, 16, 40])
def test_a_damaged_file(module: Path, kept: int) -> None:
    """A compiled file that was cut is left to Python's own loader, which says so or compiles."""
    data = compiled(module).read_bytes()
    assert len(data) > 40
    compiled(module).write_bytes(data[:kept])
    assert find(module) is None


def test_all_of_the_tracer(tmp_path: Path) -> None:
    """Each module of the tracer is found: none has a form that falls back."""
    folder = Path(sys.modules[Compiled.__module__].__file__ or "").parents[2]
    for source in (folder / "bcd" / "ptrace").rglob("*.py"):
        copy = tmp_path / source.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
        py_compile.compile(str(copy), doraise=True)
        name = ".".join(copy.relative_to(tmp_path).with_suffix("").parts)
        spec = Compiled(f"{tmp_path}/bcd/").find_spec(name.removesuffix(".__init__"))
        assert spec is not None, name
