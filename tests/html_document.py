"""A page as a browser reads it."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["Document"]

VOID = {"meta", "link", "input", "br", "rect"}


class Document(HTMLParser):
    """The elements of a page, its text, what lies in style and script.

    Attributes:
        elements: Tag and attributes of each, in their order.
        texts: All that is text.
        raw: What lies in style and script.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last, or the page is malformed."""
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text, that of style and script apart."""
        if self.open and self.open[-1] in ("style", "script"):
            self.raw[self.open[-1]] = self.raw.get(self.open[-1], "") + data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is text."""
        return "".join(self.texts)

    def ids(self) -> set[str]:
        """The ids of all elements; each is there once."""
        found = [own["id"] for _, own in self.elements if own.get("id")]
        assert len(found) == len(set(found))
        return {each for each in found if each}

    def shape(self) -> list[str]:
        """The elements in their order."""
        return [tag for tag, _ in self.elements]
