"""What stands for a text: paths, network addresses, UUIDs, patterns and what they matched."""

from __future__ import annotations

import sys

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.library.forms import attribute, number
from bcd.ptrace.objects import STR, WORD, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.ptrace.calibrate.search import Search
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

_FLAGS = (
    (1, "TEMPLATE"),
    (2, "IGNORECASE"),
    (4, "LOCALE"),
    (8, "MULTILINE"),
    (16, "DOTALL"),
    (32, "UNICODE"),
    (64, "VERBOSE"),
    (128, "DEBUG"),
    (256, "ASCII"),
)
"""Source: CPython Modules/_sre/sre.c, pattern_repr, which has this order."""

_UNICODE, _KINDS_OF_TEXT = 32, 4 | 32 | 256
_LONGEST_PATTERN, _LONGEST_MATCH = 200, 50
"""Characters that the C code itself shows: ``%.200R`` and ``%.50R``."""

_GROUPS_OF_V6, _GROUP_BITS = 8, 16
_LONGEST_PATH = 4096


def _uuids(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, _depth: int) -> str:
        digits = f"{number(renderer, address, 'int'):032x}"
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return f"{info.short}('{'-'.join(parts)}')"

    return show


# Paths: what of them is there depends on what was asked of them, and on the version.


def _paths(renderer: Renderer, _search: Search) -> Show:
    objects = renderer.objects

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        held = dict(objects.attributes(address))
        text = _path_text(renderer, held)
        if "Windows" in info.name:
            text = text.replace("\\", "/")
        return f"{info.short}({renderer.redactor.text(text)!r})"

    return show


def _path_text(renderer: Renderer, held: dict[str, int]) -> str:
    if "_str" in held:
        return _text(renderer, held["_str"])
    if "_parts" in held:  # 3.11
        anchor = _text(renderer, held["_drv"]) + _text(renderer, held["_root"])
        parts = _texts(renderer, held["_parts"])
        return anchor + "/".join(parts[1:] if anchor else parts) or "."
    if "_tail_cached" in held:
        anchor = _text(renderer, held["_drv"]) + _text(renderer, held["_root"])
        return anchor + "/".join(_texts(renderer, held["_tail_cached"])) or "."
    return _joined(_texts(renderer, held["_raw_paths"]))


def _joined(given: list[str]) -> str:
    """What pathlib makes of the parts that it was given, on POSIX."""
    text = ""
    for part in given:
        if part.startswith("/") or not text:
            text = part or text
        elif part:
            text += part if text.endswith("/") else f"/{part}"
    root = text[: len(text) - len(text.lstrip("/"))]
    root = "//" if len(root) == len("//") else root[:1]
    return root + "/".join(part for part in text.split("/") if part not in ("", ".")) or "."


def _text(renderer: Renderer, address: int) -> str:
    return renderer.objects.text(address, _LONGEST_PATH)[0]


def _texts(renderer: Renderer, sequence: int) -> list[str]:
    items, _ = renderer.objects.sequence(sequence, 1000)
    return [_text(renderer, item) for item in items]


# Network addresses: numbers, and the length of a prefix.


def _version_4(value: int) -> str:
    return ".".join(map(str, value.to_bytes(4, "big")))


def _version_6(value: int) -> str:
    """The shortest form: of the longest runs of zeros, the first is left out."""
    if value >> 32 == 0xFFFF and sys.version_info >= (3, 13):  # noqa: PLR2004 - the prefix of mapped addresses
        return f"::ffff:{_version_4(value & 0xFFFFFFFF)}"
    shifts = range((_GROUPS_OF_V6 - 1) * _GROUP_BITS, -1, -_GROUP_BITS)
    groups = [f"{value >> shift & 0xFFFF:x}" for shift in shifts]
    start, length = _longest_zeros(groups)
    if length < 2:  # noqa: PLR2004 - a single zero is written
        return ":".join(groups)
    return f"{':'.join(groups[:start])}::{':'.join(groups[start + length :])}"


def _longest_zeros(groups: Sequence[str]) -> tuple[int, int]:
    best = (0, 0)
    start = 0
    for index, group in enumerate([*groups, "end"]):
        if group != "0":
            if index - start > best[1]:
                best = (start, index - start)
            start = index + 1
    return best


def _addresses(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, _depth: int) -> str:
        return f"{info.short}('{_address_text(renderer, address)}')"

    return show


def _address_text(renderer: Renderer, address: int) -> str:
    value = number(renderer, address, "_ip")
    held = dict(renderer.objects.attributes(address))
    if "_scope_id" not in held:
        return _version_4(value)
    none = renderer.objects.static(None)
    scope = f"%{_text(renderer, held['_scope_id'])}" if held["_scope_id"] != none else ""
    return _version_6(value) + scope


def _interfaces(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, _depth: int) -> str:
        length = number(renderer, address, "_prefixlen")
        return f"{info.short}('{_address_text(renderer, address)}/{length}')"

    return show


def _networks(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, _depth: int) -> str:
        first = attribute(renderer, address, "network_address")
        length = number(renderer, address, "_prefixlen")
        return f"{info.short}('{_address_text(renderer, first)}/{length}')"

    return show


# Regular expressions


def _patterns(renderer: Renderer, _search: Search) -> Show:
    def show(address: int, info: TypeInfo, depth: int) -> str:
        pattern = renderer.members.pointer(address, info, "pattern")
        flags = int(renderer.members.number(address, info, "flags"))
        if renderer.objects.type_of(pattern).flags & STR and flags & _KINDS_OF_TEXT == _UNICODE:
            flags &= ~_UNICODE
        names = [f"re.{name}" for bit, name in _FLAGS if flags & bit]
        text = renderer.inner(pattern, depth - 1)[:_LONGEST_PATTERN]
        return f"re.compile({', '.join([text, *(['|'.join(names)] if names else [])])})"

    return show


def _matches(renderer: Renderer, _search: Search) -> Show:
    """Source: CPython Modules/_sre/sre.h, MatchObject: the marks are the last member."""

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        start, end = renderer.memory.words(address + info.basicsize - WORD, 2)
        string = renderer.members.pointer(address, info, "string")
        if not start <= end <= 1 << 40:
            raise MemoryFault(f"no match at {address:#x}")
        text = repr(_slice(renderer, string, start, end))[:_LONGEST_MATCH]
        return f"<re.Match object; span=({start}, {end}), match={text}>"

    return show


def _slice(renderer: Renderer, string: int, start: int, end: int) -> str | bytes:
    """A part of a text or of bytes, so much of it as is shown, without its secrets."""
    end = min(end, start + _LONGEST_MATCH)
    if end > _LONGEST_PATH * 16:
        raise MemoryFault("a match so far on is not looked for")
    if renderer.objects.type_of(string).flags & STR:
        text = renderer.objects.text(string, end)[0][start:end]
        return renderer.redactor.text(text)
    return renderer.objects.raw_bytes(string, end)[0][start:end]


def _environments(renderer: Renderer, _search: Search) -> Show:
    """The environment holds secrets under any name: only its size is shown."""

    def show(address: int, _info: TypeInfo, _depth: int) -> str:
        data = attribute(renderer, address, "_data")
        return f"<environ of {renderer.objects.dict_size(data)} variables>"

    return show


_PATH_CLASSES = [
    f"{module}.{name}"
    for module in ("pathlib", "pathlib._local")
    for name in ("PurePath", "PurePosixPath", "PureWindowsPath", "Path", "PosixPath", "WindowsPath")
]

MADE_IN_C: dict[str, Maker] = {
    "re.Pattern": _patterns,
    "re.Match": _matches,
}
REPRS: dict[str, Maker] = {
    "uuid.UUID": _uuids,
    **dict.fromkeys(_PATH_CLASSES, _paths),
    "ipaddress.IPv4Address": _addresses,
    "ipaddress.IPv6Address": _addresses,
    "ipaddress.IPv4Interface": _interfaces,
    "ipaddress.IPv6Interface": _interfaces,
    "ipaddress.IPv4Network": _networks,
    "ipaddress.IPv6Network": _networks,
}
FIELDS: dict[str, Maker] = {"os._Environ": _environments}
