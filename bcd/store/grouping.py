"""Snapshots put together by the kind of their errors, where no database does that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bcd.snapshot.attributes import route_of, suppressed_before
from bcd.store.base import Group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcd.store.matching import AnyHead

__all__ = ["grouped"]


def grouped(heads: Iterable[AnyHead]) -> list[Group]:
    """Put snapshots and dumps of one fingerprint together.

    Args:
        heads: In any order, read one by one; those without a fingerprint are in no group.

    Returns:
        The groups, those seen last first; what is not known of them is as in a new group.
    """
    found: dict[str, Group] = {}
    for head in heads:
        fingerprint = head.reason.fingerprint
        if fingerprint is not None:
            known = found.get(fingerprint)
            alone = _alone(head, fingerprint)
            found[fingerprint] = alone if known is None else _together(known, alone)
    return sorted(found.values(), key=lambda group: (group.last_seen, group.latest), reverse=True)


def _alone(head: AnyHead, fingerprint: str) -> Group:
    return Group(
        fingerprint=fingerprint,
        type=head.error.type if head.error else "",
        message=head.error.message if head.error else "",
        route=route_of(head.attributes),
        count=1,
        suppressed=suppressed_before(head.attributes),
        first_seen=head.created,
        last_seen=head.created,
        latest=head.id,
        state="open",
        regressed=False,
        activity=(),
    )


def _together(one: Group, other: Group) -> Group:
    newest = max(one, other, key=lambda group: (group.last_seen, group.latest))
    return replace(
        newest,
        count=one.count + other.count,
        suppressed=one.suppressed + other.suppressed,
        first_seen=min(one.first_seen, other.first_seen),
    )
