"""Imports bcd's own modules from what Python has compiled of them, in half the usual time.

A picture of a small process needs fifty modules. Python's own finder and loader take a tenth of
a millisecond for each, besides running it. Wherever a compiled file is not the plain case, they
are left to do it.
"""

from __future__ import annotations

import posix
import sys
from _frozen_importlib import ModuleSpec  # `importlib` takes 1 ms
from _frozen_importlib_external import MAGIC_NUMBER
from marshal import loads

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any

_HEAD = 16
"""Bytes before the code: magic number, flags, time and size of the source. Source: PEP 552."""

_DAMAGED = (OSError, EOFError, ValueError, TypeError)


class Compiled:
    """A finder for ``sys.meta_path``, and the loader of one module.

    Args:
        folder: That of the package ``bcd``, with a slash at its end.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> Any:
        """What importlib asks; None for what it is to find in the usual way."""
        if not name.startswith("bcd."):
            return None
        path = self._folder + name[len("bcd.") :].replace(".", "/")
        module, package = f"{path}.py", f"{path}/__init__.py"
        for source in (module, package):
            try:
                code = _code(source)
            except _DAMAGED:
                continue
            if code is not None:
                loader: Any = _Loader(source, code)
                spec = ModuleSpec(name, loader)
                spec.submodule_search_locations = [path] if source is package else None
                return spec
        return None


class _Loader:
    def __init__(self, source: str, code: CodeType) -> None:
        self._source = source
        self._code = code

    def create_module(self, _spec: object) -> None:
        """A plain module will do."""

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._source
        exec(self._code, module.__dict__)  # noqa: S102 - what an import does


def _code(source: str) -> CodeType | None:
    """The code compiled from a file, None where that is not of today."""
    status = posix.stat(source)
    folder, _, name = source.rpartition("/")
    compiled = f"{folder}/__pycache__/{name[:-3]}.{sys.implementation.cache_tag}.pyc"
    descriptor = posix.open(compiled, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        data = posix.read(descriptor, posix.fstat(descriptor).st_size)
    finally:
        posix.close(descriptor)
    moment, size = int(status.st_mtime) & 0xFFFF_FFFF, status.st_size & 0xFFFF_FFFF
    usual = bytes(4) + moment.to_bytes(4, "little") + size.to_bytes(4, "little")
    if data[:_HEAD] != MAGIC_NUMBER + usual:
        return None
    return loads(memoryview(data)[_HEAD:])  # type: ignore[no-any-return] # noqa: S302 - it is ours
