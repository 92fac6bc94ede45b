"""Decimals, fractions and arrays of numbers."""

from __future__ import annotations

from _struct import calcsize, unpack

from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.errors import CalibrationError, MemoryFault
from bcd.ptrace.library.forms import form
from bcd.ptrace.objects import TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.library import Maker
    from bcd.ptrace.memory import Memory
    from bcd.ptrace.values import Renderer, Show

_DECIMAL_BASE_DIGITS = 19
"""Digits in a word of a Decimal's coefficient on 64-bit machines. Source: libmpdec, mpdecimal.h."""
_NEGATIVE, _INFINITE, _NOT_A_NUMBER, _SIGNALLING = 1, 2, 4, 8
"""Bits of ``mpd_t.flags``. Source: libmpdec, mpdecimal.h."""
_LARGEST_COEFFICIENT = 16
_COEFFICIENT = 123456789


def _decimals(renderer: Renderer, search: Search) -> Show:
    from _decimal import Decimal

    exponent, data = _decimal_layout(search, Decimal("-1234567.89"))
    memory = renderer.memory

    def show(address: int, _info: TypeInfo, _depth: int) -> str:
        flags = memory.byte(address + exponent - WORD)
        count = memory.word(address + exponent + 2 * WORD)
        if flags & _INFINITE:
            return f"Decimal('{'-' if flags & _NEGATIVE else ''}Infinity')"
        if count > _LARGEST_COEFFICIENT:
            renderer.mark_cut()
            return f"<Decimal of {memory.word(address + exponent + WORD):,} digits>"
        words = memory.words(memory.word(address + data), count) if count else ()
        number = sum(word * 10 ** (_DECIMAL_BASE_DIGITS * at) for at, word in enumerate(words))
        if flags & (_NOT_A_NUMBER | _SIGNALLING):
            has_payload = memory.word(address + exponent + WORD) > 0
            return _not_a_number(flags, str(number) if has_payload else "")
        digits = tuple(map(int, str(number)))
        return repr(Decimal((flags & _NEGATIVE, digits, memory.int64(address + exponent))))

    return show


def _decimal_layout(search: Search, sample: object) -> tuple[int, int]:
    """Where a Decimal keeps its exponent, and the pointer to its digits."""
    words = search.words(id(sample), type(sample).__basicsize__)
    # One after the other: exponent, digits, words used.
    known = [(1 << 64) - 2, 9, 1]
    places = [at * WORD for at in range(len(words) - 4) if words[at : at + 3] == known]
    exponent = only(places, "a Decimal")
    data = exponent + 4 * WORD
    if search.memory.word(search.memory.word(id(sample) + data)) != _COEFFICIENT:
        raise CalibrationError("where a Decimal keeps its digits could not be proven")
    return exponent, data


def _not_a_number(flags: int, payload: str) -> str:
    sign = "-" if flags & _NEGATIVE else ""
    return f"Decimal('{sign}{'s' if flags & _SIGNALLING else ''}NaN{payload}')"


_CODES = {"u": "I", "w": "I", "l": "q", "L": "Q"}
"""Type codes of arrays that ``struct`` calls otherwise, in its standard sizes."""


def _arrays(renderer: Renderer, search: Search) -> Show:
    from array import array

    sample = array("d", [1234.5, 5678.25, 9.0])
    size = type(sample).__basicsize__
    data = search.pointer_to(
        id(sample), size, lambda word: search.memory.read(word, 24) == sample.tobytes(), "an array"
    )
    code = search.pointer_to(
        id(sample), size, lambda word: search.memory.read(word, 1) == b"d", "an array's type"
    )
    memory = renderer.memory

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        letter = chr(memory.byte(memory.word(address + code)))
        size = memory.word(address + 2 * WORD)
        if not size:
            return f"{info.short}('{letter}')"
        text = letter in "uw"
        most = renderer.limits["string" if text else "items"]
        start = memory.word(address + data)
        items = _read_items(memory, start, _CODES.get(letter, letter), min(size, most))
        if text:
            return f"{info.short}('{letter}', {_array_text(renderer, items, size)})"
        return f"{info.short}('{letter}', [{renderer.join(list(map(repr, items)), size)}])"

    return show


def _read_items(memory: Memory, start: int, code: str, count: int) -> list[object]:
    if code not in "bBhHiIqQfd":
        raise MemoryFault(f"no array of {code!r}")
    form_ = f"<{count}{code}"
    return list(unpack(form_, memory.read(start, calcsize(form_))))


def _array_text(renderer: Renderer, items: list[object], size: int) -> str:
    text = renderer.redactor.text("".join(chr(item) for item in items if isinstance(item, int)))
    if size <= len(items):
        return repr(text)
    renderer.mark_cut()
    return f"{repr(text)[:-1]}…' ({size:,} characters)"


MADE_IN_C: dict[str, Maker] = {
    "decimal.Decimal": _decimals,
    "array.array": _arrays,
}
REPRS: dict[str, Maker] = {
    "fractions.Fraction": form("{%}({_numerator}, {_denominator})"),
}
