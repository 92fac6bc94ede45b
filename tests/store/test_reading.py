"""Finding snapshots and groups in a database, both kinds alike."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bcd.errors import SnapshotNotFound
from bcd.snapshot import decode
from bcd.snapshot.head import read_head
from bcd.store.base import Filter
from tests.store.conftest import BEGIN, SAMPLE, id_at, made

if TYPE_CHECKING:
    from bcd.store.sql.store import SqlStore
    from tests.store.conftest import NewStore


def numbers(store: SqlStore, **wanted: Any) -> list[int]:
    """The numbers of the snapshots that fit, newest first."""
    page = store.snapshots(Filter(**wanted))
    assert page.total == len(page.entries)
    by_id = {id_at(number): number for number in range(100)}
    return [by_id[entry.head.id] for entry in page.entries]


def test_an_entry_tells_what_the_document_tells(store: SqlStore) -> None:
    """The head of a stored snapshot is the head of its file; its location is its id."""
    document = SAMPLE.read_bytes()
    snapshot_id = json.loads(document)["id"]
    store.add([(snapshot_id, document)])
    (entry,) = store.snapshots(Filter()).entries
    assert entry.head == read_head(document)
    assert (entry.location, entry.size) == (snapshot_id, len(document))
    assert store.listing().entries == (entry,)
    found = store.find(snapshot_id)
    assert found.snapshot == decode(document)
    assert found.document == document


def test_pages_follow_each_other(store: SqlStore) -> None:
    """From page to page every snapshot comes once, newest first, with the same total."""
    store.add([made(number) for number in range(7)])
    seen, before = [], None
    for size in (3, 3, 1):
        page = store.snapshots(Filter(), limit=3, before=before)
        assert (page.total, len(page.entries)) == (7, size)
        seen += [entry.head.id for entry in page.entries]
        before = page.next
    assert before is None
    assert seen == [id_at(number) for number in reversed(range(7))]


def test_an_empty_store(store: SqlStore) -> None:
    """Nothing is found, and said in words where something is asked for."""
    assert store.snapshots(Filter()).entries == ()
    assert store.groups(Filter()).groups == ()
    assert store.groups(Filter(), offset=5).total == 0
    assert store.values("service.name") == {}
    assert store.listing().hint is not None
    with pytest.raises(SnapshotNotFound, match="no snapshots in"):
        store.find("latest")


def test_a_snapshot_is_found_by_a_part_of_its_id(store: SqlStore) -> None:
    """The begin or the end of an id is enough where it fits one; otherwise it says which fit."""
    store.add([made(1), made(2), made(33)])
    assert store.find("latest").location == id_at(33)
    assert store.find(id_at(2)[-4:].lower()).location == id_at(2)
    with pytest.raises(SnapshotNotFound, match=f"fits 3 snapshots, the newest of them {id_at(33)}"):
        store.find("01")
    for reference in (
        "",
        "%",
        "_",
        "ZZZZ",
        "'; DROP TABLE bcd_snapshot; --",
        "../x",
        "é",
        "0" * 99,
    ):
        with pytest.raises(SnapshotNotFound):
            store.find(reference)
    assert len(store.listing().entries) == 3


def test_filters_of_the_error(store: SqlStore) -> None:
    """By type, whole or its last part, and by a part of the type or message in any case."""
    store.add(
        [
            made(1, type_="shop.errors.CheckoutFailed", message="Straße 100% _gone_"),
            made(2, type_="CheckoutFailed", message="it's over"),
            made(3, type_="shop.errors.Other", message="CheckoutFailed"),
        ]
    )
    assert numbers(store, type="CheckoutFailed") == [2, 1]
    assert numbers(store, type="shop.errors.CheckoutFailed") == [1]
    assert numbers(store, type="errors.CheckoutFailed") == []
    assert numbers(store, text="checkoutFAILED") == [3, 2, 1]
    assert numbers(store, text="STRASSE") == [1]
    assert numbers(store, text="0% _G") == [1]
    assert numbers(store, text="0_ %g") == []
    assert numbers(store, text="it's") == [2]
    assert numbers(store, text="") == [3, 2, 1]


def test_filters_of_the_request(store: SqlStore) -> None:
    """By route, or the task's name where there is none, service, release and classifier."""
    store.add(
        [
            made(1, attributes={"http.route": "/a", "service.name": "shop"}, classifiers=("x",)),
            made(2, attributes={"celery.task_name": "/a", "service.version": "2"}),
            made(3, attributes={"http.route": "/b", "celery.task_name": "/a"}, classifiers=("y",)),
        ]
    )
    assert numbers(store, route="/a") == [2, 1]
    assert numbers(store, service="shop") == [1]
    assert numbers(store, release="2") == [2]
    assert numbers(store, classifier="y") == [3]
    assert numbers(store, classifier="z") == []


def test_filters_of_attributes_and_time_hold_together(store: SqlStore) -> None:
    """All that is given has to fit: each attribute, with its value or any, and the time."""
    store.add([made(number, attributes={"k": str(number % 2), "n": "1"}) for number in range(6)])
    store.add([made(9)])
    assert numbers(store, attributes={"k": "1", "n": "1"}) == [5, 3, 1]
    assert numbers(store, attributes={"k": None}) == [5, 4, 3, 2, 1, 0]
    assert numbers(store, attributes={"k": "1", "n": "2"}) == []
    times = {"since": BEGIN + timedelta(minutes=1), "until": BEGIN + timedelta(minutes=5)}
    assert numbers(store, attributes={"k": "1"}, **times) == [3, 1]
    assert numbers(store, **(times | {"until": times["since"]})) == []


def test_filters_by_the_begin_of_a_fingerprint(store: SqlStore) -> None:
    """A group's begin is enough, in any case of letters; what is no fingerprint fits none."""
    store.add([made(1, kind=0xABCD << 48), made(2, kind=0xABCE << 48)])
    assert numbers(store, fingerprint="ABC") == [2, 1]
    assert numbers(store, fingerprint="abcd000000000000") == [1]
    assert numbers(store, fingerprint="%") == []


@pytest.mark.parametrize(
    "odd", ["%", "_", "'", '";--', "\\", "\0", "\ud800", "é\u0301", "x" * 3000]
)
def test_no_character_of_a_filter_means_anything(store: SqlStore, odd: str) -> None:
    """What SQL or a database takes as special is found as it is, and nothing else is."""
    told = {"http.route": odd, "service.name": odd, "service.version": odd, odd: odd}
    store.add(
        [made(1, type_=odd, message=odd, attributes=told, classifiers=(odd,)), made(2, type_="x")]
    )
    for name in ("type", "text", "route", "service", "release", "classifier"):
        assert numbers(store, **{name: odd}) == [1], name
    assert numbers(store, attributes={odd: odd}) == [1]
    assert numbers(store, attributes={odd: None}) == [1]


def test_groups_count_what_was_only_counted(store: SqlStore) -> None:
    """A group tells of its newest error, and of all that fit, counted ones included."""
    store.add([made(number, kind=1, suppressed=number) for number in range(4)])
    store.add([made(4, kind=2, type_="Late", attributes={"http.route": "/late"})])
    page = store.groups(Filter(), spans=2)
    late, first = page.groups
    assert (page.total, page.start) == (2, BEGIN)
    assert (late.type, late.route, late.latest) == ("Late", "/late", id_at(4))
    assert late.activity == (0, 1)
    assert (first.count, first.suppressed) == (4, 6)
    assert (first.first_seen, first.last_seen) == (BEGIN, BEGIN + timedelta(minutes=3))
    assert first.activity == (1 + 2 + 3, 4)
    (narrow,) = store.groups(Filter(until=BEGIN + timedelta(minutes=2))).groups
    assert (narrow.count, narrow.suppressed, narrow.latest) == (2, 1, id_at(1))


def test_groups_come_page_by_page(store: SqlStore) -> None:
    """Groups seen last come first; the total is that of all pages, also behind the last one."""
    store.add([made(number, kind=number) for number in range(5)])
    kinds = [int(group.fingerprint, 16) for group in store.groups(Filter(), limit=3).groups]
    assert kinds == [4, 3, 2]
    behind = store.groups(Filter(), limit=3, offset=3)
    assert [int(group.fingerprint, 16) for group in behind.groups] == [1, 0]
    assert (behind.total, store.groups(Filter(), offset=9).total) == (5, 5)


def test_a_resolved_group_that_comes_back_is_a_regression(new_store: NewStore) -> None:
    """Only an error that happened after it was resolved opens a group again."""
    now = BEGIN + timedelta(minutes=10)
    store = new_store()
    store._clock = lambda: now
    store.add([made(1)])
    store.set_state("0" * 16, "resolved")
    store.add([made(9)])
    (group,) = store.groups(Filter(), state="resolved").groups
    assert (group.count, group.regressed) == (2, False)
    store.add([made(11)])
    (group,) = store.groups(Filter()).groups
    assert (group.state, group.regressed) == ("open", True)
    assert store.groups(Filter(), state="resolved").total == 0
    store.set_state("0" * 16, "ignored")
    store.add([made(12)])
    (group,) = store.groups(Filter(), state="ignored").groups
    assert (group.count, group.regressed) == (4, False)


def test_no_state_without_a_group(store: SqlStore) -> None:
    """A group that does not exist has no state to set."""
    with pytest.raises(SnapshotNotFound, match="no group"):
        store.set_state("0" * 16, "resolved")


def test_what_attributes_have_in_common(store: SqlStore) -> None:
    """Of each key the values by how often they occur, at most 20, of the group alone."""
    store.add([made(n, attributes={"tenant": f"t{n:02}", "zone": "eu"}) for n in range(30)])
    store.add([made(40, attributes={"tenant": "t29"}), made(50, kind=9, attributes={"zone": "us"})])
    found = store.common("0" * 16, Filter())
    assert found["zone"] == {"eu": 30}
    assert list(found["tenant"].items())[:2] == [("t29", 2), ("t00", 1)]
    assert len(found["tenant"]) == 20
    assert store.common("0" * 16, Filter(attributes={"tenant": "t29"}))["zone"] == {"eu": 1}
    assert store.values("zone") == {"eu": 30, "us": 1}
    assert store.values("tenant", limit=1) == {"t29": 2}


def test_releases_are_counted_as_groups_are(store: SqlStore) -> None:
    """Each release has what its snapshots alone would give, in the time that is asked for."""
    versions = ["1.4", "1.5", "1.5", "1.6", "1.5", "", None, "1.4"]
    for number, version in enumerate(versions):
        told = {} if version is None else {"service.version": version}
        store.add([made(number, kind=1, attributes=told, suppressed=number)])
    store.add([made(9, kind=2, attributes={"service.version": "2"})])
    kind, start, end = f"{1:016x}", BEGIN, BEGIN + timedelta(minutes=7)
    found = store.releases(kind, Filter(), start=start, end=end, spans=3)
    assert [(each.name, each.count) for each in found] == [("1.5", 3), ("1.4", 1), ("1.6", 1)]
    for each in found:
        wanted = Filter(fingerprint=kind, release=each.name, since=start, until=end)
        (alone,) = store.groups(wanted, spans=3).groups
        assert (each.suppressed, each.last_seen) == (alone.suppressed, alone.last_seen)
        assert each.activity == alone.activity
    assert (
        store.releases(kind, Filter(), start=start, end=end, limit=1)
        == (store.releases(kind, Filter(), start=start, end=end)[:1])
    )
    (one,) = store.releases(kind, Filter(release="1.6"), start=start, end=end)
    assert one.name == "1.6"
    assert store.releases(kind, Filter(), start=start, end=start) == ()
    assert store.releases("0" * 16, Filter(), start=start, end=end) == ()


def test_migrated_tables_are_those_of_the_schema(store: SqlStore) -> None:
    """What the migrations make is what the schema says, so neither can be changed alone."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from bcd.store.sql.schema import VERSION_TABLE, metadata

    with store._engine.connect() as connection:
        options = {"version_table": VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
