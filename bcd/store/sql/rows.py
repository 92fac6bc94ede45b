"""A snapshot as rows of the tables, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias

from bcd.snapshot.attributes import RELEASE, SERVICE, route_of, suppressed_before
from bcd.snapshot.head import encode_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.snapshot.head import Head

__all__ = [
    "Row",
    "attribute_rows",
    "classifier_rows",
    "digest",
    "document_row",
    "microseconds",
    "moment",
    "short",
    "snapshot_row",
    "storable",
]

Row: TypeAlias = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SHORT = 500


def snapshot_row(snapshot_id: str, head: Head, size: int) -> Row:
    """What is filtered and grouped by."""
    type_ = head.error.type if head.error else ""
    message = head.error.message if head.error else ""
    told = head.attributes
    return {
        "id": snapshot_id,
        "created": microseconds(head.created),
        "fingerprint": _short_or_none(head.reason.fingerprint),
        "type": short(type_),
        "short_type": short(type_.rpartition(".")[2]),
        "message": storable(message),
        "searched": storable(f"{type_}\x1f{message}".casefold()),
        "route": _short_or_none(route_of(told)),
        "service": _short_or_none(told.get(SERVICE)),
        "release": _short_or_none(told.get(RELEASE)),
        "suppressed": suppressed_before(told),
        "size": size,
    }


def document_row(head: Head, content: bytes | None, name: str | None) -> Row:
    """What is shown, and the whole of it, or the name of the file that holds it."""
    return {"head": encode_head(head), "content": content, "name": name}


def attribute_rows(head: Head) -> Iterator[Row]:
    """One for each attribute."""
    found = {short(key): storable(value) for key, value in head.attributes.items()}
    for key, value in found.items():
        yield {"key": key, "value": value, "digest": digest(value)}


def classifier_rows(head: Head) -> Iterator[Row]:
    """One for each classifier."""
    for name in dict.fromkeys(map(short, head.classifiers)):
        yield {"name": name}


def storable(text: str) -> str:
    """A text without what a database takes no text with: NUL and halves of pairs of UTF-16."""
    return text.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")


def short(text: str) -> str:
    """Likewise, as short as an index admits."""
    return storable(text[:_SHORT])


def digest(value: str) -> int:
    """Tell values apart by 64 bits, as a database's integer."""
    found = blake2b(value.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(found, "big", signed=True)


def microseconds(time: datetime) -> int:
    """A time as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """The time that was stored."""
    return _EPOCH + stored * _MICROSECOND


def _short_or_none(text: str | None) -> str | None:
    return short(text) if text else None
