"""What a record of ``logging`` says; no code of the program runs for it, and none of ``logging``.

A record is read where it is stored. Its message is not formatted where that would call methods of
the program: ``"order %s" % order`` is ``str(order)``.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from typing import TYPE_CHECKING, Any

from bcd.engine import error_text, plain, type_name

if TYPE_CHECKING:
    from logging import LogRecord

__all__ = ["TRACEBACK", "error_of", "message_of", "text_of", "thread_of"]

TRACEBACK = "Traceback (most recent call last):"

_PLAIN = (str, int, float, bool, type(None))
_AS_EXC_INFO = 3
_MOST_ARGUMENTS = 32
_MOST_BITS = 1024  # of a number; long ones take long to become text
_WIDE = re.compile(r"%(\([^()]*\))?[-#0 +]*(\d{0,3}\.)?(\*|\d{4})")
"""A place in a template that may become as wide as one likes."""


def error_of(record: LogRecord) -> BaseException | None:
    """The error that a record was given, if any."""
    told = record.__dict__.get("exc_info")
    message = record.__dict__.get("msg")
    if type(message) is dict and (told is None or told is False):
        told = message.get("exc_info")  # an event of structlog, which its formatter will read
    if told is True and thread_of(record) is None:
        told = sys.exc_info()
    if type(told) is tuple and len(told) == _AS_EXC_INFO:
        told = told[1]
    # Not isinstance(), which would ask an object of the program for its __class__.
    return told if issubclass(type(told), BaseException) else None


def text_of(record: LogRecord, name: str) -> str:
    """An attribute of a record that should be a text; empty where it is not."""
    value: Any = record.__dict__.get(name)
    return plain(value) if issubclass(type(value), str) else ""


def message_of(record: LogRecord, error: BaseException | None = None) -> str:
    """The message, as another handler has formatted it, or as far as it can be had safely.

    Args:
        record: Any.
        error: That of the record; its text is the message of ``logger.exception(error)``.

    Returns:
        At most 16 KiB. The template alone where there are other arguments than texts, numbers,
        True, False and None.
    """
    if formatted := text_of(record, "message"):
        return _without_traceback(formatted)
    message: Any = record.__dict__.get("msg")
    arguments = record.__dict__.get("args")
    if type(message) is dict and "event" in message:
        message, arguments = message["event"], None
    if not issubclass(type(message), str):
        return error_text(error) if message is error else f"<{type_name(message)}>"
    return _without_traceback(_filled(plain(message), arguments))


def _without_traceback(text: str) -> str:
    """What is said of the error, not the error itself, to which loguru adds values of variables."""
    return text.partition(f"\n{TRACEBACK}")[0]


def thread_of(record: LogRecord) -> int | None:
    """Which thread has made a record.

    Returns:
        Its native id; None if it is the calling one or not known, 0 if it has ended or is one of
        another process.
    """
    told = record.__dict__
    if told.get("process") not in (None, os.getpid()):
        return 0
    number = told.get("thread")
    if number is None:
        return None
    thread = getattr(_thread_numbered(number), "__dict__", {})
    # Numbers of threads that have ended are given anew, so the name is asked too.
    if told.get("threadName") not in (None, thread.get("_name")):
        return 0
    if number == threading.get_ident():
        return None
    native = thread.get("_native_id")
    return native if isinstance(native, int) else 0


def _thread_numbered(number: int) -> threading.Thread | None:
    # As in hooks: current_thread() would make an object for a thread that Python does not know.
    return threading._active.get(number)  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001


def _filled(template: str, arguments: Any) -> str:
    if not _are_plain(arguments) or _WIDE.search(template):
        return template
    try:
        return str.__mod__(template, _short(arguments))
    except Exception:  # noqa: BLE001 - they do not fit the template, as logging has told
        return template


def _are_plain(arguments: object) -> bool:
    if type(arguments) is dict:
        several = [*arguments, *arguments.values()]
    elif type(arguments) is tuple:
        several = [*arguments]
    else:
        return False
    return 0 < len(several) <= _MOST_ARGUMENTS and all(map(_is_plain, several))


def _is_plain(argument: object) -> bool:
    if type(argument) is int:
        return argument.bit_length() <= _MOST_BITS
    return type(argument) in _PLAIN


def _short(arguments: Any) -> Any:
    if type(arguments) is dict:
        return {key: _short_text(value) for key, value in arguments.items()}
    return tuple(map(_short_text, arguments))


def _short_text(argument: object) -> object:
    return plain(argument) if type(argument) is str else argument
