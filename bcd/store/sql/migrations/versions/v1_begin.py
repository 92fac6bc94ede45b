"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them."""
    _make_snapshots()
    _make_what_belongs_to_a_snapshot()
    _make_groups()
    _make_the_memory_of_a_folder()


def _make_snapshots() -> None:
    op.create_table(
        "bcd_snapshot",
        sa.Column("number", _number, primary_key=True),
        sa.Column("id", _text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("fingerprint", _text),
        sa.Column("type", _text, nullable=False),
        sa.Column("short_type", _text, nullable=False),
        sa.Column("message", _text, nullable=False),
        sa.Column("searched", _text, nullable=False),
        sa.Column("route", _text),
        sa.Column("service", _text),
        sa.Column("release", _text),
        sa.Column("suppressed", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("bcd_snapshot_id", "bcd_snapshot", ["id"], unique=True)
    op.create_index("bcd_snapshot_created", "bcd_snapshot", ["created"])
    told = ["type", "short_type", "route", "service", "release"]
    grouped = ["fingerprint", "id", "suppressed", "created", *told]
    op.create_index("bcd_snapshot_grouped", "bcd_snapshot", grouped)


def _make_what_belongs_to_a_snapshot() -> None:
    op.create_table(
        "bcd_document",
        _of_snapshot(),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("name", _text),
    )
    op.create_table(
        "bcd_attribute",
        _of_snapshot(),
        sa.Column("key", _text, primary_key=True),
        sa.Column("value", _text, nullable=False),
        sa.Column("digest", sa.BigInteger, nullable=False),
    )
    op.create_index("bcd_attribute_digest", "bcd_attribute", ["key", "digest", "snapshot"])
    op.create_table(
        "bcd_classifier",
        sa.Column("name", _text, primary_key=True),
        _of_snapshot(),
    )
    op.create_index("bcd_classifier_snapshot", "bcd_classifier", ["snapshot"])


def _make_groups() -> None:
    op.create_table(
        "bcd_group",
        sa.Column("fingerprint", _text, primary_key=True),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("regressed", sa.Boolean, nullable=False),
        sa.Column("resolved_until", sa.BigInteger),
    )


def _make_the_memory_of_a_folder() -> None:
    op.create_table(
        "bcd_damaged",
        sa.Column("id", _text, primary_key=True),
        sa.Column("warning", _text, nullable=False),
    )
    op.create_table(
        "bcd_mark",
        sa.Column("name", _text, primary_key=True),
        sa.Column("value", _text, nullable=False),
    )


def _of_snapshot() -> sa.Column[int]:
    key = sa.ForeignKey("bcd_snapshot.number", ondelete="CASCADE")
    return sa.Column("snapshot", _number, key, primary_key=True, autoincrement=False)
