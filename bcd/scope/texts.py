"""Texts that are safe in a line, on a command line and in a file."""

from __future__ import annotations

import re

__all__ = ["clean", "clean_name"]

_MOST_BYTES = 1024

_BLANKS = re.compile(r"[\t\n\v\f\r]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """One line of at most 1 KiB in UTF-8, without control characters or lone surrogates.

    No method of a subclass of ``str`` is called.
    """
    text = _BLANKS.sub(" ", str.__getitem__(text, slice(_MOST_BYTES)))
    text = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _CONTROLS.sub("", text))
    return text.encode()[:_MOST_BYTES].decode(errors="ignore")


def clean_name(name: str) -> str:
    """The name of an attribute, clean; a colon would end it on a tracer's command line."""
    return clean(name).replace(":", "_")
