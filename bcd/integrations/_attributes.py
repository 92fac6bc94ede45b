"""Attributes as OpenTelemetry names them: gathered from an error, bounded and made safe.

Source: https://opentelemetry.io/docs/specs/semconv/ (exception, code, http, url).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bcd.engine import error_text, type_name
from bcd.scope import clean, clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["clean_all", "of_error"]

MOST_ATTRIBUTES = 64


def of_error(error: BaseException) -> dict[str, str]:
    """The attributes of the error itself: its type, its message, and where it was raised."""
    attributes = {
        "exception.type": type_name(error),
        "exception.message": error_text(error),
    }
    attributes.update(_place(error))
    return attributes


def clean_all(attributes: Mapping[Any, object]) -> dict[str, str]:
    """Make attributes safe: the first 64, whose values are text or numbers."""
    cleaned: dict[str, str] = {}
    for name, value in attributes.items():
        if len(cleaned) == MOST_ATTRIBUTES:
            break
        if isinstance(name, str) and isinstance(value, (str, int, float)):
            cleaned[clean_name(name)] = clean(str(value))
    return cleaned


def _place(error: BaseException) -> dict[str, str]:
    traceback = error.__traceback__
    if traceback is None:
        return {}
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    module = traceback.tb_frame.f_globals.get("__name__")
    return {
        "code.function.name": f"{module}.{code.co_qualname}" if module else code.co_qualname,
        "code.file.path": code.co_filename,
        "code.line.number": str(traceback.tb_lineno),
    }
