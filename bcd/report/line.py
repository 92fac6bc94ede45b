"""One line of a report: the only way of a snapshot's text to a terminal.

Everything in a snapshot may come from outside of the program. Whatever could move the cursor,
change colours, answer for the user or turn the reading direction is written as an escape, as
``repr`` does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len, chop_cells
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Part", "cells", "cut", "fold", "line", "printable"]

Part: TypeAlias = "str | tuple[str, str]"
"""Text, or text and its style."""

_LATIN_1 = 0x100
_BASIC_PLANE = 0x10000
_BREAK_AFTER = 0.6


def printable(text: str) -> str:
    """Escape every character that is not plainly visible: controls, marks of direction,
    lone surrogates, odd spaces; what ``repr`` would escape, save quotes and backslashes.
    """  # noqa: D205 - one sentence
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if char in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[char]
    if code < _LATIN_1:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _BASIC_PLANE else f"\\U{code:08x}"


def line(*parts: Part, style: str = "") -> Text:
    """Make a line of printable text.

    Args:
        *parts: Text in its order; all of it is made printable.
        style: Of the whole line, beneath the styles of the parts.
    """
    made = Text(style=style, end="")
    for part in parts:
        text, own = (part, "") if isinstance(part, str) else part
        made.append(printable(text), own or None)
    return made


def cells(text: str) -> int:
    """Tell how many columns of a terminal the text takes once it is printable."""
    return cell_len(printable(text))


def cut(text: str, width: int | None) -> str:
    """Make the text printable and at most ``width`` columns wide; None leaves it long."""
    text = printable(text)
    if width is None or cell_len(text) <= width:
        return text
    return next(_chopped(text, width - 1)) + "…"


def fold(text: str, width: int | None, most: int) -> list[str]:
    """Make the text printable and fold it into lines.

    Args:
        text: One line.
        width: Columns of a line; None does not fold.
        most: How many lines at the utmost; the last one then ends in "…".
    """
    text = printable(text)
    if width is None:
        return [text]
    lines: list[str] = []
    while cell_len(text) > width and len(lines) < most - 1:
        head = _break(next(_chopped(text, width)))
        lines.append(head.rstrip())
        text = text[len(head) :]
    return [*lines, cut(text, width)]


def _break(text: str) -> str:
    """Cut a full line at its last space, unless that lies far from its end."""
    at = text.rfind(" ") + 1
    return text[:at] if at > len(text) * _BREAK_AFTER else text


def _chopped(text: str, width: int) -> Iterator[str]:
    yield from chop_cells(text, max(width, 2))
