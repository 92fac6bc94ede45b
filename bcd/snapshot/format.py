"""What the writer of a snapshot must know, and nothing else: version, file names, identity.

The tracer process loads this module while a program may be waiting for it, so it imports only
modules that every interpreter has loaded at its start.
"""

from __future__ import annotations

import time
from posix import urandom  # `os` takes 1 ms to import

FORMAT_VERSION = 1
"""The format that this bcd writes; it reads this one and all older ones."""

SUFFIX = ".bcd.json"
"""End of the name of a snapshot file, after the id."""

SUFFIX_GZIP = ".bcd.json.gz"
"""End of the name of a snapshot file that is compressed."""

DUMP_FORMAT_VERSION = 1
"""The format of the heads of dumps that this bcd writes; it reads this one and all older ones."""

DUMP_HEAD = ".dump.json"
"""End of the name of the file that says what a dump is, after the id."""

DUMP_OUTPUTS = {"py-spy": ".pyspy.json", "pystack": ".pystack.txt", "gcore": ".core"}
"""Tool → end of the name of the file that holds what it found, after the id."""

INDEX = "index.sqlite3"
"""Name of the file that says quickly which snapshots a folder holds."""

TEMPORARY_PREFIX = "."
TEMPORARY_SUFFIX = ".tmp"
"""Begin and end of the name of a file that is still being written; gcore's lack the end."""

GZIP_ABOVE = 64 * 1024
"""Documents of more bytes than this are compressed."""

ID_LENGTH = 26
"""Characters of an id."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(fingerprint: str | None = None) -> str:
    """Make the id of a snapshot: unique, and sorting by the millisecond it was made in.

    Args:
        fingerprint: In hexadecimal digits; snapshots of the same one are known by their ids
            then, so that nobody has to open them to count them.

    Returns:
        A ULID in 26 characters: 48 bits of Unix time in ms and 80 random bits, of which the
        first 40 are those of the fingerprint, if there is one.

    Source: https://github.com/ulid/spec
    """
    milliseconds = time.time_ns() // 1_000_000 & (1 << 48) - 1
    rest = urandom(10)
    if fingerprint is not None:
        rest = bytes.fromhex(fingerprint)[:5] + rest[5:]
    number = milliseconds << 80 | int.from_bytes(rest, "big")
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)])


def kind_in(text: str) -> str:
    """The part of an id, or of a name that starts with one, that the fingerprint decides."""
    return text[10:18]


def is_id(text: str) -> bool:
    """Tell whether ``text`` is the id of a snapshot, written as :func:`new_id` writes it."""
    return len(text) == ID_LENGTH and text[0] <= "7" and all(char in _ALPHABET for char in text)


def file_name(snapshot_id: str, size: int) -> str:
    """Name the file of a snapshot.

    Args:
        snapshot_id: As made by :func:`new_id`.
        size: Bytes of the document before compression.
    """
    return snapshot_id + (SUFFIX_GZIP if size > GZIP_ABOVE else SUFFIX)


def id_of_file(name: str) -> str | None:
    """Return the id in the name of a snapshot file, None for any other file.

    Files that are still being written and files of other programs give None.
    """
    return _id_before((SUFFIX, SUFFIX_GZIP), name)


def id_of_dump_file(name: str) -> str | None:
    """Return the id in the name of a file of a dump, its head included, None for any other."""
    return _id_before((DUMP_HEAD, *DUMP_OUTPUTS.values()), name)


def is_of_index(name: str) -> bool:
    """Tell whether a file is the index of the folder, or belongs to it."""
    return name in (INDEX, f"{INDEX}-journal", f"{INDEX}.damaged")


def is_temporary(name: str) -> bool:
    """Tell whether a file is one that some tracer writes, or did not live to write."""
    stem = name.removeprefix(TEMPORARY_PREFIX).removesuffix(TEMPORARY_SUFFIX)
    identity, _, process = stem.partition(".")
    return name.startswith(TEMPORARY_PREFIX) and is_id(identity) and process.isdigit()


def _id_before(suffixes: tuple[str, ...], name: str) -> str | None:
    for suffix in suffixes:
        stem = name.removesuffix(suffix)
        if stem != name and is_id(stem):
            return stem
    return None
