"""A snapshot as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcd.snapshot.model import Snapshot

__all__ = ["Link", "page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link above a page, where the page is one of several.

    Attributes:
        label: What it says.
        href: Where it leads.
        file: Name under which a browser is to keep what it leads to; None to go there.
    """

    label: str
    href: str
    file: str | None = None


def page(snapshot: Snapshot, links: Sequence[Link] = ()) -> str:
    """Write a snapshot as an HTML document.

    Everything in a snapshot may come from outside of the program: all of it is escaped, and a
    content security policy lets nothing run or load that is not the page's own.

    Args:
        snapshot: What to show.
        links: To other pages, in their order; none for a page that stands alone.

    Returns:
        The document.

    Raises:
        ConfigError: Jinja2 is not installed.
    """
    try:
        from bcd.report.page.render import render  # Jinja2 is for pages alone
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        install = f"{sys.executable} -m pip install 'jinja2>=3.1'"
        raise ConfigError(f"a page needs Jinja2, which is not installed; run {install}") from None
    return render(snapshot, links)
