"""A dump as lines of text: what the tool found, as far as it is text, and how to open the rest."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bcd.report._frames import FrameWriter
from bcd.report._process import file_size, pair_lines, process_pairs
from bcd.report._sections import attribute_section, section, sentences
from bcd.report._stacks import thread_lines
from bcd.report._view import Detail, View
from bcd.report.line import cut, fold, line
from bcd.snapshot.dump import pyspy_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from bcd.snapshot.dump import Dump

__all__ = ["dump_report"]

_LONGEST_LINE = 2000  # columns
_FOLDS = 4


def dump_report(dump: Dump, output: bytes, location: str, view: View) -> Iterator[Text]:
    """Show a dump.

    Args:
        dump: What is known of it.
        output: What the tool found; not needed for a core.
        location: Path of that.
        view: How much of it, and how wide.

    Returns:
        Lines with styles and without newlines; nothing in them can control a terminal.

    Raises:
        SnapshotCorrupt: The output is not what the tool writes.
    """
    yield from _title(dump)
    content = _CONTENTS[dump.tool.name](dump, output, location, view)
    yield from attribute_section(dump.attributes, dump.classifiers, view)
    yield from section("Process", pair_lines(process_pairs(dump.process), view))
    yield from content
    yield from section("Notes", sentences(dump.notes))


def _title(dump: Dump) -> Iterator[Text]:
    if dump.error is not None:
        message = dump.error.message.partition("\n")[0]
        kind = dump.error.type or "error"
        yield line((kind, "bold red"), ": " if message else "", (message, "bold"))
    else:
        yield line((f"a dump by {dump.tool.name}, without an error", "bold"))
    host = f" on {dump.process.host}" if dump.process.host else ""
    where = f"pid {dump.process.pid}{host}"
    yield line(f"{dump.id} · {dump.created:%Y-%m-%d %H:%M:%S} UTC · {where}", style="dim")
    tool = f"{dump.tool.name} {dump.tool.version or ''}".rstrip()
    took = "" if dump.tool.total_ms is None else f", took {dump.tool.total_ms:.1f} ms"
    yield line(f"{tool}, {file_size(dump.output.size)}{took}", style="dim")


def _pyspy(dump: Dump, output: bytes, _location: str, view: View) -> Iterator[Text]:
    threads = pyspy_threads(output, dump.faulted_threads)
    if view.threads is Detail.NONE:
        return iter(())
    frames = FrameWriter({}, view)
    faulted = [thread for thread in threads if thread.faulted]
    others = [thread for thread in threads if not thread.faulted]
    detail = view.threads if faulted else Detail.FULL

    def rows() -> Iterator[Text]:
        yield from thread_lines(faulted, frames, Detail.FULL)
        yield from thread_lines(others, frames, detail)

    return section(f"Threads ({len(threads)})", rows())


def _pystack(_dump: Dump, output: bytes, _location: str, view: View) -> Iterator[Text]:
    if view.threads is Detail.NONE:
        return iter(())
    text = output.decode("utf-8", "backslashreplace").rstrip("\n")
    rows = (cut(row, _LONGEST_LINE) for row in text.split("\n"))
    return section(
        "Threads", (line(each) for row in rows for each in fold(row, view.width, _FOLDS))
    )


def _core(dump: Dump, _output: bytes, location: str, view: View) -> Iterator[Text]:
    core, program = shlex.quote(location), shlex.quote(dump.process.executable or "python")
    pairs = [
        ("gdb", f"gdb {program} {core}"),
        ("pystack", f"pystack core {core} {program}"),
        ("py-spy", f"py-spy dump --core {core}"),
    ]
    wide = View(width=None) if view.width is None else view
    rows = [line("  a core, which is the memory of the process with all its secrets", style="dim")]
    return section("Open it", [*rows, *pair_lines(pairs, wide)])


_CONTENTS = {"py-spy": _pyspy, "pystack": _pystack, "gcore": _core}
