"""The layout of interpreters beside the main one; found when a target has some.

That takes interpreters of one's own, 5 to 15 ms each, which live until this process ends.
"""

from __future__ import annotations

import sys

from bcd.ptrace.calibrate.search import WORD, Search, only
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.layout import InterpreterLayout, ThreadLayout

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from typing import Any

_SIZE = 1 << 14
_LARGEST_GIL = 8 * WORD
_ATTEMPTS = 20
"""How often the GIL is looked at, which another thread may hold in the meantime."""
_kept: list[Any] = []
"""Where an interpreter ends with the last reference to its id, as until 3.12."""


def calibrate_interpreters(search: Search, thread: ThreadLayout) -> InterpreterLayout:
    """Find the list of interpreters, their ids and, from 3.12 on, their GILs.

    Args:
        search: Searches own memory.
        thread: Where ``_PyRuntime`` names interpreters: the newest, then the main one.

    Raises:
        CalibrationError: Something could not be proven, or no interpreter can be made.
    """
    layout = InterpreterLayout()
    layout.newest = thread.runtime_interpreter - WORD
    main = search.memory.word(thread.runtime + thread.runtime_interpreter)
    ids, addresses = [0], [main]
    for isolated in (False, False, True):
        ids.append(_make(isolated=isolated))
        addresses.append(search.memory.word(thread.runtime + layout.newest))
    words = [search.words(address, _SIZE) for address in addresses]
    places = range(_SIZE // WORD)
    following = [at for at in places if [each[at] for each in words[1:]] == addresses[:-1]]
    layout.next = only(following, "the next interpreter") * WORD
    same = [at for at in places if [each[at] for each in words] == ids]
    layout.id = only(same, "an interpreter's id") * WORD
    layout.gil = -1
    if sys.version_info >= (3, 12):
        _gil(search, layout, thread.runtime + thread.gil_holder, addresses, words)
    return layout


def _make(*, isolated: bool) -> int:
    """Make an interpreter, with a GIL of its own if it is isolated (3.12+); its id."""
    try:
        if sys.version_info >= (3, 13):
            import _interpreters

            made = _interpreters.create("isolated" if isolated else "legacy")
        else:
            import _xxsubinterpreters  # type: ignore[import-not-found] # has no stub

            made = _xxsubinterpreters.create(isolated=isolated)
    except (ImportError, RuntimeError) as error:
        raise CalibrationError(f"no interpreter could be made to learn from: {error}") from None
    _kept.append(made)
    return int(made)


def _gil(
    search: Search,
    layout: InterpreterLayout,
    holder: int,
    addresses: list[int],
    words: list[list[int]],
) -> None:
    """Find the pointer to the GIL: two share the main one's, the isolated one has its own.

    Whether one is held is seen from within, where it is, and by reading, which lets go of it.
    """
    found = []
    for at, (main, first, second, isolated) in enumerate(zip(*words, strict=True)):
        shared = main == first == second and 0 <= holder - main < _LARGEST_GIL
        if shared and isolated - addresses[3] == main - addresses[0]:
            found.append(at)
    place = only(found, "an interpreter's GIL")
    layout.gil, layout.gil_holder = place * WORD, holder - words[0][place]
    layout.gil_held = layout.gil_holder + WORD
    at = words[0][place] + layout.gil_held
    if _own_int(at) != 1 or all(search.memory.int32(at) for _ in range(_ATTEMPTS)):
        raise CalibrationError("how a GIL says that it is held could not be proven")


def _own_int(address: int) -> int:
    """An int of own memory, without letting go of the GIL; the address has been read before."""
    import _ctypes

    class Int(_ctypes._SimpleCData):  # type: ignore[type-arg] # noqa: SLF001
        _type_ = "i"

    return int(Int.from_address(address).value)
