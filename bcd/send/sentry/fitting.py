"""Making an event as small as Sentry takes it: what tells least goes first, and that is said.

Source: https://docs.sentry.io/concepts/data-management/size-limits/.
"""

from __future__ import annotations

import copy
import gzip
from typing import TYPE_CHECKING, Any, TypeAlias

from bcd.send.encoding import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MOST_BYTES", "MOST_COMPRESSED", "fitted", "packed"]

MOST_BYTES = 1_000_000
MOST_COMPRESSED = 200_000
"""Bytes that Sentry takes of an event, as it is and compressed."""

_ROOM = 2_000  # for the words about what was left out
_QUICK = 6  # level of compression
_LONG_VALUE = 200
_LONG_TEXT = 2_000
_MOST_EXCEPTIONS = 10
_OUTER, _INNER = 5, 25
_MOST_LINES = 50

_Event: TypeAlias = dict[str, Any]
_Step: TypeAlias = "Callable[[_Event], bool]"


def packed(data: bytes) -> bytes:
    """Compress a body; the same one always gives the same bytes."""
    return gzip.compress(data, _QUICK, mtime=0)


def fitted(event: _Event) -> tuple[_Event, tuple[str, ...]]:
    """Leave out of an event as much as has to go.

    Args:
        event: Of any size; it stays as it is.

    Returns:
        An event that Sentry takes, and what is not in it, in the order in which it went.
    """
    if _fits(event):
        return event, ()
    event = copy.deepcopy(event)
    left_out: list[str] = []
    for words, leave_out in _STEPS:
        if leave_out(event):
            left_out.append(words)
            if _fits(event):
                break
    event.setdefault("contexts", {}).setdefault("bcd", {})["left_out"] = left_out
    return event, tuple(left_out)


def _fits(event: _Event) -> bool:
    data = json_bytes(event)
    return len(data) <= MOST_BYTES - _ROOM and len(packed(data)) <= MOST_COMPRESSED - _ROOM


def _stacks(event: _Event, *places: str) -> Iterator[list[_Event]]:
    for place in places:
        for value in event.get(place, {}).get("values", ()):
            if "stacktrace" in value:
                yield value["stacktrace"]["frames"]


def _frames(event: _Event, *places: str) -> Iterator[_Event]:
    for frames in _stacks(event, *places):
        yield from frames


def _without(frames: Iterator[_Event], *names: str) -> bool:
    found = False
    for frame in frames:
        for name in names:
            found = frame.pop(name, None) is not None or found
    return found


_AROUND = ("pre_context", "post_context")


def _of_libraries(event: _Event) -> Iterator[_Event]:
    for frames in _stacks(event, "exception"):
        yield from (frame for frame in frames[:-1] if not frame["in_app"])


def _but_telling(event: _Event) -> Iterator[_Event]:
    """All frames but the one of each exception that tells most."""
    for frames in _stacks(event, "exception"):
        telling = [frame for frame in frames if frame["in_app"]] or frames
        yield from (frame for frame in frames if frame is not telling[-1])


def _other_threads(event: _Event) -> bool:
    threads = event.get("threads", {}).get("values", [])
    kept = [thread for thread in threads if thread["current"]]
    if len(kept) == len(threads):
        return False
    event["threads"]["values"] = kept
    return True


def _fewer_words(event: _Event) -> bool:
    found = False
    for name, lines in event.get("extra", {}).items():
        if len(lines) > _MOST_LINES:
            event["extra"][name] = lines[:_MOST_LINES]
            found = True
    return found


def _shorter(value: Any, most: int) -> tuple[Any, bool]:
    """Cut every text below a value."""
    if isinstance(value, str):
        return (f"{value[:most]}…", True) if len(value) > most + 1 else (value, False)
    if isinstance(value, dict):
        pairs = [(key[:_LONG_VALUE], *_shorter(item, most)) for key, item in value.items()]
        return {key: item for key, item, _ in pairs}, any(cut for _, _, cut in pairs)
    if isinstance(value, list):
        items = [_shorter(item, most) for item in value]
        return [item for item, _ in items], any(cut for _, cut in items)
    return value, False


def _short_values(event: _Event) -> bool:
    found = False
    for frame in _of_all(event):
        if "vars" in frame:
            frame["vars"], cut = _shorter(frame["vars"], _LONG_VALUE)
            found = found or cut
    return found


def _short_texts(event: _Event) -> bool:
    cut = _shorter(event, _LONG_TEXT)
    event.update(cut[0])
    return cut[1]


def _fewer_frames(event: _Event) -> bool:
    found = False
    values = event.get("exception", {}).get("values", [])
    if len(values) > _MOST_EXCEPTIONS:
        event["exception"]["values"] = values[-_MOST_EXCEPTIONS:]
        found = True
    for frames in _stacks(event, "exception", "threads"):
        if len(frames) > _OUTER + _INNER:
            del frames[_OUTER:-_INNER]
            found = True
    return found


def _nothing_but_the_error(event: _Event) -> bool:
    for name in ("extra", "tags", "request", "transaction"):
        event.pop(name, None)
    contexts = event.get("contexts", {})
    event["contexts"] = {name: contexts[name] for name in ("runtime", "os") if name in contexts}
    return True


def _leave_out(frames: Callable[[_Event], Iterator[_Event]], *names: str) -> _Step:
    return lambda event: _without(frames(event), *names)


def _of_threads(event: _Event) -> Iterator[_Event]:
    return _frames(event, "threads")


def _of_all(event: _Event) -> Iterator[_Event]:
    return _frames(event, "exception", "threads")


_STEPS: tuple[tuple[str, _Step], ...] = (
    ("variables of the other threads", _leave_out(_of_threads, "vars")),
    ("source around the frames of the other threads", _leave_out(_of_threads, *_AROUND)),
    (f"asyncio tasks and waits after the first {_MOST_LINES}", _fewer_words),
    ("variables of library frames", _leave_out(_of_libraries, "vars")),
    ("source around library frames", _leave_out(_of_libraries, *_AROUND)),
    ("the other threads", _other_threads),
    (f"what values have after {_LONG_VALUE} characters", _short_values),
    ("variables but those of the telling frames", _leave_out(_but_telling, "vars")),
    (f"exceptions but {_MOST_EXCEPTIONS}, frames but {_OUTER + _INNER} of each", _fewer_frames),
    ("all variables", _leave_out(_of_all, "vars")),
    (f"what texts have after {_LONG_TEXT} characters", _short_texts),
    ("all that is not the error", _nothing_but_the_error),
)
