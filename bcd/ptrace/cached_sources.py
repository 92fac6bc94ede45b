"""Source lines of code that was made by code: the program's ``linecache`` holds them.

Templates, notebooks and makers of classes put them there for tracebacks.
"""

from __future__ import annotations

from bcd.ptrace.objects import DICT, LIST, STR, TUPLE

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from bcd.ptrace.target import Target

_ENTRY = 4
"""Size, time, lines, full name; a shorter entry was not read yet. Source: Lib/linecache.py."""
_MOST_LINES = 1 << 16
_LONGEST_LINE = 4096


class CachedSources:
    """Reads the lines that the target's ``linecache`` keeps.

    Args:
        target: The process that is read.
        names: Address of the dict of the module ``linecache``, 0 where it is not imported.
    """

    def __init__(self, target: Target, names: int) -> None:
        self._objects = target.objects
        self._names = names

    def lines(self, wanted: Mapping[str, Collection[int]]) -> Iterator[tuple[str, dict[int, str]]]:
        """Files, as frames name them, with those of their wanted lines that are kept.

        Args:
            wanted: File → numbers of lines.
        """
        cache = self._objects.lookup(self._names, "cache") if self._names else 0
        if not cache or not self._objects.type_of(cache).flags & DICT:
            return
        for key, entry in self._objects.dict_items(cache):
            if self._objects.type_of(key).flags & STR and self._objects.name(key) in wanted:
                file = self._objects.name(key)
                yield file, dict(self._some(entry, wanted[file]))

    def _some(self, entry: int, wanted: Iterable[int]) -> Iterator[tuple[int, str]]:
        if not self._objects.type_of(entry).flags & TUPLE:
            return
        parts, size = self._objects.sequence(entry, _ENTRY)
        if size != _ENTRY or not self._objects.type_of(parts[2]).flags & LIST:
            return
        lines, _ = self._objects.sequence(parts[2], _MOST_LINES)
        for number in wanted:
            if number <= len(lines):
                text, _ = self._objects.text(lines[number - 1], _LONGEST_LINE)
                yield number, text.rstrip("\r\n")
