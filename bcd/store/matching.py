"""Whether a snapshot is meant by a filter, where no database answers that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from bcd.snapshot.attributes import RELEASE, SERVICE, route_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.snapshot.dump import Dump
    from bcd.snapshot.head import Head, Headline
    from bcd.store.base import Filter

__all__ = ["AnyHead", "fits", "may_fit"]

AnyHead: TypeAlias = "Head | Dump"

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_DIGITS = 10
_CLOCKS_DIFFER = timedelta(days=1)


def fits(wanted: Filter, head: AnyHead) -> bool:
    """Tell whether a snapshot or a dump has all that is wanted."""
    return all(_checks(wanted, head))


def may_fit(wanted: Filter, snapshot_id: str) -> bool:
    """Tell by the time in its id whether a snapshot is worth to be opened.

    An id is made a moment after the error, and clocks are set: a day's difference is allowed.
    """
    if wanted.since is None and wanted.until is None:
        return True
    made = _time_in(snapshot_id)
    if made is None:
        return True
    early = wanted.since is not None and made + _CLOCKS_DIFFER < wanted.since
    late = wanted.until is not None and made - _CLOCKS_DIFFER >= wanted.until
    return not early and not late


def _checks(wanted: Filter, head: AnyHead) -> Iterator[bool]:
    yield wanted.since is None or head.created >= wanted.since
    yield wanted.until is None or head.created < wanted.until
    yield wanted.type is None or _is_type(wanted.type, head.error)
    yield wanted.text is None or _says(wanted.text.casefold(), head.error)
    yield wanted.route in (None, route_of(head.attributes))
    yield wanted.service in (None, head.attributes.get(SERVICE))
    yield wanted.release in (None, head.attributes.get(RELEASE))
    yield (head.reason.fingerprint or "").startswith((wanted.fingerprint or "").lower())
    yield wanted.classifier is None or wanted.classifier in head.classifiers
    for key, value in wanted.attributes.items():
        yield key in head.attributes and value in (None, head.attributes[key])


def _is_type(name: str, error: Headline | None) -> bool:
    return error is not None and name in (error.type, error.type.rpartition(".")[2])


def _says(text: str, error: Headline | None) -> bool:
    return error is not None and (text in error.type.casefold() or text in error.message.casefold())


def _time_in(snapshot_id: str) -> datetime | None:
    number = 0
    for char in snapshot_id[:_TIME_DIGITS]:
        number = number * len(_ALPHABET) + _ALPHABET.index(char)
    try:
        return datetime.fromtimestamp(number / 1000, UTC)
    except (OverflowError, ValueError):
        return None  # ids of the years after 9999
