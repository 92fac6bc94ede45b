"""The page of a snapshot, and writing it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bcd.cli._output import print_message
from bcd.cli._private_file import private_file
from bcd.errors import ConfigError
from bcd.report.html import page
from bcd.store.base import FoundDump

if TYPE_CHECKING:
    from bcd.store.base import Found

__all__ = ["page_of", "write_page"]


def page_of(found: Found | FoundDump) -> str:
    """Make the page of a snapshot.

    Raises:
        ConfigError: It is a dump of another tool, or Jinja2 is missing.
    """
    if isinstance(found, FoundDump):
        tool = found.dump.tool.name
        raise ConfigError(f"{found.dump.id} is a dump of {tool}; only a snapshot has a page")
    return page(found.snapshot)


def write_page(text: str, file: str) -> None:
    """Write a page to a file that only its owner can read, ``-`` for standard output.

    Raises:
        ConfigError: The file cannot be written.
    """
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        with private_file(file) as stream:
            stream.write(text.encode())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"the page cannot be written to {file}: {reason}") from None
    print_message(f"page written to {file}")
