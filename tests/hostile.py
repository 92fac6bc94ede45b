"""Texts that would do harm in a page, and documents that are full of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PAYLOADS", "changed"]

PAYLOADS = [
    "</script><script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    "</noscript><img src=x onerror=alert(1)>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<svg/onload=alert(1)>",
    "</title><base href=//h.example>",
    "</pre></details></dl></main></body></html>",
    '" onmouseover=alert(1) x="',
    "' autofocus onfocus=alert(1) '",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "&lt;b&gt;&#34;&amp;",
    "&NewLine;&Tab;&zwj;",
    "\\u003cscript\\u003e",
    "url(//h.example)",
]


def changed(document: Any, text: Callable[[str], str], number: Callable[[int], int]) -> Any:
    """A copy in which texts, keys and numbers are replaced, save what makes it a snapshot."""
    if isinstance(document, bool) or document is None:
        return document
    if isinstance(document, str):
        return document if document.endswith("Z") and document[:2] == "20" else text(document)
    if isinstance(document, int):
        return number(document)
    if isinstance(document, list):
        return [changed(item, text, number) for item in document]
    if isinstance(document, dict):
        return {
            key: item if key == "format" else changed(item, text, number)
            for key, item in document.items()
        }
    return document
