"""Which snapshots a filter means, where no database answers that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.snapshot.head import Head, Headline
from bcd.snapshot.model import Process, Reason
from bcd.store.base import Filter
from bcd.store.grouping import grouped
from bcd.store.matching import fits, may_fit
from tests.terminal import id_at

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - in UTC
WORDS = st.text("abAß.é/", max_size=4)
KEYS = st.sampled_from(
    ["http.route", "celery.task_name", "service.name", "service.version", "cart", "bcd.suppressed"]
)
FINGERPRINTS = st.sampled_from(["aaaa000000000000", "aaab000000000000", "bbbb000000000000"])


def head(moment: datetime = NOON, **changes: Any) -> Head:
    """Make what is known of a snapshot."""
    made = Head(
        id=id_at(moment),
        created=moment,
        reason=Reason(kind="error", fingerprint="aaaa000000000000"),
        process=Process(pid=1),
        error=Headline(type="shop.errors.CheckoutFailed", message="order 7 could not be paid"),
    )
    return replace(made, **changes)


HEADS = st.builds(
    head,
    MOMENTS,
    reason=st.builds(Reason, kind=st.just("error"), fingerprint=st.none() | FINGERPRINTS),
    attributes=st.dictionaries(KEYS, WORDS),
    classifiers=st.lists(WORDS, max_size=2).map(tuple),
    error=st.none() | st.builds(Headline, type=WORDS, message=WORDS),
)
SETTINGS: Mapping[str, st.SearchStrategy[Any]] = {
    "since": MOMENTS,
    "until": MOMENTS,
    "type": WORDS,
    "text": WORDS,
    "route": WORDS,
    "service": WORDS,
    "release": WORDS,
    "fingerprint": FINGERPRINTS.map(lambda text: text[:4]),
    "classifier": WORDS,
    "attributes": st.dictionaries(KEYS, st.none() | WORDS, max_size=2),
}


@pytest.mark.parametrize(
    ("wanted", "attributes", "expected"),
    [
        ({"type": "CheckoutFailed"}, {}, True),
        ({"type": "shop.errors.CheckoutFailed"}, {}, True),
        ({"type": "Failed"}, {}, False),
        ({"text": "COULD NOT"}, {}, True),
        ({"text": "checkoutfailed"}, {}, True),
        ({"text": "cannot"}, {}, False),
        ({"since": NOON}, {}, True),
        ({"until": NOON}, {}, False),
        ({"route": "/a"}, {"http.route": "/a"}, True),
        ({"route": "shop.pay"}, {"celery.task_name": "shop.pay"}, True),
        ({"route": "shop.pay"}, {"http.route": "/a", "celery.task_name": "shop.pay"}, False),
        ({"service": "shop"}, {"service.name": "shop"}, True),
        ({"release": "1"}, {"service.version": "2"}, False),
        ({"fingerprint": "AAAA"}, {}, True),
        ({"fingerprint": "000"}, {}, False),
        ({"classifier": "x"}, {}, False),
        ({"attributes": {"cart": None}}, {"cart": ""}, True),
        ({"attributes": {"cart": "7"}}, {"cart": "8"}, False),
        ({"attributes": {"cart": None, "user": None}}, {"cart": "7"}, False),
    ],
)
def test_what_fits(
    wanted: dict[str, Any],
    attributes: dict[str, str],
    expected: bool,  # noqa: FBT001 - a row of the table
) -> None:
    """Names fit whole, texts in any case of letters, times include their begin only."""
    assert fits(Filter(**wanted), head(attributes=attributes)) is expected


@given(HEADS)
def test_nothing_asked_for_fits_all(known: Head) -> None:
    """A filter without any setting means all snapshots."""
    assert fits(Filter(), known)


@given(HEADS, st.fixed_dictionaries({}, optional=dict(SETTINGS)))
def test_all_that_is_asked_for_has_to_fit(known: Head, asked: dict[str, Any]) -> None:
    """A snapshot fits a filter exactly if it fits each of its settings alone."""
    alone = [fits(Filter(**{name: value}), known) for name, value in asked.items()]
    assert fits(Filter(**asked), known) is all(alone)


@given(HEADS, st.fixed_dictionaries({}, optional=dict(SETTINGS)), st.timedeltas())
def test_what_fits_is_opened(known: Head, asked: dict[str, Any], delay: timedelta) -> None:
    """No snapshot is passed over by the time in its id that would have fitted."""
    late = max(min(delay, timedelta(hours=23)), timedelta(hours=-23))
    if fits(Filter(**asked), known):
        assert may_fit(Filter(**asked), id_at(known.created + late))


def test_what_is_much_older_is_not_opened() -> None:
    """The time in the id spares reading what was made days before or after."""
    wanted = Filter(since=NOON, until=NOON + timedelta(hours=1))
    days = [day for day in range(-5, 6) if may_fit(wanted, id_at(NOON + timedelta(days=day)))]
    assert days == [-1, 0, 1]
    assert may_fit(wanted, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")


@given(st.lists(HEADS, max_size=8))
def test_groups_leave_nobody_out(heads: list[Head]) -> None:
    """Each snapshot with a fingerprint is counted in its group, with what it says was counted."""
    groups = grouped(heads)
    for group in groups:
        own = [each for each in heads if each.reason.fingerprint == group.fingerprint]
        assert group.count == len(own)
        assert group.first_seen == min(each.created for each in own)
        assert group.last_seen == max(each.created for each in own)
    with_kind = [each for each in heads if each.reason.fingerprint is not None]
    assert sum(group.count for group in groups) == len(with_kind)
    seen = [group.last_seen for group in groups]
    assert seen == sorted(seen, reverse=True)


def test_a_group_is_told_by_its_newest() -> None:
    """Error and route are those of the newest snapshot; odd counts of others are passed over."""
    newer = head(
        NOON + timedelta(hours=1),
        error=Headline(type="New", message="m"),
        attributes={"http.route": "/new", "bcd.suppressed": "40"},
    )
    older = head(attributes={"bcd.suppressed": "2"})
    odd = head(NOON - timedelta(hours=1), attributes={"bcd.suppressed": "9" * 5000})
    for heads in ([newer, older, odd], [odd, older, newer]):
        [group] = grouped(heads)
        assert (group.type, group.message, group.route) == ("New", "m", "/new")
        assert (group.count, group.suppressed, group.latest) == (3, 42, newer.id)
