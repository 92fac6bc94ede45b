"""What is done once a module is imported, whenever, however and by whom."""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from bcd.integrations import _complaints
from bcd.integrations._imports import _Finder, when_imported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path


class Calls(list[str]):
    """What was called, in its order; and what calls it off."""

    def __init__(self) -> None:
        super().__init__()
        self.offs: list[Callable[[], bool]] = []

    def wait_for(self, name: str, said: str = "then") -> Callable[[], bool]:
        """Note the call that follows an import."""
        self.offs.append(when_imported(name, lambda: self.append(said)))
        return self.offs[-1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """What was called; nothing waits any more afterwards."""
    monkeypatch.setattr(_complaints.complain, "_silent_until", float("-inf"))
    before = dict(sys.modules)
    waiting = [finder for finder in sys.meta_path if isinstance(finder, _Finder)]
    noted = Calls()
    yield noted
    for off in noted.offs:
        off()
    assert [finder for finder in sys.meta_path if isinstance(finder, _Finder)] == waiting
    for name in set(sys.modules) - set(before):
        if name.startswith("shop"):
            del sys.modules[name]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(path: Path, text: str = "") -> None:
    """Write a module, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    importlib.invalidate_caches()


def test_after_its_code(shop: Path, calls: Calls) -> None:
    """Once, when all of the module is there."""
    write(shop / "shop.py", "ready = True")
    off = when_imported("shop", lambda: calls.append(str(sys.modules["shop"].ready)))
    assert calls == []
    importlib.import_module("shop")
    importlib.import_module("shop")
    assert calls == ["True"]
    assert off() is False


def test_at_once(shop: Path, calls: Calls) -> None:
    """Where it was imported before."""
    write(shop / "shop.py")
    importlib.import_module("shop")
    calls.wait_for("shop")
    assert calls == ["then"]


def test_called_off(shop: Path, calls: Calls) -> None:
    """Nothing of bcd is left in the way of imports."""
    write(shop / "shop.py")
    assert calls.wait_for("shop")() is True
    importlib.import_module("shop")
    assert calls == []


def test_several_for_one_module(shop: Path, calls: Calls) -> None:
    """First come, first served; one that is called off leaves the others."""
    write(shop / "shop.py")
    calls.wait_for("shop", "first")
    calls.wait_for("shop", "second")()
    calls.wait_for("shop", "third")
    importlib.import_module("shop")
    calls.wait_for("shop", "late")
    assert calls == ["first", "third", "late"]


def test_one_that_fails(shop: Path, calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    """A line on stderr, no matter of the import nor of the others."""
    write(shop / "shop.py")
    calls.offs.append(when_imported("shop", lambda: calls[5]))
    calls.wait_for("shop")
    importlib.import_module("shop")
    assert calls == ["then"]
    assert "what was to follow the import of shop failed: IndexError" in capsys.readouterr().err


def test_reloaded(shop: Path, calls: Calls) -> None:
    """The new code has no hook yet, so it is put there again."""
    write(shop / "shop.py")
    calls.wait_for("shop")
    module = importlib.import_module("shop")
    for _ in range(2):
        importlib.reload(module)
    assert calls == ["then"] * 3
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_an_import_that_fails(shop: Path, calls: Calls) -> None:
    """Nothing follows; the next one may succeed."""
    write(shop / "shop.py", "import sys\nif not hasattr(sys, 'shop_works'): raise ImportError('x')")
    calls.wait_for("shop")
    with pytest.raises(ImportError, match=r"^x$"):
        importlib.import_module("shop")
    assert calls == []
    sys.shop_works = True  # type: ignore[attr-defined]  # for the module alone
    importlib.import_module("shop")
    del sys.shop_works  # type: ignore[attr-defined]  # likewise
    assert calls == ["then"]


def test_a_module_that_is_not_there(shop: Path, calls: Calls) -> None:
    """The error is Python's own."""
    write(shop / "shop" / "__init__.py")
    calls.wait_for("shop.none")
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'shop\.none'$"):
        importlib.import_module("shop.none")


def test_a_module_that_is_only_looked_for(shop: Path, calls: Calls) -> None:
    """As programs do to know what is installed; the import comes later."""
    write(shop / "shop.py", "x = 1")
    calls.wait_for("shop")
    spec = importlib.util.find_spec("shop")
    assert spec is not None
    assert spec.origin == str(shop / "shop.py")
    assert spec.loader is not None
    assert spec.loader.get_source("shop") == "x = 1"  # type: ignore[attr-defined]  # of a file
    assert calls == []
    importlib.import_module("shop")
    assert calls == ["then"]


def test_a_module_that_is_loaded_lazily(shop: Path, calls: Calls) -> None:
    """When it is first used."""
    write(shop / "shop.py", "x = 1")
    calls.wait_for("shop")
    spec = importlib.util.find_spec("shop")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop"] = module
    spec.loader.exec_module(module)
    assert calls == []
    assert module.x == 1
    assert calls == ["then"]


def test_submodules(shop: Path, calls: Calls) -> None:
    """Of a package, and of one without code; each for itself."""
    write(shop / "shop" / "__init__.py", "from shop.inner import part")
    write(shop / "shop" / "inner" / "part.py")
    for name in ("shop", "shop.inner", "shop.inner.part", "shop.other"):
        calls.wait_for(name, name)
    importlib.import_module("shop.inner.part")
    assert calls == ["shop.inner.part", "shop"]  # a namespace has no code
    assert sys.modules["shop.inner"].__path__


def test_out_of_an_archive(tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader is one for all modules of the archive."""
    archive = tmp_path / "shop.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("shop/__init__.py", "")
        file.writestr("shop/part.py", "x = 1")
    monkeypatch.syspath_prepend(archive)
    calls.wait_for("shop.part")
    module = importlib.import_module("shop.part")
    assert calls == ["then"]
    assert type(module.__loader__).__name__ == "zipimporter"
    assert module.x == 1


def test_a_module_that_is_run(shop: Path, calls: Calls) -> None:
    """``python -m shop`` imports the package, and runs another module in the place of main."""
    write(shop / "shop" / "__init__.py")
    write(shop / "shop" / "__main__.py", "ran = True")
    calls.wait_for("shop", "package")
    calls.wait_for("shop.__main__", "main")
    assert runpy.run_module("shop", run_name="__main__")["ran"] is True
    assert calls == ["package"]


def test_a_built_in_module(calls: Calls) -> None:
    """It has a loader of another kind."""
    sys.modules.pop("xxsubtype", None)  # a module that nobody uses
    calls.wait_for("xxsubtype")
    assert importlib.import_module("xxsubtype").__name__ == "xxsubtype"
    assert calls == ["then"]


def test_a_finder_that_asks_all_others(shop: Path, calls: Calls) -> None:
    """As wrapt's does: neither asks the other for ever."""

    class Asking:
        def __init__(self) -> None:
            self.busy = False

        def find_spec(
            self, name: str, _path: Sequence[str] | None = None, _target: Any = None
        ) -> ModuleSpec | None:
            if self.busy or name != "shop":
                return None
            self.busy = True
            try:
                return importlib.util.find_spec(name)
            finally:
                self.busy = False

    write(shop / "shop.py")
    asking = Asking()
    sys.meta_path.insert(0, asking)
    try:
        calls.wait_for("shop")
        importlib.import_module("shop")
    finally:
        sys.meta_path.remove(asking)
    assert calls == ["then"]


def test_a_loader_without_exec_module(calls: Calls) -> None:
    """Of an old kind: left as it is."""

    class Old:
        def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
            loader: Any = self
            return importlib.util.spec_from_loader(name, loader) if name == "shop" else None

    sys.meta_path.insert(0, Old())
    calls.wait_for("shop")
    spec = importlib.util.find_spec("shop")
    assert spec is not None
    assert type(spec.loader).__name__ == "Old"
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Old)]


def test_threads_that_import_at_once(shop: Path, calls: Calls) -> None:
    """It is called once, before any of them has the module."""
    write(shop / "shop.py", "import time; time.sleep(0.01); ready = True")
    calls.wait_for("shop")
    start = threading.Barrier(8)
    found: list[bool] = []

    def work() -> None:
        start.wait()
        module = importlib.import_module("shop")
        found.append(module.ready and list(calls) == ["then"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


SLOW = """
import shop_gate
shop_gate.entered.set()
assert shop_gate.leave.wait(30)
ready = True
"""


def test_while_another_thread_imports_it(
    shop: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits, and it is called once the module is ready."""
    gate: Any = type(sys)("shop_gate")
    gate.entered, gate.leave, called = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setitem(sys.modules, "shop_gate", gate)
    write(shop / "shop.py", SLOW)
    thread = threading.Thread(target=importlib.import_module, args=("shop",))
    thread.start()
    assert gate.entered.wait(30)

    def then() -> None:
        calls.append(str(getattr(sys.modules["shop"], "ready", False)))
        called.set()

    calls.offs.append(when_imported("shop", then))
    assert calls == []
    gate.leave.set()
    thread.join()
    assert called.wait(30)
    assert calls == ["True"]


def test_in_the_middle_of_its_import(shop: Path, calls: Calls) -> None:
    """Of a module that starts bcd itself."""
    module: Any = type(sys)("shop_starts")
    called = threading.Event()

    def then() -> None:
        calls.append(str(sys.modules["shop"].ready))
        called.set()

    module.start = lambda: calls.offs.append(when_imported("shop", then))
    sys.modules["shop_starts"] = module
    write(shop / "shop.py", "import shop_starts; shop_starts.start(); ready = True")
    importlib.import_module("shop")
    assert called.wait(30)
    assert calls == ["True"]
