"""Arrays of numpy and frames of pandas: shape, types, and the first items; their moments.

numpy cannot be loaded here, so what its arrays hold is not calibrated but read as its public
headers say, which are its binary interface to every extension: a change would break them all.
What then makes no sense is shown as any other object is.
"""

from __future__ import annotations

from _struct import calcsize, unpack

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.library.forms import attribute, references
from bcd.ptrace.library.moments import datetimes, timedeltas
from bcd.ptrace.objects import LIST, TUPLE, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.ptrace.calibrate.search import Search
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

HEAD = object.__basicsize__
_DATA, _DIMENSIONS, _SHAPE, _STRIDES, _DTYPE = HEAD, HEAD + 8, HEAD + 16, HEAD + 24, HEAD + 40
"""Source: numpy/ndarraytypes.h, PyArrayObject_fields."""

_MOST_DIMENSIONS = 64
_CHARACTERS = {char: {"l": "q", "L": "Q"}.get(char, char) for char in "?bBhHiIlLqQefd"}
"""``dtype.char`` of numbers → how ``struct`` calls them. Source: numpy/ndarraytypes.h."""

_SCALARS = {
    "bool": "?",
    "bool_": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "longlong": "q",
    "ulonglong": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}
"""Types of single numbers, which stand behind the object's head. Source: numpy/arrayscalars.h."""

_DAY = 86400
_UNITS = {4: (_DAY, 0), 5: (3600, 0), 6: (60, 0), 7: (1, 0), 8: (1, 3), 9: (1, 6), 10: (1, 9)}
"""Units of ``datetime64`` → seconds, and digits of a fraction of one. Source: numpy/ndarraytypes.h,
NPY_DATETIMEUNIT; the count stands behind the head, as in numpy/arrayscalars.h."""
_NOT_A_TIME = -(1 << 63)

_CHAR_MEMBER = 7
"""Kind of a member that is one character. Source: CPython Include/structmember.h, T_CHAR."""


class _Array:
    """One array: its shape, the name of its type, and its first items."""

    def __init__(self, renderer: Renderer, address: int) -> None:
        memory, objects = renderer.memory, renderer.objects
        count = memory.int32(address + _DIMENSIONS)
        self.dtype = memory.word(address + _DTYPE)
        info = objects.type_of(self.dtype)
        if not 0 <= count <= _MOST_DIMENSIONS or not info.full_name.startswith("numpy.dtype"):
            raise MemoryFault(f"no array at {address:#x}")
        self._renderer = renderer
        self._info = info
        self._data = memory.word(address + _DATA)
        self.shape = _numbers(renderer, memory.word(address + _SHAPE), count)
        self._strides = _numbers(renderer, memory.word(address + _STRIDES), count)
        kind = renderer.members.pointer(self.dtype, info, "type")
        self.type_name = objects.type_info(kind).short

    @property
    def size(self) -> int:
        """How many items there are."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def shape_text(self) -> str:
        """The shape as a tuple."""
        return repr(self.shape)

    def items(self, depth: int) -> str | None:
        """The first items in a list; None where they are of a type that is not read."""
        count = min(self.size, self._renderer.limits["items"])
        try:
            parts = [self._item(place, depth) for place in self._places(count)]
        except LookupError:
            return None
        return f"[{self._renderer.join(parts, self.size)}]"

    def _places(self, count: int) -> Iterator[int]:
        for number in range(count):
            rest, at = number, self._data
            for length, stride in zip(self.shape[::-1], self._strides[::-1], strict=True):
                rest, index = divmod(rest, length)
                at += index * stride
            yield at

    def _item(self, place: int, depth: int) -> str:
        memory, char = self._renderer.memory, self._character("char")
        if char == "O":
            return self._renderer.inner(memory.word(place), depth - 1)
        size = int(self._renderer.members.number(self.dtype, self._info, "itemsize"))
        if char in "US":
            return self._text(memory.read(place, min(size, 4096)), char)
        order = ">" if self._character("byteorder") == ">" else "<"
        form = order + _CHARACTERS[char]
        return repr(unpack(form, memory.read(place, calcsize(form)))[0])

    def _text(self, raw: bytes, char: str) -> str:
        if char == "S":
            return repr(self._renderer.redactor.text(raw.rstrip(b"\0").decode("latin-1")).encode())
        text = raw.decode("utf-32-le", "replace").rstrip("\0")
        return repr(self._renderer.redactor.text(text))

    def _character(self, name: str) -> str:
        kind, offset = self._renderer.members.of(self._info)[name]
        if kind != _CHAR_MEMBER:
            raise MemoryFault(f"{name} of a dtype is no character")
        return chr(self._renderer.memory.byte(self.dtype + offset))


def _numbers(renderer: Renderer, address: int, count: int) -> tuple[int, ...]:
    return unpack(f"<{count}q", renderer.memory.read(address, 8 * count)) if count else ()


def _arrays(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        array = _Array(renderer, address)
        items = array.items(depth)
        shown = f", items={items}" if items else ""
        return f"<{info.short} shape={array.shape_text()}, dtype={array.type_name}{shown}>"

    return show


def _scalars(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, _depth: int) -> str:
        form = f"<{_SCALARS[info.short]}"
        value = unpack(form, renderer.memory.read(address + HEAD, calcsize(form)))[0]
        return f"np.{value}_" if form == "<?" else f"np.{info.short}({value!r})"

    return show


def _instants(renderer: Renderer, _search: Search) -> Show:
    from _datetime import datetime, timedelta  # type: ignore[import-not-found]

    def show(address: int, info: TypeInfo, depth: int) -> str:
        count, unit, step = unpack("<qii", renderer.memory.read(address + HEAD, 16))
        if count == _NOT_A_TIME:
            return f"np.{info.short}('NaT')"
        seconds, digits = _UNITS.get(unit, (None, 0))
        if seconds is None:
            return renderer.instances.bare(address, info, depth)
        whole, part = divmod(count * step * seconds, 10**digits)
        try:
            moment = datetime(1970, 1, 1) + timedelta(0, whole)
        except OverflowError:
            return renderer.instances.bare(address, info, depth)
        text = moment.isoformat("T")[: 10 if seconds == _DAY else 19]
        return f"np.{info.short}('{text}{f'.{part:0{digits}}' if digits else ''}')"

    return show


def _not_a_time(_renderer: Renderer, _search: Search) -> Show:
    return lambda _address, _info, _depth: "NaT"


# pandas: a frame has a manager, which has axes and blocks, and blocks are arrays.


def _manager_parts(renderer: Renderer, frame: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes and the blocks of a frame or series."""
    manager = attribute(renderer, frame, "_mgr")
    held = dict(renderer.objects.attributes(manager))
    axes, blocks = held.get("axes", 0), held.get("blocks", 0)
    for inner in references(renderer, manager):
        flags = renderer.objects.type_of(inner).flags
        axes = inner if not axes and flags & LIST else axes
        blocks = inner if not blocks and flags & TUPLE else blocks
    most = renderer.limits["items"]
    return renderer.objects.sequence(axes, most)[0], renderer.objects.sequence(blocks, most)[0]


def _array_in(renderer: Renderer, address: int) -> _Array | None:
    """The array of an object, or the one that it holds; None where it holds none."""
    seen = [address]
    for one in seen:
        if renderer.objects.type_of(one).full_name == "numpy.ndarray":
            return _Array(renderer, one)
        if len(seen) == 1:
            seen += [value for _, value in renderer.objects.attributes(one)]
            seen += references(renderer, one)
    return None


def _length_and_labels(renderer: Renderer, index: int, depth: int) -> tuple[int, str]:
    held = dict(renderer.objects.attributes(index))
    if "_range" in held:
        text = renderer.inner(held["_range"], 1)
        return len(range(*map(int, text[6:-1].split(", ")))), text
    array = _array_in(renderer, held["_data"])
    if array is None or len(array.shape) != 1:
        raise MemoryFault(f"no index at {index:#x}")
    return array.size, array.items(depth) or "?"


def _type_of_block(renderer: Renderer, block: int) -> str:
    array = _array_in(renderer, block)
    if array is not None:
        return array.type_name
    kinds = (renderer.objects.type_of(inner).short for inner in references(renderer, block))
    return next((kind for kind in kinds if kind.endswith("Array")), "?")


def _frames(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        (columns, index), blocks = _manager_parts(renderer, address)
        width, labels = _length_and_labels(renderer, columns, depth)
        length, _ = _length_and_labels(renderer, index, depth)
        types = ", ".join(dict.fromkeys(_type_of_block(renderer, block) for block in blocks))
        return f"<{info.short} shape=({length}, {width}), columns={labels}, dtypes=[{types}]>"

    return show


def _series(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        (index, *_), (block, *_) = _manager_parts(renderer, address)
        length, _ = _length_and_labels(renderer, index, depth)
        name = renderer.inner(attribute(renderer, address, "_name"), depth - 1)
        array = _array_in(renderer, block)
        items = array.items(depth) if array else None
        shown = f", items={items}" if items else ""
        kind = _type_of_block(renderer, block)
        return f"<{info.short} shape=({length},), name={name}, dtype={kind}{shown}>"

    return show


def _indexes(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        length, labels = _length_and_labels(renderer, address, depth)
        return f"<{info.short} shape=({length},), items={labels}>"

    return show


FIELDS: dict[str, Maker] = {
    "numpy.ndarray": _arrays,
    "numpy.generic": _scalars,
    "numpy.datetime64": _instants,
    **dict.fromkeys(("pandas.Timestamp", "pandas._libs.tslibs.timestamps.Timestamp"), datetimes),
    **dict.fromkeys(("pandas.Timedelta", "pandas._libs.tslibs.timedeltas.Timedelta"), timedeltas),
    **dict.fromkeys(
        ("pandas.api.typing.NaTType", "pandas._libs.tslibs.nattype.NaTType"), _not_a_time
    ),
    **dict.fromkeys(("pandas.DataFrame", "pandas.core.frame.DataFrame"), _frames),
    **dict.fromkeys(("pandas.Series", "pandas.core.series.Series"), _series),
    **dict.fromkeys(("pandas.Index", "pandas.core.indexes.base.Index"), _indexes),
}
