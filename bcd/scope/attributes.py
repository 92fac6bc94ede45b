"""Attributes that the program adds: ``bcd.set_attribute("shop.tenant", tenant)``."""

from __future__ import annotations

from bcd.notice import Window, notice
from bcd.scope.place import WANTED, Place, Scope, current_place, move
from bcd.scope.texts import clean, clean_name

__all__ = ["set_attribute"]

_MOST = 32
_MOST_BITS = 1024
_window = Window()


def set_attribute(key: str, value: str | float | None) -> None:
    """Add an attribute to every snapshot of the request or task that the calling code runs in.

    It is seen by all hooks, :func:`bcd.capture` and :func:`bcd.recover` until the request or task
    is over, also when it was set in a thread or asyncio task that this one started, as long as
    that has a copy of its context: ``asyncio.to_thread`` makes one, ``loop.run_in_executor`` does
    not. Outside any request or task it holds for the context (see ``contextvars``), in a thread
    of an executor for the job. For the whole process there is ``bcd.init(attributes=…)``.

    It raises nothing. What cannot be used is told in a line on stderr.

    Args:
        key: Its name. Values under names that look secret never get to the disk, as in variables.
        value: A text or a number, of which the first 1 KiB is kept; None takes it back. At most
            32 attributes are kept.
    """
    try:
        refusal = _set(key, value)
    except Exception as problem:  # noqa: BLE001 - never into the program
        refusal = f"failed: {type(problem).__name__}"
    if refusal is not None and _window.opens():
        notice(f"set_attribute {refusal}")


def _set(key: object, value: object) -> str | None:
    """Set it; returns why that cannot be done."""
    if not isinstance(key, str) or not key:
        return (
            f"was given a name of type {type(key).__name__}; accepted is a text, not an empty one"
        )
    name = clean_name(key)
    place = current_place(opening=value is not None)
    if value is None:
        _forget(place, name)
        return None
    text = _text(value)
    if text is None:
        return f"was given a {type(value).__name__} for {name!r}; accepted are texts and numbers"
    if _is_full(place, name):
        return f"was given {name!r} beyond the {_MOST} attributes that a request may have"
    _remember(place, name, text)
    return None


def _text(value: object) -> str | None:
    """A text or a number as text, by no method of the program's own."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return bool.__repr__(value)
    if isinstance(value, int):
        return int.__repr__(value) if int.bit_length(value) <= _MOST_BITS else None
    return float.__repr__(value) if isinstance(value, float) else None


def _is_full(place: Place | Scope | None, name: str) -> bool:
    if place is None:
        return False
    scope = place.scope
    known = place.own.keys() if scope is None else scope.keys() | place.own.keys()
    return name not in known and len(known) >= _MOST


def _remember(place: Place | Scope | None, name: str, text: str) -> None:
    moved = move(place, {} if place is None else dict(place.own))
    moved.own[name] = (text, moved.number)
    if moved.scope is not None:
        moved.scope[name] = (text, moved.line)


def _forget(place: Place | Scope | None, name: str) -> None:
    if place is None:
        return
    move(place, {key: said for key, said in place.own.items() if key != name})
    if place.scope is not None:
        place.scope.pop(name, None)


WANTED.append("set_attribute")
