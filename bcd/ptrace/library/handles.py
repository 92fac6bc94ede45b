"""What stands for something else: partial functions, context variables, files, caches."""

from __future__ import annotations

from bcd.ptrace.calibrate.search import WORD, Search
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.library.forms import form, references
from bcd.ptrace.objects import TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

_SAMPLE_DEFAULT = object()


def _bare(renderer: Renderer, _search: Search) -> Show:
    return renderer.instances.bare


def _partials(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        function, positional, keywords = (
            renderer.members.pointer(address, info, name) for name in ("func", "args", "keywords")
        )
        if renderer.stands_for(address, 1):
            return f"{info.full_name}(...)"
        items, size = renderer.objects.sequence(positional, renderer.limits["items"])
        parts = [renderer.inner(function, depth - 1)]
        parts += [renderer.items(address, items, size, depth)] if size else []
        named = [
            (renderer.objects.name(key), value)
            for key, value in renderer.objects.dict_items(keywords)
        ]
        parts += [renderer.fields(address, named, len(named), depth)] if named else []
        return f"{info.full_name}({', '.join(parts)})"

    return show


def _variables(renderer: Renderer, search: Search) -> Show:
    from _contextvars import ContextVar

    sample = ContextVar("bcd_sample", default=_SAMPLE_DEFAULT)
    size = ContextVar.__basicsize__
    default = search.one(id(sample), size, id(_SAMPLE_DEFAULT), "the default of a variable")

    def show(address: int, info: TypeInfo, depth: int) -> str:
        name = renderer.members.pointer(address, info, "name")
        content = renderer.memory.word(address + default)
        shown = f" default={renderer.inner(content, depth - 1)}" if content else ""
        return f"<ContextVar name={renderer.inner(name, depth - 1)}{shown} at {address:#x}>"

    return show


# Files: what the outer one shows, it asks of the inner ones.


def _text_files(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        held = dict(renderer.objects.attributes(address))
        name = _name(renderer, address)
        parts = [f" name={renderer.inner(name, depth - 1)}"] if name else []
        mode = held.get("mode", 0)
        parts += [f" mode={renderer.inner(mode, depth - 1)}"] if mode else []
        encoding = renderer.members.pointer(address, info, "encoding")
        parts.append(f" encoding={renderer.inner(encoding, depth - 1)}")
        return f"<{info.full_name}{''.join(parts)}>"

    return show


def _byte_files(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        name = _name(renderer, address)
        return f"<{info.full_name}{f' name={renderer.inner(name, depth - 1)}' if name else ''}>"

    return show


def _name(renderer: Renderer, address: int) -> int:
    """The name of a file, which the innermost of its objects keeps; 0 where there is none."""
    for _ in range(3):
        name = renderer.objects.attribute(address, "name")
        if name:
            return name
        address = _inner_file(renderer, address)
        if not address:
            return 0
    return 0


def _inner_file(renderer: Renderer, address: int) -> int:
    """The file that another stands before; from 3.14 on it is no member of some."""
    info = renderer.objects.type_of(address)
    for inner in references(renderer, address):
        kind = renderer.objects.type_of(inner)
        if kind.full_name.startswith(("_io.Buffered", "_io.FileIO")) and kind is not info:
            return inner
    return 0


_CREATED, _READABLE, _WRITABLE, _APPENDING, _SEEKABLE = 1, 2, 4, 8, 0x30
"""Bits of a raw file, behind its descriptor. Source: CPython Modules/_io/fileio.c, fileio."""


def _raw_files(renderer: Renderer, search: Search) -> Show:
    bits_at = 2 * WORD + 4
    closes, truncates = _later_bits(search, bits_at)

    def show(address: int, info: TypeInfo, depth: int) -> str:
        descriptor = renderer.memory.int32(address + bits_at - 4)
        if descriptor < 0:
            return f"<{info.full_name} [closed]>"
        bits = renderer.memory.byte(address + bits_at)
        name = _name(renderer, address)
        shown = f"name={renderer.inner(name, depth - 1)}" if name else f"fd={descriptor}"
        mode = _mode(bits, truncates)
        return f"<{info.full_name} {shown} mode='{mode}' closefd={bool(bits & closes)}>"

    return show


def _later_bits(search: Search, at: int) -> tuple[int, int]:
    """The bits that say that a file is closed with its object, and (3.15) that it was emptied."""
    from _io import FileIO

    with FileIO("/dev/null") as reads, FileIO("/dev/null", "w") as writes:
        lent = FileIO(reads.fileno(), closefd=False)
        files = (reads, writes, lent)
        descriptors = [search.memory.int32(id(file) + at - 4) for file in files]
        bits = [search.memory.byte(id(file) + at) & ~_SEEKABLE for file in files]
        if descriptors != [file.fileno() for file in files] or bits[2] != _READABLE:
            raise CalibrationError("what a raw file keeps could not be proven")
    closes = bits[0] ^ bits[2]
    return closes, bits[1] & ~(closes | _WRITABLE)


def _mode(bits: int, truncates: int) -> str:
    reads = bits & _READABLE
    if bits & _CREATED:
        return "xb+" if reads else "xb"
    if bits & _APPENDING:
        return "ab+" if reads else "ab"
    if bits & _WRITABLE:
        updates = "wb+" if bits & truncates else "rb+"
        return updates if reads else "wb"
    return "rb"


def _weak_mappings(_renderer: Renderer, _search: Search) -> Show:
    return lambda address, info, _depth: f"<{info.short} at {address:#x}>"


MADE_IN_C: dict[str, Maker] = {
    "functools.partial": _partials,
    "_contextvars.ContextVar": _variables,
    "_contextvars.Context": _bare,
    "_io.StringIO": _bare,
    "_io.BytesIO": _bare,
    "_io.TextIOWrapper": _text_files,
    "_io.BufferedReader": _byte_files,
    "_io.BufferedWriter": _byte_files,
    "_io.BufferedRandom": _byte_files,
    "_io.FileIO": _raw_files,
}
REPRS: dict[str, Maker] = {
    "weakref.WeakKeyDictionary": _weak_mappings,
    "weakref.WeakValueDictionary": _weak_mappings,
    "weakref.WeakSet": form("{data}"),
    "_weakrefset.WeakSet": form("{data}"),
}
