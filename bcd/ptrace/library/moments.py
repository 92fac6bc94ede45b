"""Dates, times, spans and time zones."""

from __future__ import annotations

from _struct import pack, unpack

from bcd.ptrace.calibrate.search import WORD, Search
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.library.forms import form
from bcd.ptrace.objects import TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from typing import Any

    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

_NO_OFFSET = "datetime.timedelta(0)"
HEAD = object.__basicsize__


def datetimes(renderer: Renderer, search: Search) -> Show:
    """Moments, those of subclasses under their names."""
    from _datetime import datetime, timezone  # type: ignore[import-not-found]

    moment = (2031, 7, 21, 13, 14, 15, 987_654)
    samples = (datetime(*moment), datetime(*moment, timezone.utc, fold=1))
    start, zone = _state_and_zone(search, samples, b"\x07\xef\x07\x15\x0d\x0e\x0f\x0f\x12\x06")

    def show(address: int, info: TypeInfo, depth: int) -> str:
        high, low, *rest, fold = renderer.memory.read(address + start, 11)
        value = datetime(high << 8 | low, *rest[:5], _microseconds(rest[5:]), fold=fold)
        text = _of_class(repr(value), renderer, info)
        return _in_zone(renderer, text, address + start - 1, address + zone, depth)

    return show


def _times(renderer: Renderer, search: Search) -> Show:
    from _datetime import time, timezone

    samples = (time(13, 14, 15, 987_654), time(13, 14, 15, 987_654, timezone.utc, fold=1))
    start, zone = _state_and_zone(search, samples, b"\x0d\x0e\x0f\x0f\x12\x06")

    def show(address: int, info: TypeInfo, depth: int) -> str:
        hour, minute, second, *rest, fold = renderer.memory.read(address + start, 7)
        value = time(hour, minute, second, _microseconds(rest), fold=fold)
        text = _of_class(repr(value), renderer, info)
        return _in_zone(renderer, text, address + start - 1, address + zone, depth)

    return show


def _of_class(text: str, renderer: Renderer, info: TypeInfo) -> str:
    """With the name of a subclass, where it is of one."""
    name, _, inside = text.partition("(")
    return text if info.full_name == name else f"{renderer.named.c_name(info)}({inside}"


def _in_zone(renderer: Renderer, text: str, flag: int, zone: int, depth: int) -> str:
    """Add the time zone, if the flag says that there is one."""
    if not renderer.memory.byte(flag):
        return text
    return f"{text[:-1]}, tzinfo={renderer.inner(renderer.memory.word(zone), depth - 1)})"


def _zones(renderer: Renderer, search: Search) -> Show:
    from _datetime import timedelta, timezone

    span, name = timedelta(seconds=4321), "bcd-zone"
    sample = timezone(span, name)
    if search.words(id(sample) + HEAD, 2 * WORD) != [id(span), id(name)]:
        raise CalibrationError("where a time zone keeps its offset could not be proven")

    def show(address: int, _info: TypeInfo, depth: int) -> str:
        offset, label = renderer.memory.words(address + HEAD, 2)
        text = renderer.inner(offset, depth - 1)
        if label:
            return f"datetime.timezone({text}, {renderer.inner(label, depth - 1)})"
        return "datetime.timezone.utc" if text == _NO_OFFSET else f"datetime.timezone({text})"

    return show


def _dates(renderer: Renderer, search: Search) -> Show:
    from _datetime import date

    sample = date(2031, 7, 21)
    data = search.memory.read(id(sample), sample.__sizeof__())
    start = data.index(b"\x07\xef\x07\x15")

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        high, low, month, day = renderer.memory.read(address + start, 4)
        return _of_class(repr(date(high << 8 | low, month, day)), renderer, info)

    return show


def timedeltas(renderer: Renderer, search: Search) -> Show:
    """Spans, likewise."""
    from _datetime import timedelta

    sample = timedelta(-5, 77, 99)
    data = search.memory.read(id(sample), sample.__sizeof__())
    start = data.index(pack("<3i", -5, 77, 99))

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        value = timedelta(*unpack("<3i", renderer.memory.read(address + start, 12)))
        return _of_class(repr(value), renderer, info)

    return show


def _regions(renderer: Renderer, search: Search) -> Show:
    """Time zones by the name of a region."""
    by_attribute = form("zoneinfo.ZoneInfo(key={_key})")(renderer, search)

    def show(address: int, info: TypeInfo, depth: int) -> str:
        if "key" not in renderer.members.of(info):
            return by_attribute(address, info, depth)
        key = renderer.members.pointer(address, info, "key")
        if not key or key == renderer.objects.static(None):
            return renderer.instances.bare(address, info, depth)
        return f"{info.full_name}(key={renderer.inner(key, depth - 1)})"

    return show


def _microseconds(data: list[int]) -> int:
    return data[0] << 16 | data[1] << 8 | data[2]


def _state_and_zone(search: Search, samples: tuple[Any, Any], state: bytes) -> tuple[int, int]:
    """Where a date with time keeps its state and its time zone.

    Before the state is a flag that says whether there is a zone, behind it the fold.
    """
    naive, aware = samples
    data = search.memory.read(id(aware), aware.__sizeof__())
    start = data.index(state)
    zone = search.one(id(aware), aware.__sizeof__(), id(aware.tzinfo), "a time zone")
    flags = search.memory.byte(id(naive) + start - 1), data[start - 1]
    folds = search.memory.byte(id(naive) + start + len(state)), data[start + len(state)]
    if flags != (0, 1) or folds != (0, 1):
        raise CalibrationError("how a time says that it has a zone could not be proven")
    return start, zone


MADE_IN_C: dict[str, Maker] = {
    "datetime.datetime": datetimes,
    "datetime.date": _dates,
    "datetime.time": _times,
    "datetime.timedelta": timedeltas,
    "datetime.timezone": _zones,
}
REPRS: dict[str, Maker] = {
    "zoneinfo.ZoneInfo": _regions,
}
