"""Kinds of errors for ``bcd list --groups``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcd.report.groups import KindRow
from bcd.snapshot.codec import time_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.store.base import Group

__all__ = ["row_of", "summary_of"]


def row_of(group: Group) -> KindRow:
    """Make a line of the table."""
    state = "came back" if group.regressed else group.state
    return KindRow(
        fingerprint=group.fingerprint,
        count=group.count + group.suppressed,
        first_seen=group.first_seen,
        last_seen=group.last_seen,
        type=group.type,
        message=group.message,
        route=group.route,
        state=None if state == "open" else state,
    )


def summary_of(group: Group, *, state_known: bool) -> Iterator[tuple[str, object]]:
    """Make an object for programs.

    Args:
        group: One kind.
        state_known: Whether the store keeps what people make of it.
    """
    yield "fingerprint", group.fingerprint
    yield "type", group.type or None
    yield "message", group.message
    yield "route", group.route
    yield "snapshots", group.count
    yield "suppressed", group.suppressed
    yield "first_seen", time_text(group.first_seen)
    yield "last_seen", time_text(group.last_seen)
    yield "latest", group.latest
    if state_known:
        yield "state", group.state
        yield "regressed", group.regressed
