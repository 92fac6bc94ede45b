"""The tables, the same for SQLite and PostgreSQL; how they came to be is in the migrations."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = [
    "VERSION",
    "VERSION_TABLE",
    "attribute",
    "classifier",
    "damaged",
    "document",
    "group",
    "mark",
    "metadata",
    "snapshot",
]

VERSION = 1
"""The version of the tables that this bcd reads and writes."""

VERSION_TABLE = "bcd_version"

metadata = MetaData()

# By code points on both: ids and fingerprints sort as they do in Python, and fast.
_text = Text().with_variant(Text(collation="C"), "postgresql")
_number = BigInteger().with_variant(Integer, "sqlite")  # only so is it SQLite's own row number


def _of_snapshot() -> Column[int]:
    """The snapshot that a row belongs to, and goes with."""
    key = ForeignKey("bcd_snapshot.number", ondelete="CASCADE")
    return Column("snapshot", _number, key, primary_key=True, autoincrement=False)


snapshot = Table(
    "bcd_snapshot",
    metadata,
    Column("number", _number, primary_key=True),
    Column("id", _text, nullable=False),
    Column("created", BigInteger, nullable=False),  # microseconds since 1970, UTC
    Column("fingerprint", _text),
    Column("type", _text, nullable=False),
    Column("short_type", _text, nullable=False),
    Column("message", _text, nullable=False),
    Column("searched", _text, nullable=False),  # type and message, case folded
    Column("route", _text),
    Column("service", _text),
    Column("release", _text),
    Column("suppressed", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("bcd_snapshot_id", "id", unique=True),
    Index("bcd_snapshot_created", "created"),
    Index(
        "bcd_snapshot_grouped",  # groups are made of it alone, in its order, unless texts matter
        *("fingerprint", "id", "suppressed", "created"),
        *("type", "short_type", "route", "service", "release"),
    ),
)
"""What is filtered and grouped by; narrow, for it is read from end to end."""

document = Table(
    "bcd_document",
    metadata,
    _of_snapshot(),
    Column("head", Text, nullable=False),  # JSON
    Column("content", LargeBinary),  # as it lies in a file; NULL where the file holds it
    Column("name", _text),  # of that file
)
"""What is shown of a snapshot, and all of it."""

attribute = Table(
    "bcd_attribute",
    metadata,
    _of_snapshot(),
    Column("key", _text, primary_key=True),
    Column("value", _text, nullable=False),
    Column("digest", BigInteger, nullable=False),  # of the value, which may be long
    Index("bcd_attribute_digest", "key", "digest", "snapshot"),
)

classifier = Table(
    "bcd_classifier",
    metadata,
    Column("name", _text, primary_key=True),
    _of_snapshot(),
    Index("bcd_classifier_snapshot", "snapshot"),
)

group = Table(
    "bcd_group",
    metadata,
    Column("fingerprint", _text, primary_key=True),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    Column("regressed", Boolean, nullable=False),
    Column("resolved_until", BigInteger),  # what happens later is a regression
)
"""What is known of a group beside its snapshots, and outlives them."""

damaged = Table(
    "bcd_damaged",
    metadata,
    Column("id", _text, primary_key=True),
    Column("warning", _text, nullable=False),
)
"""The files of the folder that cannot be read."""

mark = Table(
    "bcd_mark",
    metadata,
    Column("name", _text, primary_key=True),
    Column("value", _text, nullable=False),
)
"""What the index of a folder remembers of the folder."""
