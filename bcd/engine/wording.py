"""An error in words that a tracer can take: its type and its text (rules 9 and 10)."""

from __future__ import annotations

__all__ = ["LONGEST_TEXT", "error_text", "plain", "type_name"]

LONGEST_TEXT = 16 * 1024
"""Bytes of UTF-8 that are left of a text, the mark of the cut included (rule 10)."""

_MARK = "...[cut]"

# Taken from ``type`` itself: a metaclass of the program could answer in its place.
_module_of = type.__dict__["__module__"].__get__
_qualname_of = type.__dict__["__qualname__"].__get__


_ENDS_BEFORE = {"celery.exceptions.MaxRetriesExceededError": " args:"}
"""What follows in the text of such an error: the arguments of a task, which are never told."""


def type_name(error: object) -> str:
    """The type of an error as ``module.qualname``, without the module for builtins."""
    kind = type(error)
    module, qualname = _module_of(kind), _qualname_of(kind)
    if not isinstance(module, str) or module == "builtins":
        return plain(qualname)
    return plain(f"{plain(module)}.{plain(qualname)}")


def error_text(error: object) -> str:
    """``str(error)``, bounded; a type's name and a note where that fails."""
    try:
        text = plain(str(error))
        end = _ENDS_BEFORE.get(type_name(error))
        return text if end is None else text.partition(end)[0]
    except KeyboardInterrupt:
        raise
    except BaseException as failure:  # noqa: BLE001 - also one that calls sys.exit()
        return f"{type_name(error)} [its text could not be had: {type_name(failure)}]"


def plain(text: str) -> str:
    """Make a text that any tracer can be given and that costs little to carry.

    Args:
        text: Of any length and origin; no method of a subclass of ``str`` is called.

    Returns:
        The text with NUL replaced by U+FFFD and lone surrogates escaped, both of which an
        argument of a program cannot hold, and cut and marked if it is longer than 16 KiB of
        UTF-8. Other control characters stay.
    """
    start = str.__getitem__(text, slice(LONGEST_TEXT + 1))
    if len(start) <= LONGEST_TEXT and start.isascii() and "\0" not in start:
        return start
    data = start.replace("\0", "\ufffd").encode("utf-8", "backslashreplace")
    if len(data) > LONGEST_TEXT:
        data = data[: LONGEST_TEXT - len(_MARK)]
        return data.decode("utf-8", "ignore") + _MARK
    return data.decode("utf-8")
