"""The only way of a snapshot's text into a page."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from bcd.report.line import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["counted", "plain_text", "shown", "shown_pieces"]

_LONG = 900
_BEGIN = 700
_NONE = Markup()


def plain_text(value: object) -> object:
    """Make text printable that a template puts out; Jinja2 escapes it afterwards."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def shown(text: str) -> Markup:
    """Escape a text of one line, with a tint on what had to be written as an escape.

    Of a long text the rest is folded away.
    """
    return shown_pieces([(text, "")])


def shown_pieces(pieces: Iterable[tuple[str, str]]) -> Markup:
    """Do as :func:`shown` for a line in pieces, each with a mark: ``^``, ``~`` or none."""
    head: list[Markup] = []
    rest: list[Markup] = []
    length = left = 0
    pieces = list(pieces)
    long = sum(len(text) for text, _ in pieces) > _LONG
    for text, mark in pieces:
        room = max(_BEGIN - length, 0) if long else len(text)
        length += len(text)
        head.append(_marked(text[:room], mark))
        rest.append(_marked(text[room:], mark))
        left += len(text) - min(room, len(text))
    if not left:
        return _NONE.join(head)
    more = Markup('<details class="rest"><summary>{:,} more characters</summary>{}</details>')
    return _NONE.join(head) + more.format(left, _NONE.join(rest))


def counted(number: int, one: str, many: str | None = None) -> str:
    """Say how many there are."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _marked(text: str, mark: str) -> Markup:
    if not text:
        return _NONE
    made = escape(text) if text.isprintable() else _NONE.join(_with_escapes(text))
    if mark.strip():
        kind = "at" if mark == "^" else "in"
        return Markup('<mark class="{}">{}</mark>').format(kind, made)
    return made


def _with_escapes(text: str) -> Iterator[Markup]:
    for visible, run in groupby(text, str.isprintable):
        piece = "".join(run)
        # An escape has no character that HTML knows.
        yield escape(piece) if visible else Markup(f'<i class="esc">{printable(piece)}</i>')  # noqa: S704
