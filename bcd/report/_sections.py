"""The parts of a report under their titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report._process import pair_lines
from bcd.report.line import line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.text import Text

    from bcd.report._view import View

__all__ = ["attribute_section", "circle_lines", "section", "sentences"]


def section(title: str, rows: Iterable[Text]) -> Iterator[Text]:
    """Put a title above lines; without lines there is no title either."""
    empty = True
    for row in rows:
        if empty:
            yield line()
            yield line((title, "bold underline"))
            empty = False
        yield row


def sentences(several: Iterable[str]) -> Iterator[Text]:
    """Show sentences, a line each."""
    return (line("  ", each, style="dim") for each in several)


def circle_lines(circles: Iterable[str]) -> Iterator[Text]:
    """Show who waits for whom, a line each, a circle below the other."""
    for circle in circles:
        for index, each in enumerate(circle.split("; ")):
            yield line("  " if index else "- ", (each, "red"))


def attribute_section(
    attributes: Mapping[str, str], classifiers: Sequence[str], view: View
) -> Iterator[Text]:
    """Show what the program told."""
    pairs = list(attributes.items())
    if classifiers:
        pairs.append(("classifiers", ", ".join(classifiers)))
    yield from section("Attributes", pair_lines(pairs, view))
