"""Do something once the program imports a module, without importing it for that."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["when_imported"]


def when_imported(name: str, then: Callable[[], None]) -> Callable[[], bool]:
    """Call a function once a module is there: at once, or right after its code ran.

    Args:
        name: Of the module, in full.
        then: Called once, in the thread that imports the module.

    Returns:
        A function that calls it off; true if there was something to call off.
    """
    finder = _Finder(name, then)
    sys.meta_path.insert(0, finder)
    if name in sys.modules and finder.withdraw():
        then()
    return finder.withdraw


class _Finder:
    """Stands before the other finders until the module is asked for."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then

    def withdraw(self) -> bool:
        """Stand there no more; true the first time only."""
        try:
            sys.meta_path.remove(self)
        except ValueError:
            return False
        return True

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the others find the module, and have it loaded with what follows."""
        del path, target
        if name != self._name or not self.withdraw():
            return None
        from importlib.util import find_spec  # imported late, as the program may need no such hook

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = _Loader(spec.loader, self._then)
            spec.loader = loader
        return spec


class _Loader:
    """Loads a module as its own loader does, which it leaves in its place."""

    def __init__(self, loader: Any, then: Callable[[], None]) -> None:
        self._loader = loader
        self._then = then

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
        self._then()
