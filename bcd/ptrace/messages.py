"""The messages of exceptions: what ``str`` would say, without running any of their code."""

from __future__ import annotations

from bcd.ptrace.objects import STR, TUPLE, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.ptrace.target import Target

_FARTHEST = 1 << 20
"""Characters of a text that are read to show the one that could not be encoded."""

_ONE_BYTE, _TWO_BYTES = 0xFF, 0xFFFF


class Messages:
    """Makes the messages of the target's exceptions.

    Args:
        target: The process that is read.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._memory = target.memory
        self._objects = target.objects
        self._layout = target.layout.exception
        self._special: tuple[tuple[type, Callable[[int, tuple[int, ...]], str | None]], ...] = (
            (KeyError, self._key_error),
            (OSError, self._os_error),
            (UnicodeDecodeError, self._undecodable),
            (UnicodeEncodeError, self._unencodable),
            (UnicodeTranslateError, self._untranslatable),
            (SyntaxError, self._syntax_error),
            (BaseExceptionGroup, self._group),
        )

    def message(self, address: int, info: TypeInfo) -> str:
        """What ``str`` would give for an exception that has no ``__str__`` of its own."""
        args = self._memory.word(address + self._layout.args)
        if not args or not self._objects.type_of(args).flags & TUPLE:
            return ""
        items, size = self._objects.sequence(args, self._target.limits["items"])
        if "__str__" in info.marks:
            self._target.remarks.note(
                f"{info.full_name} has a __str__ of its own, which was not run:"
                " its message is made of its arguments"
            )
        else:
            for kind, make in self._special:
                special = make(address, items) if self._objects.is_a(info, kind) else None
                if special is not None:
                    return special
        if size == 1:
            return self.text(items[0])
        return self._target.renderer.render(args) if size else ""

    def text(self, address: int) -> str:
        """What ``str()`` would give: a string as it is, anything else as ``repr`` shows it."""
        if not self._objects.type_of(address).flags & STR:
            return self._target.renderer.render(address)
        text, length = self._objects.text(address, self._target.limits["message"] + 1)
        return self.bounded(text, length)

    def bounded(self, text: str, length: int | None = None) -> str:
        """A message within the limit; ``length`` where more of it was not even read."""
        limit = self._target.limits["message"]
        if len(text) <= limit:
            return text
        size = len(text) if length is None else length
        self._target.remarks.cut(f"a message of {size:,} characters, {limit:,} kept")
        return f"{text[:limit]}…"

    # Source for what follows: CPython Objects/exceptions.c, the functions …_str, 3.11 to 3.13.

    def _member(self, address: int, name: str) -> int:
        """The word of a member, 0 where it is null or this interpreter has no such member."""
        offset = self._layout.members.get(name)
        return 0 if offset is None else self._memory.word(address + offset)

    def _key_error(self, _address: int, args: tuple[int, ...]) -> str | None:
        return self._target.renderer.render(args[0]) if len(args) == 1 else None

    def _group(self, _address: int, args: tuple[int, ...]) -> str | None:
        if len(args) < 2:  # noqa: PLR2004 - the message and the exceptions
            return None
        count = self._objects.sequence(args[1], 1)[1]
        return f"{self.text(args[0])} ({count} sub-exception{'s' if count != 1 else ''})"

    def _os_error(self, address: int, _args: tuple[int, ...]) -> str | None:
        render = self._target.renderer.render
        number, reason, first, second = (
            self._member(address, name) for name in ("errno", "strerror", "filename", "filename2")
        )
        if not first and not (number and reason):
            return None
        text = f"[Errno {self._or_none(number)}] {self._or_none(reason)}"
        if first:
            text += f": {render(first)}"
            text += f" -> {render(second)}" if second else ""
        return text

    def _or_none(self, address: int) -> str:
        return self.text(address) if address else "None"

    def _undecodable(self, address: int, _args: tuple[int, ...]) -> str | None:
        subject = self._member(address, "object")
        if not subject:
            return None
        start, end = self._member(address, "start"), self._member(address, "end")
        head = f"'{self._or_none(self._member(address, 'encoding'))}' codec can't decode byte"
        one = start < self._objects.raw_bytes(subject, 0)[1] and end == start + 1
        data = subject + self._target.layout.container.bytes_data
        what = f" {self._memory.byte(data + start):#04x}" if one else "s"
        return f"{head}{what} {self._where(address, start, end, one=one)}"

    def _unencodable(self, address: int, args: tuple[int, ...]) -> str | None:
        text = self._untranslatable(address, args)
        if text is None:
            return None
        codec = self._or_none(self._member(address, "encoding"))
        return f"'{codec}' codec {text.replace('translate', 'encode', 1)}"

    def _untranslatable(self, address: int, _args: tuple[int, ...]) -> str | None:
        subject = self._member(address, "object")
        if not subject:
            return None
        start, end = self._member(address, "start"), self._member(address, "end")
        text, _ = self._objects.text(subject, min(start, _FARTHEST) + 1)
        one = start < len(text) and end == start + 1
        what = f" '{_escaped(ord(text[start]))}'" if one else "s"
        return f"can't translate character{what} {self._where(address, start, end, one=one)}"

    def _where(self, address: int, start: int, end: int, *, one: bool) -> str:
        position = str(start) if one else f"{start}-{end - 1}"
        return f"in position {position}: {self._or_none(self._member(address, 'reason'))}"

    def _syntax_error(self, address: int, _args: tuple[int, ...]) -> str | None:
        if "msg" not in self._layout.members:
            return None
        place = []
        file, line = self._member(address, "file"), self._member(address, "lineno")
        if file and self._objects.type_of(file).flags & STR:
            place.append(self.text(file).rpartition("/")[2])
        if line and self._objects.type_address(line) == self._objects.static(int):
            place.append(f"line {self._objects.integer(line)}")
        text = self._or_none(self._member(address, "msg"))
        return f"{text} ({', '.join(place)})" if place else text


def _escaped(code: int) -> str:
    if code <= _ONE_BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _TWO_BYTES else f"\\U{code:08x}"
