"""What a list shows of a snapshot, read from its first bytes where it is big."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping  # noqa: TC003 - the codec resolves the hints
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the codec resolves the hints
from typing import Any

from bcd.errors import SnapshotCorrupt
from bcd.snapshot._fields import Misfit, dump, read
from bcd.snapshot.codec import check_format, inflate, parse
from bcd.snapshot.model import Process, Reason  # noqa: TC001 - likewise

__all__ = ["Head", "Headline", "decode_head", "encode_head", "read_head"]

_WHOLE = 128 * 1024
_FIRST = 16 * 1024
_ENDS = frozenset(" \t\r\n,:]}")
"""What stands after a whole value: a number that touches the cut may lack digits."""

_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The traced exception in two words.

    Attributes:
        type: Qualified name.
        message: What ``str(exception)`` gives.
    """

    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first keys of a snapshot; see :class:`~bcd.snapshot.model.Snapshot`.

    Attributes:
        id: Unique, sorts by time.
        created: UTC.
        reason: Why the snapshot was made.
        process: Of what.
        attributes: What the program and its hooks told.
        classifiers: Likewise.
        error: The traced exception, None for a snapshot without an error.
    """

    id: str
    created: datetime
    reason: Reason
    process: Process
    attributes: Mapping[str, str] = field(default_factory=dict)
    classifiers: tuple[str, ...] = field(default_factory=tuple)
    error: Headline | None


def read_head(data: bytes) -> Head:
    """Read what a list shows.

    A small document is parsed whole, so that damage is seen. A big one is compressed, whose
    checksum proves it whole, and only its first keys are parsed.

    Args:
        data: Content of a snapshot file.

    Raises:
        SnapshotCorrupt: It is no snapshot, or a damaged one.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    text = inflate(data)
    if len(text) > _WHOLE:
        try:
            return _head(_begin(text[:_FIRST].decode("utf-8", "ignore")))
        except SnapshotCorrupt:
            pass  # the keys come in another order: read on
    return _head(parse(text))


def encode_head(head: Head) -> str:
    """Write a head by itself, as JSON in ASCII."""
    return json.dumps(dump(head), separators=(",", ":"))


def decode_head(text: str) -> Head:
    """Read what :func:`encode_head` wrote.

    Raises:
        SnapshotCorrupt: Somebody else wrote it.
    """
    try:
        return read(Head, parse(text.encode()))
    except Misfit as misfit:
        raise SnapshotCorrupt(f"not a readable head: {misfit}") from None


def _head(document: object) -> Head:
    check_format(document)
    try:
        assert isinstance(document, dict)  # noqa: S101 - check_format has seen to it
        return read(Head, {**document, "error": _headline(document)})
    except Misfit as misfit:
        raise SnapshotCorrupt(f"not a readable snapshot: {misfit}") from None


def _headline(document: Mapping[str, Any]) -> Any:
    if "exception" not in document:
        raise Misfit('lacks the key "exception"')
    chain = document["exception"]
    try:
        return None if chain is None else chain["list"][chain["root"]]
    except (LookupError, TypeError):
        raise Misfit("must have a root").inside("exception") from None


def _begin(text: str) -> object:
    """Parse the begin of a JSON document: what is cut off is missing in the result."""
    try:
        return _value(text, 0)[0]
    except (IndexError, RecursionError, json.JSONDecodeError):
        return None


def _value(text: str, at: int) -> tuple[Any, int]:
    at = _skip(text, at)
    if text[at] == "{":
        return _object(text, at + 1)
    if text[at] == "[":
        return _array(text, at + 1)
    value, end = _scan(text, at)
    if text[end] not in _ENDS:  # "2." is scanned as 2
        raise IndexError
    return value, end


def _object(text: str, at: int) -> tuple[dict[str, Any], int]:
    made: dict[str, Any] = {}
    try:
        while text[at := _skip(text, at)] != "}":
            key, at = _value(text, at)
            made[str(key)], at = _value(text, _skip(text, at) + 1)
            at = _next(text, at)
    except (IndexError, json.JSONDecodeError):
        return made, len(text)
    return made, at + 1


def _array(text: str, at: int) -> tuple[list[Any], int]:
    made: list[Any] = []
    try:
        while text[at := _skip(text, at)] != "]":
            value, at = _value(text, at)
            made.append(value)
            at = _next(text, at)
    except (IndexError, json.JSONDecodeError):
        return made, len(text)
    return made, at + 1


def _next(text: str, at: int) -> int:
    at = _skip(text, at)
    return at + 1 if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
