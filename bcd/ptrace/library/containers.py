"""The containers of ``collections``."""

from __future__ import annotations

import sys

from bcd.ptrace.calibrate.search import WORD, Search
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.library.forms import attribute, form
from bcd.ptrace.objects import INT, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

HEAD = object.__basicsize__
_BLOCK = 64
"""Items of one block of a deque. Source: CPython Modules/_collectionsmodule.c, BLOCKLEN."""


def _deques(renderer: Renderer, search: Search) -> Show:
    layout = _DequeLayout(search)
    memory = renderer.memory

    def walk(address: int) -> Iterator[int]:
        size = memory.word(address + 2 * WORD)
        block, at = (memory.word(address + layout.block), memory.word(address + layout.index))
        for _ in range(size):
            if at >= _BLOCK:
                block, at = memory.word(block + layout.items + _BLOCK * WORD), 0
            yield memory.word(block + layout.items + at * WORD)
            at += 1

    def show(address: int, info: TypeInfo, depth: int) -> str:
        if renderer.stands_for(address, 1):
            return "[...]"
        size = memory.word(address + 2 * WORD)
        limit = memory.int64(address + layout.most)
        items = [item for item, _ in zip(walk(address), range(renderer.limits["items"]))]  # noqa: B905
        inside = renderer.items(address, items, size, depth) if size else ""
        return f"{info.short}([{inside}]{f', maxlen={limit}' if limit >= 0 else ''})"

    return show


class _DequeLayout:
    """Where a deque keeps its first block, its place in it, and its limit.

    Source: CPython Modules/_collectionsmodule.c, dequeobject: leftblock, rightblock, leftindex,
    rightindex, state, maxlen.
    """

    def __init__(self, search: Search) -> None:
        from _collections import deque  # type: ignore[import-not-found]

        marks = [object() for _ in range(100)]
        sample = deque(marks, 4567)
        sample.popleft()
        size = type(sample).__basicsize__
        first = [id(mark) for mark in marks[1:3]]
        self.most = search.one(id(sample), size, 4567, "the limit of a deque")
        self.block, self.index = 3 * WORD, 5 * WORD
        block, _, index, _ = search.words(id(sample) + self.block, 4 * WORD)
        for items in (0, WORD):
            if search.words(block + items + index * WORD, 2 * WORD) == first:
                self.items = items
                break
        else:
            raise CalibrationError("where a deque keeps its items could not be proven")
        following = search.memory.word(block + self.items + _BLOCK * WORD)
        there = search.memory.word(following + self.items)
        length = search.memory.word(id(sample) + HEAD)
        if there != id(marks[_BLOCK - index + 1]) or length != len(sample):
            raise CalibrationError("how the blocks of a deque hang together could not be proven")


def _ordered_dicts(renderer: Renderer, search: Search) -> Show:
    walk = _order(renderer, search)

    def show(address: int, info: TypeInfo, depth: int) -> str:
        size = renderer.objects.dict_size(address)
        if not size:
            return f"{info.short}()"
        pairs = walk(address)
        if sys.version_info >= (3, 12):
            return f"{info.short}({renderer.pairs(address, pairs, size, depth)})"
        return f"{info.short}([{renderer.tuples(address, pairs, size, depth)}])"

    return show


def _order(renderer: Renderer, search: Search) -> _Order:
    return _Order(renderer, search)


class _Order:
    """Reads an ordered dict in its own order, which moving an item to the end changes.

    Source: CPython Objects/odictobject.c, _odictnode: key, hash, next, previous.
    """

    def __init__(self, renderer: Renderer, search: Search) -> None:
        from _collections import OrderedDict

        self._renderer = renderer
        sample = OrderedDict(one=1, two=2, three=3)
        sample.move_to_end("one")
        first = search.pointer_to(
            id(sample),
            type(sample).__basicsize__,
            lambda word: search.memory.word(word) == id("two"),
            "the order of an ordered dict",
            dict.__basicsize__,
        )
        node = search.memory.word(id(sample) + first)
        following = search.memory.word(node + 2 * WORD)
        if search.memory.word(following) != id("three"):
            raise CalibrationError("the order of an ordered dict could not be proven")
        self._first = first

    def __call__(self, address: int) -> list[tuple[int, int]]:
        """(key, value) addresses, so many as are looked at."""
        memory = self._renderer.memory
        values = dict(self._renderer.entries(address))
        found: list[tuple[int, int]] = []
        node = memory.word(address + self._first)
        for _ in range(len(values)):
            if not node:
                break
            key, _, node = memory.words(node, 3)
            if key in values:  # else it is beyond those that may be looked at
                found.append((key, values[key]))
        return found


def _ordered_views(renderer: Renderer, search: Search) -> Show:
    walk = _order(renderer, search)

    def show(address: int, info: TypeInfo, depth: int) -> str:
        mapping = renderer.memory.word(address + HEAD)
        pairs, size = walk(mapping), renderer.objects.dict_size(mapping)
        return renderer.view(mapping, info, pairs, size, depth)

    return show


def _default_dicts(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        factory = renderer.members.pointer(address, info, "default_factory")
        made_by = renderer.inner(factory, depth - 1) if factory else "None"
        return f"{info.short}({made_by}, {renderer.mapping(address, info, depth)})"

    return show


def _counters(renderer: Renderer, _search: Search) -> Show:
    """The most common first, where the counts are numbers."""
    objects = renderer.objects

    def show(address: int, info: TypeInfo, depth: int) -> str:
        size = objects.dict_size(address)
        if not size:
            return f"{info.short}()"
        pairs = list(renderer.entries(address))
        counts = [_count(renderer, value) for _, value in pairs]
        if None not in counts:
            order = sorted(range(len(pairs)), key=lambda at: counts[at] or 0, reverse=True)
            pairs = [pairs[at] for at in order]
        return f"{info.short}({renderer.pairs(address, pairs, size, depth)})"

    return show


def _count(renderer: Renderer, address: int) -> float | None:
    """A count, None where it is no number that can be compared."""
    if renderer.objects.type_of(address).flags & INT:
        return renderer.objects.integer(address)
    if renderer.objects.type_address(address) == renderer.objects.static(float):
        return float(renderer.inner(address, 0))
    return None


def _chains(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        maps = attribute(renderer, address, "maps")
        items, size = renderer.objects.sequence(maps, renderer.limits["items"])
        return f"{info.short}({renderer.items(address, items, size, depth)})"

    return show


_DATA = form("{data}")

MADE_IN_C: dict[str, Maker] = {
    "collections.deque": _deques,
    "collections.OrderedDict": _ordered_dicts,
    "odict_keys": _ordered_views,
    "odict_values": _ordered_views,
    "odict_items": _ordered_views,
    "collections.defaultdict": _default_dicts,
}
REPRS: dict[str, Maker] = {
    "collections.Counter": _counters,
    "collections.ChainMap": _chains,
    "collections.UserDict": _DATA,
    "collections.UserList": _DATA,
    "collections.UserString": _DATA,
}
