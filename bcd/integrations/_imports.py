"""Do something once the program imports a module, without importing it for that.

One finder stands before all others on ``sys.meta_path`` as long as something waits for a module.
It lets the others find the module and has its code run as ever, with what was asked for after it,
each time: also when the first import failed, or when the module is reloaded. The package wrapt
has such hooks too, but to import it loads asyncio: some 60 ms for a program that needs neither.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from bcd import _greenlets
from bcd.integrations._complaints import complain
from bcd.integrations._points import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["when_imported"]


def when_imported(name: str, then: Callable[[], object]) -> Callable[[], bool]:
    """Call a function once a module is there: at once, or each time right after its code ran.

    What it raises is told on stderr and is no matter of the import. A package without code (a
    namespace) gives no occasion to call it.

    Args:
        name: Of the module, in full.
        then: Called in the thread that imports the module. Where another thread is importing it
            now, called in one of its own when that is done.

    Returns:
        A function that calls it off; true if it was never called until then.
    """
    hook = _Hook(name, then)
    _finder.add(hook)
    module = sys.modules.get(name)
    if module is None:
        return hook.call_off
    if _is_being_imported(module):
        _greenlets.start_new_thread(hook.run_when_imported, ())
    else:
        hook.run_first()
    return hook.call_off


class _Hook:
    """What is to be done after one module.

    Args:
        name: Of the module.
        then: To be called.
    """

    def __init__(self, name: str, then: Callable[[], object]) -> None:
        self.name = name
        self._then = then
        self._first = [True]  # taken by whoever calls it first, in one call of C

    def call_off(self) -> bool:
        """Wait no more."""
        _finder.remove(self)
        return bool(self._first)

    def run(self) -> None:
        """Do it, as the module's code has run."""
        del self._first[:]
        try:
            self._then()
        except Exception as problem:  # noqa: BLE001 - never into the program
            complain(f"what was to follow the import of {self.name} failed", problem)

    def run_first(self) -> None:
        """Do it unless it was done before."""
        try:
            self._first.pop()
        except IndexError:
            return
        self.run()

    def run_when_imported(self) -> None:
        """Do it once another thread has imported the module."""
        from importlib import import_module  # waits for that thread

        try:
            import_module(self.name)
        except Exception:  # noqa: BLE001 - the program's matter; the next import may succeed
            return
        self.run_first()


class _Finder:
    """Stands before the other finders."""

    def __init__(self) -> None:
        self._hooks: dict[str, tuple[_Hook, ...]] = {}
        self._finding: set[tuple[int, int, str]] = set()

    def add(self, hook: _Hook) -> None:
        """Let a module be followed by a hook."""
        with CHANGES:
            self._hooks = {**self._hooks, hook.name: (*self.hooks_of(hook.name), hook)}
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def remove(self, hook: _Hook) -> None:
        """Let it be so no more; stand there no more after the last one."""
        with CHANGES:
            left = tuple(one for one in self.hooks_of(hook.name) if one is not hook)
            self._hooks = {**self._hooks, hook.name: left}
            if not any(self._hooks.values()) and self in sys.meta_path:
                sys.meta_path.remove(self)

    def hooks_of(self, name: str) -> tuple[_Hook, ...]:
        """The hooks of a module, first come, first served."""
        return self._hooks.get(name, ())

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the others find the module, and have it loaded with what follows."""
        if not self.hooks_of(name):
            return None
        finding = (os.getpid(), _greenlets.get_ident(), name)
        if finding in self._finding:  # asked by another finder that asks them all
            return None
        self._finding.add(finding)
        try:
            spec = self._found_by_others(name, path, target)
        finally:
            self._finding.discard(finding)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            loader: Any = _Loader(name, spec.loader)
            spec.loader = loader
        return spec

    def _found_by_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            if finder is self or find_spec is None:
                continue
            spec: ModuleSpec | None = find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


class _Loader:
    """Loads a module as its own loader does, which it leaves in its place."""

    def __init__(self, name: str, loader: Any) -> None:
        self._name = name
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run its code, then what follows."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        for hook in _finder.hooks_of(self._name):
            hook.run()


def _is_being_imported(module: object) -> bool:
    """Whether its code has not run to its end, as importlib notes it."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


_finder = _Finder()
