"""What a URL asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args
from urllib.parse import parse_qsl, urlencode

from bcd.snapshot.format import is_id
from bcd.store.base import Filter, GroupState

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FILTERS",
    "RANGES",
    "TEXTS",
    "BadQueryError",
    "Query",
    "is_fingerprint",
    "read_query",
]

TEXTS = ("text", "type", "service", "release", "route", "classifier")
"""Filters whose value is a plain text, by the names that they have in the URL and in Filter."""

FILTERS = frozenset({*TEXTS, "attribute", "last", "since", "until"})
"""The filters of every page."""

RANGES = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
"""Values of ``last``."""

_LONGEST = 500
_FIELDS = 40
_ATTRIBUTES = 10
_BOUNDS = {"limit": (1, 1_000), "offset": (0, 1_000_000), "page": (1, 10_000)}
_DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{16}", re.ASCII)
_OFFSET_WITHOUT_PLUS = re.compile(r"(.*T.*) ([0-9]{2}:[0-9]{2})", re.ASCII)


class BadQueryError(Exception):
    """A URL that asks for something that cannot be; the message says what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a URL asks for.

    Attributes:
        given: Name and value of each parameter, in their order, without empty ones.
        empty: Whether the URL has empty ones.
        wanted: The filter that they make.
        state: Groups in this state; None for all.
        limit: How many are shown; None unless it is said.
        offset: How many are left out before those.
        page: Which page, from 1.
        before: Only snapshots older than the one of this id.
        now: When it was asked.
    """

    given: tuple[tuple[str, str], ...]
    empty: bool
    wanted: Filter
    state: GroupState | None
    limit: int | None
    offset: int
    page: int
    before: str | None
    now: datetime

    def get(self, name: str) -> str:
        """The value of a parameter that is given once; empty if it is not."""
        return dict(self.given).get(name, "")

    def link(self, path: str, **changes: str | int | None) -> str:
        """Make a URL with the same parameters, save for those that are changed or left out."""
        kept = [pair for pair in self.given if pair[0] not in changes]
        new = [(name, str(value)) for name, value in changes.items() if value is not None]
        return _url(path, [*kept, *new])

    def without(self, path: str, name: str, value: str) -> str:
        """Make a URL that asks for more: one parameter and the place in the list are gone."""
        drop = {(name, value)}
        return _url(path, [p for p in self._lasting() if p not in drop])

    def with_attribute(self, path: str, key: str, value: str) -> str | None:
        """Make a URL that asks for less: for those with a certain attribute.

        Returns:
            None where no URL can say it.
        """
        if len(key) + len(value) >= _LONGEST or "\0" in value or value != value.strip():
            return None
        pair = ("attribute", f"{key}={value}")
        lasting = [p for p in self._lasting() if not _same_key(p, key)]
        return _url(path, [*lasting, pair])

    def filters(self, path: str) -> str:
        """Make a URL of the filters alone."""
        return _url(path, [pair for pair in self.given if pair[0] in FILTERS])

    def plain(self, path: str) -> str:
        """Make a URL without any filter."""
        return _url(path, [pair for pair in self.given if pair[0] == "state"])

    def _lasting(self) -> list[tuple[str, str]]:
        return [pair for pair in self.given if pair[0] not in ("page", "offset", "before")]


def is_fingerprint(text: str) -> bool:
    """Tell whether a text can be the fingerprint of a group."""
    return _FINGERPRINT.fullmatch(text) is not None


def read_query(raw: bytes, names: frozenset[str], now: datetime) -> Query:
    """Read the part of a URL behind the question mark.

    Args:
        raw: As it was sent.
        names: The parameters that this page takes.
        now: What ``last`` is counted from.

    Raises:
        BadQueryError: It cannot be understood.
    """
    pairs = _pairs(raw)
    given = tuple((name, value.strip()) for name, value in pairs if value.strip())
    single = _single(given, names)
    since, until = _times(single, now)
    return Query(
        given=given,
        empty=len(given) < len(pairs),
        wanted=Filter(
            since=since,
            until=until,
            fingerprint=_fingerprint(single),
            attributes=_attributes([value for name, value in given if name == "attribute"]),
            **{name: single.get(name) for name in TEXTS},
        ),
        state=_state(single.get("state", "open")),
        limit=_number(single, "limit"),
        offset=_number(single, "offset") or 0,
        page=_number(single, "page") or 1,
        before=_before(single),
        now=now,
    )


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS
        )
    except UnicodeDecodeError:
        raise BadQueryError("the part behind the question mark is no UTF-8") from None
    except ValueError:
        raise BadQueryError(f"more than {_FIELDS} parameters") from None


def _single(given: tuple[tuple[str, str], ...], names: frozenset[str]) -> Mapping[str, str]:
    single: dict[str, str] = {}
    for name, value in given:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise BadQueryError(f"there is no parameter {name[:40]!r} here; there is {known}")
        if len(value) > _LONGEST:
            raise BadQueryError(f"{name} is longer than {_LONGEST} characters")
        if "\0" in value:
            raise BadQueryError(f"{name} has a NUL in it, which nothing can be equal to")
        if name in single and name != "attribute":
            raise BadQueryError(f"{name} is given twice")
        single[name] = value
    return single


def _times(single: Mapping[str, str], now: datetime) -> tuple[datetime | None, datetime | None]:
    since, until = _time(single, "since"), _time(single, "until")
    last = single.get("last")
    if last is None:
        if since is not None and until is not None and since >= until:
            raise BadQueryError("since has to be before until")
        return since, until
    if last not in RANGES:
        raise BadQueryError(f"last is one of {', '.join(RANGES)}")
    if since is not None or until is not None:
        raise BadQueryError("either last or since and until")
    return now - RANGES[last], now  # so that the last bar ends now


def _time(single: Mapping[str, str], name: str) -> datetime | None:
    text = single.get(name)
    if text is None:
        return None
    eaten = _OFFSET_WITHOUT_PLUS.fullmatch(text)  # a plus that nobody escaped is a space
    try:
        time = datetime.fromisoformat(f"{eaten[1]}+{eaten[2]}" if eaten else text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadQueryError(f"{name} is a time such as 2026-11-25T14:30 (UTC)") from None


def _fingerprint(single: Mapping[str, str]) -> str | None:
    value = single.get("fingerprint")
    if value is not None and not is_fingerprint(value):
        raise BadQueryError("fingerprint is 16 digits of 0 to 9 and a to f")
    return value


def _attributes(values: list[str]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not key.strip():
            raise BadQueryError("attribute is key=value, or the key alone for any value")
        if key.strip() in found:
            raise BadQueryError(f"attribute {key.strip()} is given twice")
        found[key.strip()] = text.strip() if equals else None
    if len(found) > _ATTRIBUTES:
        raise BadQueryError(f"more than {_ATTRIBUTES} attributes")
    return found


def _state(text: str) -> GroupState | None:
    for state in get_args(GroupState):
        if state == text:
            return state  # type: ignore[no-any-return] # one of the literals
    if text != "all":
        raise BadQueryError(f"state is one of {', '.join(get_args(GroupState))}, all")
    return None


def _number(single: Mapping[str, str], name: str) -> int | None:
    text = single.get(name)
    if text is None:
        return None
    least, most = _BOUNDS[name]
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        raise BadQueryError(f"{name} is a number from {least} to {most:,}")
    return int(text)


def _before(single: Mapping[str, str]) -> str | None:
    value = single.get("before")
    if value is not None and not is_id(value):
        raise BadQueryError("before is the id of a snapshot")
    return value


def _same_key(pair: tuple[str, str], key: str) -> bool:
    return pair[0] == "attribute" and pair[1].partition("=")[0].strip() == key


def _url(path: str, pairs: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path
