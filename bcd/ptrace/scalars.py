"""Numbers and strings as ``repr`` shows them."""

from __future__ import annotations

from _struct import unpack

from bcd.ptrace.objects import BYTES, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.values import Renderer

CUT = "…"
LOOK_AHEAD = 4096
"""Characters of a string that are read to find secrets, though fewer are shown."""


class Scalars:
    """Renders numbers and strings; each method takes an address, its type, and a depth.

    Args:
        renderer: Renders values of the target.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._limits = renderer.limits
        self._redactor = renderer.redactor
        self._objects = renderer.objects
        self._memory = renderer.memory
        self._true = renderer.objects.static(True)

    def boolean(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """``True`` or ``False``."""
        return "True" if address == self._true else "False"

    def integer(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A whole number, unless it is of hundreds of digits."""
        value = self._objects.integer(address)
        if value is None:
            self._renderer.mark_cut()
            return "<int of more than 4,000 bits>"
        return str(value)

    def real(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A number of double precision."""
        offset = self._objects.layout.container.float_value
        return repr(unpack("<d", self._memory.read(address + offset, 8))[0])

    def complex_number(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """Two numbers of double precision."""
        offset = self._objects.layout.container.float_value
        return repr(complex(*unpack("<2d", self._memory.read(address + offset, 16))))

    def text(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A text without its secrets; its length where it is cut."""
        limit = self._limits["string"]
        text, length = self._objects.text(address, max(limit, LOOK_AHEAD))
        shown = self._redactor.text(text)
        if length <= limit or (len(shown) <= limit and length == len(text)):
            return repr(shown)
        self._renderer.mark_cut()
        part = repr(shown[:limit])
        return f"{part[:-1]}{CUT}{part[-1]} ({length:,} characters)"

    def binary(self, address: int, info: TypeInfo, _depth: int) -> str:
        """Bytes or a bytearray without their secrets; the length where they are cut."""
        limit = self._limits["string"]
        raw, length = self._objects.raw_bytes(address, max(limit, LOOK_AHEAD))
        shown = self._redactor.text(raw.decode("latin-1")).encode("latin-1", "replace")
        part = shown[:limit]
        text = repr(part if info.flags & BYTES else bytearray(part))  # they quote differently
        if len(shown) > limit or length > len(raw):
            self._renderer.mark_cut()
            end = 1 if info.flags & BYTES else 2
            text = f"{text[:-end]}{CUT}{text[-end:]} ({length:,} bytes)"
        return text
