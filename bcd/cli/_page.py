"""Writing pages: private like the snapshots, whole or not at all."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bcd.cli._output import print_message
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
        _write(Path(file), text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"the page cannot be written to {file}: {reason}") from None
    print_message(f"page written to {file}")


def _write(path: Path, text: str) -> None:
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")  # a pipe or a device, which stays what it is
        return
    handle, name = tempfile.mkstemp(prefix=".bcd-", suffix=".html", dir=path.parent)
    temporary = Path(name)
    try:
        with open(handle, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
            stream.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
