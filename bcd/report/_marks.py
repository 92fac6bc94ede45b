"""The ``~~~^^^`` under a source line that show which part of it was being evaluated.

Source: ``_extract_caret_anchors_from_line_segment`` in Lib/traceback.py of CPython 3.13.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bcd.report.line import cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bcd.snapshot.model import Frame

__all__ = ["marked_characters", "marks", "visible"]

_Place: TypeAlias = tuple[int, int]
"""Line number and column in UTF-8 bytes."""

_LONGEST = 4000
_TAB = "    "
_PLAIN_ARGUMENT = (ast.Call, ast.BinOp, ast.Subscript)


@dataclass(frozen=True, slots=True)
class _Range:
    begin: _Place
    end: _Place

    def __contains__(self, place: _Place) -> bool:
        return self.begin <= place < self.end


def visible(text: str) -> str:
    """Return a source line as it is shown: tabs as spaces."""
    return text.replace("\t", _TAB)


def marks(frame: Frame, lines: Mapping[int, str]) -> dict[int, str]:
    """Mark the expression of a frame.

    Args:
        frame: Its columns are UTF-8 bytes.
        lines: The lines of its file that are known.

    Returns:
        Line number → marks, in columns of a terminal, under the whole visible line. Empty
        where there are no columns, or where the marks would say nothing.
    """
    drawn = {
        number: "".join(mark * cells(visible(char)) for char, mark in marked).rstrip()
        for number, marked in marked_characters(frame, lines).items()
    }
    return {number: text for number, text in drawn.items() if text}


def marked_characters(
    frame: Frame, lines: Mapping[int, str]
) -> dict[int, Sequence[tuple[str, str]]]:
    """Give each character of the expression's lines its mark: ``^``, ``~`` or a space.

    Args:
        frame: Its columns are UTF-8 bytes.
        lines: The lines of its file that are known.

    Returns:
        Line number → the characters of the whole line in their order; empty as for :func:`marks`.
    """
    whole = _range(frame)
    if whole is None or any(number not in lines for number in _numbers(whole)):
        return {}
    try:
        node = _parse(_segment(whole, lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        node = None
    anchor = _anchor(node, whole, lines)
    covers = _covers_all(whole, lines)
    if (covers and anchor is None) or (_is_plain_call(node) and _is_statement(whole, lines)):
        return {}
    return {number: list(_mark(number, lines[number], whole, anchor)) for number in _numbers(whole)}


def _range(frame: Frame) -> _Range | None:
    places = (frame.line, frame.column, frame.end_line, frame.end_column)
    line, column, end_line, end_column = places
    if line is None or column is None or end_line is None or end_column is None:
        return None
    found = _Range((line, column), (end_line, end_column))
    sensible = min(column, end_column) >= 0 and end_line - line < _LONGEST
    return found if found.begin < found.end and sensible else None


def _numbers(whole: _Range) -> range:
    return range(whole.begin[0], whole.end[0] + 1)


def _mark(
    number: int, text: str, whole: _Range, anchor: _Range | None
) -> Iterator[tuple[str, str]]:
    column, indented = 0, True
    for char in text:
        indented = indented and char.isspace()
        place = (number, column)
        mark = " "
        if place in whole and not indented:
            mark = "^" if anchor is None or place in anchor else "~"
        yield char, mark
        column += len(_encode(char))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _segment(whole: _Range, lines: Mapping[int, str]) -> str:
    """Return the source of the expression alone."""
    rows = [_encode(lines[number]) for number in _numbers(whole)]
    rows[-1] = rows[-1][: whole.end[1]]
    rows[0] = rows[0][whole.begin[1] :]
    segment = b"\n".join(rows)
    if len(segment) > _LONGEST:
        raise ValueError("too long to be worth parsing")
    return segment.decode("utf-8", "surrogatepass")


def _parse(segment: str) -> ast.expr | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the program's, not the reader's
        body = ast.parse(f"(\n{segment}\n)").body
    statement = body[0] if len(body) == 1 else None
    return statement.value if isinstance(statement, ast.Expr) else None


def _anchor(node: ast.expr | None, whole: _Range, lines: Mapping[int, str]) -> _Range | None:
    """Find the operator, the brackets or the arguments: the part that failed."""
    match node:
        case ast.BinOp():
            begin = _find(_end(node.left, whole), lines, "+-*/%@&|^<>")
            end = _find(begin, lines, "+-*/%@&|^<>", within=False) if begin else None
        case ast.Subscript():
            begin, end = _find(_end(node.value, whole), lines, "["), whole.end
        case ast.Call():
            begin, end = _find(_end(node.func, whole), lines, "("), whole.end
        case _:
            return None
    return _Range(begin, end) if begin and end and begin in whole else None


def _end(node: ast.expr, whole: _Range) -> _Place:
    """Turn the end of a node of the parsed segment into a place of the file."""
    line, column = (node.end_lineno or 2) - 2, node.end_col_offset or 0
    return (whole.begin[0] + line, column + (whole.begin[1] if line == 0 else 0))


def _find(
    begin: _Place, lines: Mapping[int, str], wanted: str, *, within: bool = True
) -> _Place | None:
    """Find the first character from ``begin`` on that is, or is not, one of ``wanted``."""
    number, column = begin
    while number in lines:
        row = _encode(lines[number])
        for at in range(column, len(row) + 1):
            char = chr(row[at]) if at < len(row) else "\n"
            if char == "#" and within:
                break  # a comment up to the end of the line
            if (char in wanted) == within:
                return (number, at)
        number, column = number + 1, 0
    return None


def _covers_all(whole: _Range, lines: Mapping[int, str]) -> bool:
    before, after = _around(whole, lines)
    return not before and not after


def _is_statement(whole: _Range, lines: Mapping[int, str]) -> bool:
    """Tell whether the expression is all that the statement does."""
    before, after = _around(whole, lines)
    words = before.removesuffix("=").split()
    plain = [word for word in words if word not in ("return", "await")]
    return not after and (not plain or (before.endswith("=") and len(plain) == 1))


def _around(whole: _Range, lines: Mapping[int, str]) -> tuple[str, str]:
    before = _encode(lines[whole.begin[0]])[: whole.begin[1]]
    after = _encode(lines[whole.end[0]])[whole.end[1] :]
    return before.decode("utf-8", "replace").strip(), after.decode("utf-8", "replace").strip()


def _is_plain_call(node: ast.expr | None) -> bool:
    """Tell whether it is a call in which nothing else could have failed."""
    if isinstance(node, ast.Await):
        node = node.value
    if not isinstance(node, ast.Call):
        return False
    inner = (each for each in ast.walk(node) if each is not node)
    return not any(isinstance(each, _PLAIN_ARGUMENT) for each in inner)
