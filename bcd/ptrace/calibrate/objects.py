"""The layout of types, containers, dicts, exceptions and other plain objects."""

from __future__ import annotations

import types
from _struct import pack

from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.layout import (
    ContainerLayout,
    DictLayout,
    ExceptionLayout,
    MiscLayout,
    TypeLayout,
)

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from typing import Any

HEAD = object.__basicsize__
_TYPE_SIZE: int = type.__basicsize__  # type: ignore[assignment] # mypy takes it for a property


class _Outer:
    class Sample:
        def __init__(self) -> None:
            self.first_attribute = _FIRST
            self.second_attribute = _SECOND

    class Slotted:
        __slots__ = ("slot_one", "slot_two")


_FIRST, _SECOND, _THIRD = object(), object(), object()


def member_offset(search: Search, descriptor: object) -> int:
    """Where a C type keeps a member, from its member descriptor.

    Source: CPython Include/cpython/descrobject.h and Include/descrobject.h: PyMemberDescrObject
    ends with a pointer to PyMemberDef, whose third word is the offset.
    """
    if type(descriptor) is not types.MemberDescriptorType:
        raise CalibrationError(f"{descriptor!r} is no member descriptor in this build of CPython")
    definition = search.memory.word(id(descriptor) + 3 * WORD + HEAD)
    return search.memory.int64(definition + 2 * WORD)


def calibrate_types(search: Search, dict_layout: DictLayout) -> TypeLayout:
    """Find the members of type objects."""
    layout = TypeLayout()
    layout.basicsize = member_offset(search, type.__dict__["__basicsize__"])
    layout.itemsize = member_offset(search, type.__dict__["__itemsize__"])
    layout.flags = member_offset(search, type.__dict__["__flags__"])
    layout.dictoffset = member_offset(search, type.__dict__["__dictoffset__"])
    layout.name = search.pointer_to(
        id(int), 8 * WORD, lambda word: search.memory.read(word, 4) == b"int\0", "a type's name"
    )
    layout.members = search.pointer_to(
        id(slice), _TYPE_SIZE, lambda word: _is_named(search, word, b"start"), "a type's members"
    )
    classes = (_Outer.Sample, _Outer.Slotted)
    layout.dealloc = _dealloc(search, layout, classes)
    layout.dealloc_of_classes = search.memory.word(id(_Outer.Sample) + layout.dealloc)
    layout.mro = search.where(_TYPE_SIZE, [(id(c), id(c.__mro__)) for c in classes], "tp_mro")
    names = [(id(c), id(c.__qualname__)) for c in classes]
    layout.qualname = search.where(_TYPE_SIZE, names, "a class's qualified name")
    proxies = [c.__dict__ for c in classes]
    dicts = [
        (id(c), search.memory.word(id(proxy) + HEAD))
        for c, proxy in zip(classes, proxies, strict=True)
    ]
    layout.dict = search.where(_TYPE_SIZE, dicts, "tp_dict")
    _Outer.Sample()
    layout.cached_keys = search.pointer_to(
        id(_Outer.Sample),
        _TYPE_SIZE,
        lambda word: _is_keys_of_sample(search, word, dict_layout),
        "the keys that instances share",
    )
    return layout


def _dealloc(search: Search, layout: TypeLayout, classes: tuple[type, ...]) -> int:
    """Find the function that frees objects: classes made by Python code share one.

    It is the first member behind the sizes. Source: CPython Include/cpython/object.h.
    """
    offset = max(layout.basicsize, layout.itemsize) + WORD
    shared = {search.memory.word(id(kind) + offset) for kind in classes}
    others = {search.memory.word(id(kind) + offset) for kind in (int, list, dict, type, slice)}
    if len(shared) != 1 or shared & others or 0 in shared:
        raise CalibrationError("how to tell classes made by Python code could not be proven")
    return offset


def _is_keys_of_sample(search: Search, address: int, layout: DictLayout) -> bool:
    if search.memory.byte(address + layout.kind) != layout.shared:
        return False
    index = 1 << search.memory.byte(address + layout.index_bytes)
    if index > 1024:  # noqa: PLR2004 - a sample's index is small; this is no table of keys
        return False
    return search.memory.word(address + layout.header + index) == id("first_attribute")


def calibrate_containers(search: Search) -> ContainerLayout:
    """Find the members of the builtin containers, strings and numbers."""
    layout = ContainerLayout()
    _sequences(search, layout)
    _byte_strings(search, layout)
    _sets(search, layout)
    _numbers(search, layout)
    _strings(search, layout)
    return layout


def _sequences(search: Search, layout: ContainerLayout) -> None:
    three, five = [_FIRST, _SECOND, _THIRD], [_FIRST, _SECOND, _THIRD, _SECOND, _THIRD]
    size = list.__basicsize__
    layout.list_size = search.where(size - WORD, [(id(three), 3), (id(five), 5)], "a list's size")
    layout.list_items = search.pointer_to(
        id(five), size, lambda word: search.words(word, 16) == [id(_FIRST), id(_SECOND)], "items"
    )
    pair, many = (_FIRST, _SECOND), tuple(five)
    samples = [(id(pair), 2), (id(many), 5)]
    layout.tuple_size = search.where(4 * WORD, samples, "a tuple's size")
    layout.tuple_items = search.first(id(pair), 6 * WORD, id(_FIRST), "a tuple's items")


def _byte_strings(search: Search, layout: ContainerLayout) -> None:
    short, long = b"bcd-sample-7", b"bcd-sample-of-19-by"
    layout.bytes_size = search.where(
        3 * WORD, [(id(short), len(short)), (id(long), len(long))], "a bytes object's size"
    )
    data = search.memory.read(id(long), bytes.__basicsize__ + len(long))
    layout.bytes_data = data.index(long)
    array, other = bytearray(b"bcd-sample-of-twenty-5"), bytearray(b"0bcd-sample")
    del other[:1]
    layout.bytearray_size = search.where(
        bytearray.__basicsize__,
        [(id(array), len(array)), (id(other), len(other))],
        "bytearray size",
    )
    layout.bytearray_data = search.pointer_to(
        id(other),
        bytearray.__basicsize__,
        lambda word: search.memory.read(word, len(other)) == bytes(other),
        "a bytearray's data",
    )


def _sets(search: Search, layout: ContainerLayout) -> None:
    small, large = {_FIRST, _SECOND, _THIRD}, {object() for _ in range(20)}
    small.discard(_THIRD)
    large.pop()
    size = 7 * WORD  # the counts and the table's address come before the small table
    layout.set_used = search.where(size, [(id(small), 2), (id(large), 19)], "a set's size")
    masks = [
        offset
        for offset in search.all(id(small), size, 7, HEAD)
        if search.words(id(large) + offset, WORD)[0] in (31, 63, 127)
    ]
    layout.set_mask = only(masks, "a set's mask")
    layout.set_table = search.pointer_to(
        id(small), size, lambda word: id(_FIRST) in search.words(word, 8 * 2 * WORD), "set table"
    )


def _numbers(search: Search, layout: ContainerLayout) -> None:
    number = 1234.5678
    layout.float_value = search.memory.read(id(number), float.__basicsize__).index(
        pack("<d", number)
    )
    digits = (0x123_4567, 0x234_5678, 0x345_6789)
    big = digits[0] | digits[1] << 30 | digits[2] << 60
    layout.int_digits = search.memory.read(id(big), 48).index(pack("<3I", *digits))
    tags = {
        2: [(id(big), 3), (id(number_of_two_digits := 1 << 40), 2)],
        3: [(id(big), 3 << 3), (id(number_of_two_digits), 2 << 3)],
    }
    for samples in tags.values():
        common = [
            offset
            for offset in search.all(samples[0][0], 24, samples[0][1], HEAD)
            if offset in search.all(samples[1][0], 24, samples[1][1], HEAD)
        ]
        if common:
            layout.int_tag = only(common, "an int's size")
            layout.int_tag_shift = 0 if samples[0][1] == 3 else 3  # noqa: PLR2004 - three digits
            return
    raise CalibrationError("where an int keeps its size could not be proven")


class _Text(str):
    __slots__ = ()


def _strings(search: Search, layout: ContainerLayout) -> None:
    # Made at run time, so that none of them is interned: that would change the state bits.
    stem = "bcd sample".replace(" ", "")
    ascii_, latin, two, four = stem + "abc", stem + "é", stem + "€uro", stem + "\U0001f600xyz12"
    header = [(id(text), len(text)) for text in (ascii_, latin, two, four)]
    layout.str_length = search.where(3 * WORD, header, "a string's length")
    layout.str_ascii = search.memory.read(id(ascii_), 96).index(ascii_.encode())
    layout.str_compact = search.memory.read(id(latin), 96).index(latin.encode("latin-1"))
    subclass, other = _Text(ascii_), _Text(latin)
    _string_state(search, layout, [id(ascii_), id(latin), id(two), id(four), id(subclass)])
    layout.str_data = search.pointer_to(
        id(other),
        str.__basicsize__,
        lambda word: search.memory.read(word, len(latin)) == latin.encode("latin-1"),
        "the data of a string of a subclass",
    )


def _string_state(search: Search, layout: ContainerLayout, samples: list[int]) -> None:
    """Find the byte of the state and its bits: kind 1, 2 or 4, compact, ASCII."""
    found = []
    heads = [search.memory.read(sample, layout.str_ascii) for sample in samples]
    for offset in range(layout.str_length + WORD, layout.str_ascii):
        ascii_, latin, two, four, subclass = (head[offset] for head in heads)
        kind, bit = latin ^ two, ascii_ ^ latin
        lowest = kind & -kind
        if kind and kind == 3 * lowest and latin ^ four == 5 * lowest and bit.bit_count() == 1:
            found.append(offset)
            layout.str_kind_shift = lowest.bit_length() - 1
            layout.str_ascii_bit = bit
            layout.str_compact_bit = (ascii_ ^ subclass) & ~bit
    layout.str_state = only(found, "the state of a string")
    if layout.str_compact_bit.bit_count() != 1:
        raise CalibrationError("how a string says that it is compact could not be proven")


def calibrate_dicts(search: Search) -> DictLayout:
    """Find the members of dicts and of their keys.

    Source: CPython Include/internal/pycore_dict.h, PyDictKeysObject: small integers for the
    sizes, then counts, then the index, then the entries.
    """
    layout = DictLayout()
    small: dict[Any, Any] = {"bcd_alpha": _FIRST, "bcd_beta": _SECOND}
    large: dict[Any, Any] = {f"bcd_{number}": _FIRST for number in range(_LARGE)}
    general: dict[Any, Any] = {_FIRST: _SECOND, 7: _THIRD}
    size = dict.__basicsize__
    layout.used = search.where(size, [(id(small), 2), (id(large), _LARGE)], "a dict's size")
    entry = [id("bcd_alpha"), id(_FIRST), id("bcd_beta"), id(_SECOND)]
    layout.keys = search.pointer_to(
        id(small), size, lambda word: _find(search.words(word, 96), entry) >= 0, "a dict's keys"
    )
    _keys(search, layout, (id(small), id(large), id(general)), entry)
    _shared_keys(search, layout)
    return layout


_MANY, _LARGE = 16, 300


def _find(words: list[int], entry: list[int]) -> int:
    for index in range(len(words) - len(entry) + 1):
        if words[index : index + len(entry)] == entry:
            return index * WORD
    return -1


def _keys(search: Search, layout: DictLayout, dicts: tuple[int, ...], entry: list[int]) -> None:
    small, large, general = (search.memory.word(address + layout.keys) for address in dicts)
    entries = _find(search.words(small, 96), entry)
    layout.header = entries - 8  # an index of 8 slots, one byte each
    # 300 entries: an index of 512 slots, two bytes each.
    samples = [(small, 3), (large, 10), (general, 3)]
    layout.index_bytes = search.byte_where(layout.header, samples, "the size of a dict's index")
    counts = [(small, 2), (large, _LARGE), (general, 2)]
    layout.count = search.where(layout.header, counts, "the entries of a dict", start=WORD)
    # Beside the kind are bytes that nobody sets, and that may be anything: hence so many samples.
    held: list[tuple[dict[Any, Any], int]] = [({f"bcd_{n}": n}, 1) for n in range(_MANY)]
    held += [({n: n}, 0) for n in range(_MANY)]
    kinds = [(search.memory.word(id(one) + layout.keys), kind) for one, kind in held]
    kinds += [(small, 1), (large, 1), (general, 0)]
    layout.kind = search.byte_where(
        2 * WORD, kinds, "the kind of a dict's keys", layout.index_bytes + 1
    )
    layout.general, layout.text = 0, 1


def _shared_keys(search: Search, layout: DictLayout) -> None:
    instance = _Outer.Sample()
    shared = id(instance.__dict__)
    # A dict that was asked for may own its keys by now (3.13); a fresh class shows the shared ones.
    layout.shared = 2
    found = []
    for offset in range(layout.keys + WORD, dict.__basicsize__, WORD):
        address = search.memory.word(shared + offset)
        if search.memory.readable(address, 4 * WORD):
            start = _find(search.words(address, 4 * WORD), [id(_FIRST), id(_SECOND)])
            found += [(offset, start)] if start >= 0 else []
    layout.values = only([offset for offset, _ in found], "the values of a split dict")
    layout.first_value = found[0][1]


def calibrate_exceptions(search: Search) -> ExceptionLayout:
    """Find the members of exceptions."""
    layout = ExceptionLayout()
    error = _raised()
    size = BaseException.__basicsize__
    layout.dict = BaseException.__dictoffset__
    for name, value in (
        ("args", error.args),
        ("traceback", error.__traceback__),
        ("context", error.__context__),
        ("cause", error.__cause__),
    ):
        setattr(layout, name, search.one(id(error), size, id(value), f"an exception's {name}"))
    notes = search.all(id(error), size, id(error.__notes__), HEAD)
    layout.notes = notes[0] if notes else -1
    layout.suppress_context = member_offset(search, BaseException.__dict__["__suppress_context__"])
    layout.members = _message_members(search)
    layout.group_exceptions = member_offset(search, BaseExceptionGroup.__dict__["exceptions"])
    return layout


_MESSAGE_MEMBERS = (
    (OSError, ("errno", "strerror", "filename", "filename2")),
    (UnicodeDecodeError, ("encoding", "object", "start", "end", "reason")),
    (SyntaxError, ("msg", "lineno")),
)


def _message_members(search: Search) -> dict[str, int]:
    """Where builtin exceptions keep what their messages are made of; what is no member is left out.

    The three kinds of UnicodeError share one structure.
    """
    found = {}
    for kind, names in _MESSAGE_MEMBERS:
        for name in names:
            descriptor = kind.__dict__.get(name)
            if type(descriptor) is types.MemberDescriptorType:
                found[name] = member_offset(search, descriptor)
    file = SyntaxError.__dict__.get("filename")
    if type(file) is types.MemberDescriptorType:
        found["file"] = member_offset(search, file)
    return found


def _raised() -> BaseException:
    try:
        try:
            raise ValueError("context")  # noqa: TRY301 - the chain is the point
        except ValueError:
            raise KeyError("sample", "of two") from LookupError("cause")
    except KeyError as error:
        error.add_note("note")
        return error


def calibrate_misc(search: Search) -> MiscLayout:
    """Find the pointers in cells, weak references, methods, functions, modules and proxies."""
    layout = MiscLayout()
    content = _Outer.Sample()

    def closure() -> object:
        return content

    (cell,) = closure.__closure__ or ()
    layout.cell = search.one(id(cell), types.CellType.__basicsize__, id(content), "a cell")
    from _weakref import ref  # builtin, and needed only here

    reference = ref(content)
    layout.weakref = search.first(id(reference), ref.__basicsize__, id(content), "a weakref")
    layout.proxy = HEAD
    method: Any = content.__init__  # type: ignore[misc] # a bound method is the sample
    builtin: Any = [_FIRST].append
    layout.method_function = search.one(id(method), 40, id(method.__func__), "a method's function")
    layout.method_self = search.one(id(method), 40, id(content), "a method's object")
    size = type(builtin).__basicsize__
    layout.builtin_definition = search.pointer_to(
        id(builtin), size, lambda word: _is_named(search, word, b"append"), "builtin's definition"
    )
    layout.range_start = member_offset(search, range.__dict__["start"])
    layout.slice_start = member_offset(search, slice.__dict__["start"])
    layout.builtin_self = search.one(id(builtin), size, id(builtin.__self__), "a builtin's object")
    _functions(search, layout, closure)
    layout.module_dict = search.first(
        id(types), types.ModuleType.__basicsize__, id(types.__dict__), "a module's dict"
    )
    descriptor = _Outer.Slotted.__dict__["slot_one"]
    layout.descriptor_name = search.first(id(descriptor), 48, id("slot_one"), "descriptor's name")
    layout.descriptor_member = 3 * WORD + HEAD
    return layout


def _is_named(search: Search, definition: int, name: bytes) -> bool:
    return search.memory.read(search.memory.word(definition), len(name) + 1) == name + b"\0"


def _functions(search: Search, layout: MiscLayout, function: Any) -> None:
    size = types.FunctionType.__basicsize__
    layout.function_code = search.one(id(function), size, id(function.__code__), "function's code")
    layout.function_closure = member_offset(search, types.FunctionType.__dict__["__closure__"])
    from _functools import partial  # type: ignore[import-not-found] # functools takes 2 ms

    layout.partial_args = member_offset(search, partial.__dict__["args"])
    layout.function_qualname = search.first(
        id(function), size, id(function.__qualname__), "a function's qualified name"
    )
