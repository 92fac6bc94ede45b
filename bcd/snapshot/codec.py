"""Snapshot ↔ dict ↔ bytes: reading is lenient to what is new, strict to what is wrong.

Unknown keys are ignored, keys with a default may be missing. Whatever else does not fit the
model raises :class:`~bcd.errors.SnapshotCorrupt` that names the place.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from bcd.errors import SnapshotCorrupt, SnapshotTooNew
from bcd.snapshot._fields import Misfit, dump, read, time_text
from bcd.snapshot.format import FORMAT_VERSION, GZIP_ABOVE
from bcd.snapshot.limits import MOST_BYTES
from bcd.snapshot.model import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bcd.snapshot.model import ExceptionChain

__all__ = [
    "MAX_BYTES",
    "check_format",
    "decode",
    "encode",
    "from_dict",
    "inflate",
    "load_schema",
    "parse",
    "time_text",
    "to_dict",
]

MAX_BYTES = MOST_BYTES
"""Documents of more bytes are refused; bcd's own tracer stays under 4 MiB."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's way to ask for gzip's header and checksum


def decode(data: bytes) -> Snapshot:
    """Read a snapshot.

    Args:
        data: Content of a ``.bcd.json`` or ``.bcd.json.gz`` file; told apart by content.

    Raises:
        SnapshotCorrupt: It is no snapshot, or a damaged one.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    return from_dict(parse(inflate(data)))


def encode(snapshot: Snapshot) -> bytes:
    """Write a snapshot as bytes of ASCII JSON, compressed when above ``GZIP_ABOVE``."""
    text = json.dumps(to_dict(snapshot), separators=(",", ":")).encode("ascii")
    if len(text) <= GZIP_ABOVE:
        return text
    packer = zlib.compressobj(wbits=_GZIP_WINDOW)
    return packer.compress(text) + packer.flush()


def from_dict(document: object) -> Snapshot:
    """Make the model from a parsed document.

    Args:
        document: What ``json.loads`` returned.

    Raises:
        SnapshotCorrupt: A key is missing or its value is of the wrong kind.
        SnapshotTooNew: It has a format newer than this bcd.
    """
    check_format(document)
    try:
        snapshot = read(Snapshot, document)
    except Misfit as misfit:
        raise SnapshotCorrupt(f"not a readable snapshot: {misfit}") from None
    handled = [thread.handling for thread in snapshot.threads]
    handled += [task.handling for task in snapshot.tasks]
    for chain in (snapshot.exception, *handled):
        if chain is not None:
            _check_indexes(chain)
    return snapshot


def to_dict(snapshot: Snapshot) -> dict[str, object]:
    """Make the document of a snapshot, of JSON's types alone."""
    document: dict[str, object] = dump(snapshot)
    return document


def load_schema(*, closed: bool = False) -> dict[str, object]:
    """Load the JSON Schema (2020-12) of the document.

    Args:
        closed: Refuse keys that the schema does not name. Readers ignore them, so the
            published schema allows them; a test of a writer wants to know.
    """
    from importlib.resources import files  # costs more than the rest of this module

    text = files("bcd.snapshot").joinpath("schema.json").read_text(encoding="utf-8")
    schema: dict[str, object] = json.loads(text)
    if closed:
        _close(schema)
    return schema


def inflate(data: bytes) -> bytes:
    """Undo the compression, if there is one; the checksum proves the content whole.

    Raises:
        SnapshotCorrupt: Damaged, cut short, or more than ``MAX_BYTES`` when unpacked.
    """
    if data[:2] == _GZIP_MAGIC:
        unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
        try:
            data = unpacker.decompress(data, MAX_BYTES + 1)
        except zlib.error as error:
            raise SnapshotCorrupt(f"damaged gzip data: {error}") from None
        if not unpacker.eof and len(data) <= MAX_BYTES:
            raise SnapshotCorrupt("the file ends early: its gzip data is cut short")
    if len(data) > MAX_BYTES:
        raise SnapshotCorrupt(f"larger than {MAX_BYTES >> 20} MiB, which no snapshot is")
    return data


def parse(text: bytes) -> object:
    """Parse JSON.

    Raises:
        SnapshotCorrupt: It is none.
    """
    if not text.strip():
        raise SnapshotCorrupt("the file is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SnapshotCorrupt(f"no JSON: {error}") from None
    except RecursionError:
        raise SnapshotCorrupt("no snapshot: nested too deeply") from None
    except ValueError as error:  # bytes that are no UTF-8, numbers of thousands of digits
        raise SnapshotCorrupt(f"no JSON: {error}") from None


def check_format(document: object) -> None:
    """Check that ``document`` is a snapshot of a format that this bcd reads.

    Raises:
        SnapshotCorrupt: It is no snapshot at all.
        SnapshotTooNew: It has a newer format.
    """
    version = document.get("format") if isinstance(document, dict) else None
    if type(version) is not int or version < 1:
        raise SnapshotCorrupt('not a snapshot of bcd: it has no "format" number')
    if version > FORMAT_VERSION:
        raise SnapshotTooNew(
            f"written in format {version}, this bcd reads up to {FORMAT_VERSION}; update bcd"
        )


def _check_indexes(chain: ExceptionChain) -> None:
    for index in _indexes(chain):
        if not 0 <= index < len(chain.list):
            raise SnapshotCorrupt(
                f"not a readable snapshot: exception {index} of {len(chain.list)} is referred to"
            )


def _indexes(chain: ExceptionChain) -> Iterator[int]:
    yield chain.root
    for record in chain.list:
        yield from record.children
        yield from (link for link in (record.cause, record.context) if link is not None)


def _close(schema: Mapping[str, object]) -> None:
    for value in list(schema.values()):
        if isinstance(value, dict):
            _close(value)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
