"""Type variables: ``~T``, ``+T_co``, ``-T_contra``, which errors of typing name."""

from __future__ import annotations

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.members import OBJECTS
from bcd.ptrace.objects import TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.calibrate.search import Search
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

_NAME = "__name__"


def _parameters(renderer: Renderer, _search: Search) -> Show:
    """By attributes until 3.11, then by members of C. Source: ``typevar_repr`` in typevarobject.c.

    One that has no variance, or has it inferred, is its name alone.
    """

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        objects, true = renderer.objects, renderer.objects.static(True)
        held = dict(objects.attributes(address))
        name = held.get(_NAME, 0)
        marks = {key: value == true for key, value in held.items()}
        for key, member in renderer.members.of(info).items():
            if key == _NAME and member[0] in OBJECTS:
                name = renderer.memory.word(address + member[1])
            elif key != _NAME:
                marks[key] = bool(renderer.members.read_number(address, member))
        if not name:
            raise MemoryFault(f"the type variable at {address:#x} has no name")
        return _variance(marks) + renderer.redactor.text(objects.name(name))

    return show


def _variance(marks: dict[str, bool]) -> str:
    if "__covariant__" not in marks or marks.get("__infer_variance__"):
        return ""
    if marks["__covariant__"]:
        return "+"
    return "-" if marks.get("__contravariant__") else "~"


REPRS: dict[str, Maker] = dict.fromkeys(
    ("typing.ParamSpec", "typing.TypeVar", "typing.TypeVarTuple"), _parameters
)
"""Full name of a type → what makes that which shows its values as ``repr`` does."""
