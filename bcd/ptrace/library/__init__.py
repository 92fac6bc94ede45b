"""Values of libraries' types: the standard library's as ``repr`` shows them, others by fields.

Types made in C hold what is no Python object, so each is calibrated when the first value of it
is met: with samples of one's own, as ``calibrate`` does for the interpreter itself. A type whose
layout cannot be proven is shown as any other object is. Nothing here is loaded before a value
of such a type is met.
"""

from __future__ import annotations

import posix

from bcd.ptrace.calibrate.search import Search
from bcd.ptrace.errors import CalibrationError, MemoryFault
from bcd.ptrace.memory import LiveMemory
from bcd.ptrace.objects import TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.ptrace.values import Renderer, Show

    Maker = Callable[[Renderer, Search], Show]

_GROUPS = {
    **dict.fromkeys(("collections", "odict_keys", "odict_values", "odict_items"), "containers"),
    **dict.fromkeys(("datetime", "zoneinfo"), "moments"),
    **dict.fromkeys(("array", "decimal", "fractions"), "numerals"),
    **dict.fromkeys(("ipaddress", "os", "pathlib", "re", "uuid"), "texts"),
    **dict.fromkeys(("_asyncio", "_thread", "asyncio", "threading"), "waiting"),
    **dict.fromkeys(("_contextvars", "_io", "_weakrefset", "functools", "weakref"), "handles"),
    **dict.fromkeys(("celery", "flask", "httpx", "starlette", "werkzeug"), "web"),
    **dict.fromkeys(("django", "pydantic", "sqlalchemy"), "models"),
    **dict.fromkeys(("numpy", "pandas"), "arrays"),
    "typing": "parameters",
}
"""First part of a type's full name → the module here that knows some of its types."""


class Library:
    """Knows how to show values of libraries' types.

    Args:
        renderer: Renders values of the target.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._made: dict[str, Show | None] = {}

    def show(self, info: TypeInfo) -> Show | None:
        """What renders values of a type; None where nothing here does.

        The nearest base decides. One that is shown as its ``repr`` shows it counts only where the
        type has not got another ``__repr__``: then its fields tell more than a wrong text.
        """
        for base in info.mro:
            parent = self._renderer.objects.type_info(base)
            maker, imitates = self._maker(parent)
            if maker is None:
                continue
            if imitates and parent.marks.get("__repr__") != info.marks.get("__repr__"):
                return None
            return self._make(parent.full_name, maker)
        return None

    def _maker(self, info: TypeInfo) -> tuple[Maker | None, bool]:
        """What makes that which renders values of a type, and whether it imitates ``repr``.

        A type that only claims to be one made in C has nothing at the places of that.
        """
        full_name = info.full_name
        group = _GROUPS.get(full_name.partition(".")[0])
        if group is None:
            return None, False
        module = __import__(f"bcd.ptrace.library.{group}", fromlist=["REPRS"])
        made_in_c: dict[str, Maker] = getattr(module, "MADE_IN_C", {})
        if full_name in made_in_c:
            return None if info.by_python else made_in_c[full_name], True
        reprs: dict[str, Maker] = getattr(module, "REPRS", {})
        if full_name in reprs:
            return reprs[full_name], True
        fields: dict[str, Maker] = getattr(module, "FIELDS", {})
        return fields.get(full_name), False

    def _make(self, full_name: str, maker: Maker) -> Show | None:
        if full_name not in self._made:
            self._made[full_name] = self._calibrated(maker)
        return self._made[full_name]

    def _calibrated(self, maker: Maker) -> Show | None:
        descriptor = posix.open("/proc/self/mem", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return maker(self._renderer, Search(LiveMemory(descriptor)))
        except (CalibrationError, MemoryFault, ImportError, AttributeError, ValueError):
            return None
        finally:
            posix.close(descriptor)
