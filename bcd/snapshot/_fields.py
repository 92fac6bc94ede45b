"""Data class ↔ dict, field by field, from the hints of the data classes of the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from bcd.snapshot.model import SourceLines

__all__ = ["Misfit", "dump", "read", "time_text"]

_T = TypeVar("_T")
_Reader = Callable[[object], Any]
_LINE_DIGITS = 9


class Misfit(ValueError):  # noqa: N818 - not an error that anybody sees
    """A value that does not fit the model; the path grows on the way out."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.path = ""

    def inside(self, step: str) -> Misfit:
        """Say that it lies inside of ``step``."""
        self.path = f"{step}{self.path}"
        return self

    def __str__(self) -> str:
        return f"{self.path.removeprefix('.') or 'the document'} {self.wanted}"


def read(kind: Callable[..., _T], value: object) -> _T:
    """Make an instance of the data class ``kind``.

    Raises:
        Misfit: The value, or one inside of it, does not fit.
    """
    made: _T = _reader(kind)(value)
    return made


def dump(value: Any) -> Any:
    """Turn a value of the model into JSON's types."""
    if type(value) in _PLAIN:  # most are: none of the questions below
        return value
    if isinstance(value, SourceLines):
        return _dump_source(value)
    if is_dataclass(value):
        pairs = [(each, getattr(value, each.name)) for each in fields(value)]
        return {each.name: dump(item) for each, item in pairs if item != each.default}
    if isinstance(value, tuple):
        return [dump(item) for item in value]
    if isinstance(value, Mapping):
        return {key: dump(item) for key, item in value.items()}
    return time_text(value) if isinstance(value, datetime) else value


def time_text(moment: datetime) -> str:
    """Write a time as RFC 3339 does, in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@cache
def _reader(kind: Any) -> _Reader:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if is_dataclass(kind):
        return _record_reader(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple_reader(_reader(arguments[0]))
    if origin is Mapping:
        return _mapping_reader(_reader(arguments[1]))
    if origin is UnionType and NoneType in arguments:
        (inner,) = (each for each in arguments if each is not NoneType)
        return _optional_reader(_reader(inner))
    raise TypeError(f"the model uses {kind}, which the codec does not know")


def _record_reader(kind: Any) -> _Reader:
    hints = get_type_hints(kind)
    plan = [(each.name, _reader(hints[each.name]), _is_required(each)) for each in fields(kind)]

    def read_record(value: object) -> Any:
        if not isinstance(value, dict):
            raise Misfit("must be an object")
        arguments = {}
        for name, reader, required in plan:
            if name in value:
                arguments[name] = _inside(f".{name}", reader, value[name])
            elif required:
                raise Misfit(f'lacks the key "{name}"')
        return kind(**arguments)

    return read_record


def _is_required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _tuple_reader(item: _Reader) -> _Reader:
    def read_tuple(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Misfit("must be an array")
        return tuple([_inside(f"[{index}]", item, each) for index, each in enumerate(value)])

    return read_tuple


def _mapping_reader(item: _Reader) -> _Reader:
    def read_mapping(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Misfit("must be an object")
        return {key: _inside(f'["{key}"]', item, each) for key, each in value.items()}

    return read_mapping


def _optional_reader(inner: _Reader) -> _Reader:
    def read_optional(value: object) -> Any:
        return None if value is None else inner(value)

    return read_optional


def _inside(step: str, reader: _Reader, value: object) -> Any:
    try:
        return reader(value)
    except Misfit as misfit:
        raise misfit.inside(step) from None


def _read_str(value: object) -> str:
    if not isinstance(value, str):
        raise Misfit("must be a string")
    return value


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise Misfit("must be true or false")
    return value


def _read_int(value: object) -> int:
    if type(value) is not int or not -_WORD < value < _WORD:
        raise Misfit("must be an integer of at most 64 bits")
    return value


def _read_number(value: object) -> int | float:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and -_WORD < value < _WORD:
        return value
    raise Misfit("must be a finite number")


def _read_time(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(_read_str(value))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Misfit("must be a time as RFC 3339 writes it") from None


def _read_source(value: object) -> SourceLines:
    if not isinstance(value, dict):
        raise Misfit("must be an object")
    lines = {
        int(key): _inside(f'["{key}"]', _read_str, text)
        for key, text in value.items()
        if key.isascii() and key.isdigit() and len(key) <= _LINE_DIGITS
    }
    return SourceLines(lines=lines, changed=value.get("changed") is True)


def _dump_source(source: SourceLines) -> dict[str, object]:
    lines: dict[str, object] = {str(number): text for number, text in source.lines.items()}
    return lines | {"changed": True} if source.changed else lines


_PLAIN = frozenset({str, int, float, bool, NoneType})
_WORD = 1 << 64

_SCALARS: dict[Any, _Reader] = {
    str: _read_str,
    bool: _read_bool,
    int: _read_int,
    float: _read_number,
    int | float: _read_number,
    datetime: _read_time,
    SourceLines: _read_source,
}
