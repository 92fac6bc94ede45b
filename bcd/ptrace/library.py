"""Values of the standard library's C types, shown as their ``repr`` shows them.

What they hold is no Python object, so each type is calibrated when the first value of it is
met: with samples of one's own, as ``calibrate`` does for the interpreter itself. A type whose
layout cannot be proven is shown by name and address.
"""

from __future__ import annotations

import os
from _struct import pack, unpack

from bcd.errors import CalibrationError, MemoryFault
from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.memory import LiveMemory
from bcd.ptrace.objects import Objects

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[int], str]

_DECIMAL_BASE_DIGITS = 19
"""Digits in a word of a Decimal's coefficient on 64-bit machines. Source: libmpdec, mpdecimal.h."""
_NEGATIVE, _INFINITE, _NOT_A_NUMBER, _SIGNALLING = 1, 2, 4, 8
"""Bits of ``mpd_t.flags``. Source: libmpdec, mpdecimal.h."""
_LARGEST_COEFFICIENT = 16
_NO_OFFSET = "datetime.timedelta(0)"
HEAD = object.__basicsize__


class Library:
    """Reads values of the standard library's types.

    Args:
        objects: Reads the target's objects.
        render: Renders an inner value of the target.
    """

    def __init__(self, objects: Objects, render: Reader) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._render = render
        self._makers: dict[str, Callable[[Search], Reader]] = {
            "decimal.Decimal": self._decimals,
            "datetime.datetime": self._datetimes,
            "datetime.date": self._dates,
            "datetime.time": self._times,
            "datetime.timedelta": self._timedeltas,
            "uuid.UUID": self._uuids,
        }
        self._readers: dict[str, Reader | None] = {}

    def reader(self, full_name: str) -> Reader | None:
        """What reads values of a type, by its full name; None where nothing here does."""
        if full_name not in self._readers:
            self._readers[full_name] = self._make(full_name)
        return self._readers[full_name]

    def _make(self, full_name: str) -> Reader | None:
        maker = self._makers.get(full_name)
        if maker is None:
            return None
        descriptor = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return maker(Search(LiveMemory(descriptor)))
        except (CalibrationError, MemoryFault, ImportError):
            return None
        finally:
            os.close(descriptor)

    def _decimals(self, search: Search) -> Reader:
        from _decimal import Decimal

        sample = Decimal("-1234567.89")
        words = search.words(id(sample), type(sample).__basicsize__)
        # One after the other: exponent, digits, words used.
        known = [(1 << 64) - 2, 9, 1]
        exponent = only(
            [at * WORD for at in range(len(words) - 4) if words[at : at + 3] == known], "a Decimal"
        )
        data = exponent + 4 * WORD
        if search.memory.word(search.memory.word(id(sample) + data)) != 123456789:  # noqa: PLR2004
            raise CalibrationError("where a Decimal keeps its digits could not be proven")

        def read(address: int) -> str:
            flags = self._memory.byte(address + exponent - WORD)
            if flags & (_INFINITE | _NOT_A_NUMBER | _SIGNALLING):
                return _special_decimal(flags)
            count = self._memory.word(address + exponent + 2 * WORD)
            if count > _LARGEST_COEFFICIENT:
                return f"<Decimal of {self._memory.word(address + exponent + WORD):,} digits>"
            digits = self._memory.words(self._memory.word(address + data), count)
            number = sum(word * 10 ** (_DECIMAL_BASE_DIGITS * at) for at, word in enumerate(digits))
            sign = flags & _NEGATIVE
            value = (sign, tuple(map(int, str(number))), self._memory.int64(address + exponent))
            return repr(Decimal(value))

        return read

    def _datetimes(self, search: Search) -> Reader:
        from _datetime import datetime, timezone  # type: ignore[import-not-found]

        state = b"\x07\xef\x07\x15\x0d\x0e\x0f\x0f\x12\x06"
        moment = (2031, 7, 21, 13, 14, 15, 987_654)
        samples = (datetime(*moment), datetime(*moment, timezone.utc))
        start, zone = _state_and_zone(search, samples, state)

        def read(address: int) -> str:
            high, low, *rest = self._memory.read(address + start, 10)
            value = datetime(high << 8 | low, *rest[:5], _microseconds(rest[5:]))
            return self._in_zone(repr(value), address + start - 1, address + zone)

        return read

    def _times(self, search: Search) -> Reader:
        from _datetime import time, timezone

        samples = (time(13, 14, 15, 987_654), time(13, 14, 15, 987_654, timezone.utc))
        start, zone = _state_and_zone(search, samples, b"\x0d\x0e\x0f\x0f\x12\x06")

        def read(address: int) -> str:
            hour, minute, second, *rest = self._memory.read(address + start, 6)
            value = time(hour, minute, second, _microseconds(rest))
            return self._in_zone(repr(value), address + start - 1, address + zone)

        return read

    def _in_zone(self, text: str, flag: int, zone: int) -> str:
        """Add the time zone, if the flag says that there is one."""
        if not self._memory.byte(flag):
            return text
        return f"{text[:-1]}, tzinfo={self._zone(self._memory.word(zone))})"

    def _zone(self, address: int) -> str:
        text = self._render(address)
        if self._objects.type_of(address).full_name != "datetime.timezone":
            return text
        offset = self._render(self._memory.word(address + HEAD))
        return f"datetime.timezone({offset})" if offset != _NO_OFFSET else "datetime.timezone.utc"

    def _dates(self, search: Search) -> Reader:
        from _datetime import date

        sample = date(2031, 7, 21)
        data = search.memory.read(id(sample), sample.__sizeof__())
        start = data.index(b"\x07\xef\x07\x15")

        def read(address: int) -> str:
            high, low, month, day = self._memory.read(address + start, 4)
            return repr(date(high << 8 | low, month, day))

        return read

    def _timedeltas(self, search: Search) -> Reader:
        from _datetime import timedelta

        sample = timedelta(-5, 77, 99)
        data = search.memory.read(id(sample), sample.__sizeof__())
        start = data.index(pack("<3i", -5, 77, 99))

        def read(address: int) -> str:
            return repr(timedelta(*unpack("<3i", self._memory.read(address + start, 12))))

        return read

    def _uuids(self, _search: Search) -> Reader:
        def read(address: int) -> str:
            value = self._objects.attribute(address, "int")
            number = self._objects.integer(value) if value else None
            if number is None:
                raise MemoryFault(f"no UUID at {address:#x}")
            digits = f"{number:032x}"
            parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
            return f"UUID('{'-'.join(parts)}')"

        return read


def _special_decimal(flags: int) -> str:
    sign = "-" if flags & _NEGATIVE else ""
    if flags & _INFINITE:
        return f"Decimal('{sign}Infinity')"
    return f"Decimal('{sign}{'s' if flags & _SIGNALLING else ''}NaN')"


def _microseconds(data: list[int]) -> int:
    return data[0] << 16 | data[1] << 8 | data[2]


def _state_and_zone(search: Search, samples: tuple[Any, Any], state: bytes) -> tuple[int, int]:
    """Where a date with time keeps its state and its time zone; before the state is a flag."""
    naive, aware = samples
    data = search.memory.read(id(aware), aware.__sizeof__())
    start = data.index(state)
    zone = search.one(id(aware), aware.__sizeof__(), id(aware.tzinfo), "a time zone")
    flags = search.memory.byte(id(naive) + start - 1), data[start - 1]
    if flags != (0, 1):
        raise CalibrationError("how a time says that it has a zone could not be proven")
    return start, zone
