"""What is kept of an error where no memory can be read: made in the program, bounded, no values.

None of the program's code runs for it: whatever is asked of its objects is asked of the slots
of CPython's own types. What an error would say by code of its own is left out.
"""

from __future__ import annotations

import os
import sys
import types
from itertools import islice

from bcd.engine.wording import plain, type_name

TYPE_CHECKING = False  # typing is not needed to run, and costs milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

__all__ = ["record"]

_OWN_FOLDER = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - pathlib costs milliseconds to import
_EXCEPTIONS = 50
_FRAMES = 100
"""Of one stack; the outermost are left out. All stacks together have three times as many."""

_LONGEST_ARGUMENT = 4096
_PLAIN = (str, bytes, int, float, bool, types.NoneType)

_base: dict[str, Any] = dict(vars(BaseException))
_args_of = _base["args"].__get__
_traceback_of = _base["__traceback__"].__get__
_cause_of = _base["__cause__"].__get__
_context_of = _base["__context__"].__get__
_suppresses = _base["__suppress_context__"].__get__
_children_of = vars(BaseExceptionGroup)["exceptions"].__get__
_text_of = vars(BaseExceptionGroup)["message"].__get__
_ancestors = type.__dict__["__mro__"].__get__
_names_in = type.__dict__["__dict__"].__get__


def record(error: BaseException | None) -> dict[str, Any]:
    """Record an error, all that it is chained to, and the stack of the calling thread.

    Args:
        error: The error, None where there is none.

    Returns:
        ``exception`` as in a snapshot or None, ``frames`` of the calling thread, innermost
        last, ``modules`` (file → name), ``notes`` and ``truncated``; of JSON's types alone.
    """
    recorder = _Recorder()
    return {
        "exception": None if error is None else recorder.chain(error),
        "frames": recorder.stack(),
        "modules": recorder.modules,
        "notes": list(recorder.notes),
        "truncated": list(recorder.truncated),
    }


class _Recorder:
    def __init__(self) -> None:
        self.modules: dict[str, str] = {}
        self.notes: dict[str, None] = {}
        self.truncated: dict[str, None] = {}
        self._left = 3 * _FRAMES

    def chain(self, root: BaseException) -> dict[str, Any]:
        order = [root]
        index = {id(root): 0}
        entries = []
        for error in order:
            entry = self._entry(error)
            for name, related in _related(error):
                if id(related) not in index and len(order) >= _EXCEPTIONS:
                    self.truncated[f"exceptions: the first {_EXCEPTIONS} of the chain"] = None
                    continue
                if id(related) not in index:
                    index[id(related)] = len(order)
                    order.append(related)
                if name == "children":
                    entry["children"].append(index[id(related)])
                else:
                    entry[name] = index[id(related)]
            entries.append(entry)
        return {"root": 0, "list": entries}

    def _entry(self, error: BaseException) -> dict[str, Any]:
        kind = type_name(error)
        message = _message(error)
        if message is None:
            self.notes[f"message of {kind}: only code of its own could tell it"] = None
        return {
            "type": kind,
            "message": message or "",
            "notes": [],
            "frames": self._frames(_steps(_traceback_of(error))),
            "cause": None,
            "context": None,
            "suppress_context": _suppresses(error),
            "children": [],
        }

    def stack(self) -> list[dict[str, Any]]:
        frames = [(each, each.f_lasti) for each in _callers(sys._getframe())]  # noqa: SLF001
        return self._frames(reversed(frames))

    def _frames(self, steps: Iterable[tuple[types.FrameType, int]]) -> list[dict[str, Any]]:
        """Frames, innermost last, as in a snapshot but without their variables."""
        found = list(steps)
        kept = found[-min(_FRAMES, self._left) :] if self._left else []
        if len(kept) < len(found):
            self.truncated["frames: the innermost ones of a stack are kept"] = None
        self._left -= len(kept)
        return [self._frame(frame, instruction) for frame, instruction in kept]

    def _frame(self, frame: types.FrameType, instruction: int) -> dict[str, Any]:
        code = frame.f_code
        module = frame.f_globals.get("__name__")
        if type(module) is str:
            self.modules[plain(code.co_filename)] = plain(module)
        line, end_line, column, end_column = _position(code, instruction)
        return {
            "function": plain(code.co_qualname),
            "file": plain(code.co_filename),
            "line": line,
            "end_line": end_line,
            "column": column,
            "end_column": end_column,
            "locals": [],
        }


def _callers(frame: types.FrameType | None) -> Iterator[types.FrameType]:
    """A frame and its callers, without those of bcd on the inner end."""
    inside = True
    while frame is not None:
        inside = inside and frame.f_code.co_filename.startswith(_OWN_FOLDER)
        if not inside:
            yield frame
        frame = frame.f_back


def _steps(entry: types.TracebackType | None) -> Iterator[tuple[types.FrameType, int]]:
    while entry is not None:
        yield entry.tb_frame, entry.tb_lasti
        entry = entry.tb_next


def _position(code: types.CodeType, instruction: int) -> tuple[int | None, ...]:
    places = islice(code.co_positions(), max(0, instruction) // 2, None)
    return next(places, (None, None, None, None))


def _related(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    for name, read in (("cause", _cause_of), ("context", _context_of)):
        other = read(error)
        if other is not None:
            yield name, other
    if issubclass(type(error), BaseExceptionGroup):
        for child in _children_of(error)[:_EXCEPTIONS]:
            yield "children", child


def _message(error: BaseException) -> str | None:
    """What ``str(error)`` gives, if that is certain to be CPython's own doing."""
    args = _args_of(error)
    write = next(
        names["__str__"] for names in map(_names_in, _ancestors(type(error))) if "__str__" in names
    )
    if write is BaseExceptionGroup.__str__ and type(_text_of(error)) is str:
        return plain(write(error))
    if write is not BaseException.__str__ and write is not KeyError.__str__:
        return None
    if not all(type(each) in _PLAIN and _is_short(each) for each in args):
        return None
    return plain(write(error))


def _is_short(value: Any) -> bool:
    if type(value) is int:
        return value.bit_length() <= _LONGEST_ARGUMENT
    return type(value) not in (str, bytes) or len(value) <= _LONGEST_ARGUMENT
