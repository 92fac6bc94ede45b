"""Adding snapshots to a database: once each, all of a batch or none, and what is refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bcd.errors import StoreError
from bcd.store.base import Filter
from bcd.store.sql.opening import open_database, upgrade_database
from bcd.store.sql.store import Added
from tests.store.conftest import id_at, made

if TYPE_CHECKING:
    from pathlib import Path

    from bcd.store.sql.store import SqlStore
    from tests.postgresql import Databases
    from tests.store.conftest import NewStore

ADDS = """
import sys
from bcd.store.sql.engines import sqlite_engine
from bcd.store.sql.opening import open_database
from bcd.store.sql.store import SqlStore
from tests.store.conftest import made

place, backwards = sys.argv[1], sys.argv[2] == "backwards"
store = open_database(place) if "://" in place else SqlStore(sqlite_engine(place), place)
items = [made(number, kind=number % 7) for number in range(200)]
if backwards:
    items.reverse()
print("ready", flush=True)
sys.stdin.readline()
print(sum(store.add(items[at : at + 20]).new for at in range(0, 200, 20)))
"""


def test_what_was_added_comes_back_byte_by_byte(store: SqlStore) -> None:
    """The content is kept as it lies in the file, compressed or not, in the order of ids."""
    small, (big_id, big) = made(1), made(2)
    packed = (big_id, gzip.compress(big))
    assert store.add([packed, small]) == Added(new=2)
    assert list(store.documents()) == [small, packed]


def test_going_through_all_begins_behind_an_id(store: SqlStore) -> None:
    """More documents than are read at once come in order, from any place on."""
    items = [made(number) for number in range(45)]
    store.add(items)
    assert list(store.documents()) == items
    assert list(store.documents(after=id_at(40))) == items[41:]


def test_a_snapshot_is_added_once(store: SqlStore, new_store: NewStore) -> None:
    """Adding again changes nothing, also under the same id with other content."""
    first = made(1, message="the first")
    assert store.add([first, first]).new == 1
    again = new_store()
    assert again.add([first, made(1, message="another"), made(2)]).new == 1
    assert dict(again.documents()) == dict([first, made(2)])


def test_what_is_damaged_is_refused_in_words(store: SqlStore) -> None:
    """Damaged, newer and misnamed documents are reported, and the others of the batch stored."""
    good, (other_id, _) = made(1), made(9)
    newer = json.dumps(json.loads(made(2)[1]) | {"format": 99}).encode()
    added = store.add(
        [(id_at(2), newer), good, (id_at(3), b"{"), (other_id, made(4)[1]), ("../../x", b"")]
    )
    assert added.new == 1
    assert set(added.refused) == {id_at(2), id_at(3), other_id, "../../x"}
    assert "update bcd" in added.refused[id_at(2)]
    assert "calls itself" in added.refused[other_id]
    assert list(store.documents()) == [good]


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud800", "%_';--\\", "\U0001f600", "x" * 100_000])
def test_any_text_can_be_added(store: SqlStore, odd: str) -> None:
    """Texts that no database takes, or no index, are stored, and the document as it was."""
    item = made(
        1, type_=odd, message=odd, attributes={odd: odd, "http.route": odd}, classifiers=(odd, odd)
    )
    assert store.add([item]) == Added(new=1)
    assert list(store.documents()) == [item]


@pytest.mark.parametrize("told", ["", "-1", "many", "1.5", "9" * 5_000, "²"])
def test_a_count_that_is_none_is_no_reason_to_fail(store: SqlStore, told: str) -> None:
    """Whatever a program calls ``bcd.suppressed``, its snapshot is stored."""
    assert store.add([made(1, attributes={"bcd.suppressed": told})]).new == 1


def test_routes_and_counts_are_those_of_files(store: SqlStore) -> None:
    """A task stands in for a route that is empty, and a count beyond any is none."""
    told = {"http.route": "", "celery.task_name": "shop.pack", "bcd.suppressed": "9" * 20}
    store.add([made(1, attributes=told)])
    (group,) = store.groups(Filter(route="shop.pack")).groups
    assert (group.route, group.suppressed) == ("shop.pack", 0)


def test_nothing_to_add_is_no_error(store: SqlStore) -> None:
    """An empty batch, and a snapshot without a group, are stored."""
    assert store.add([]) == Added(new=0)
    snapshot_id, content = made(1)
    document: dict[str, Any] = json.loads(content) | {"reason": {"kind": "dump"}}
    assert store.add([(snapshot_id, json.dumps(document).encode())]).new == 1


def test_two_that_add_the_same_add_it_once(
    request: pytest.FixtureRequest, tmp_path: Path, new_store: NewStore
) -> None:
    """Two processes that add the same 200 snapshots, one backwards, store each exactly once."""
    store = new_store()
    place = str(tmp_path / "store.sqlite3")
    if "postgresql" in request.node.callspec.params.values():
        place = store._engine.url.render_as_string(hide_password=False)
    adders = [_adder(place, way) for way in ("forwards", "backwards")]
    for adder in adders:
        assert adder.stdout is not None
        assert adder.stdout.readline() == "ready\n"
    for adder in adders:
        assert adder.stdin is not None
        adder.stdin.write("\n")
        adder.stdin.flush()
    assert sum(map(_number_added, adders)) == 200
    assert len(list(store.documents())) == 200


def _adder(place: str, way: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADDS, place, way]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def _number_added(adder: subprocess.Popen[str]) -> int:
    with adder:
        out, _ = adder.communicate(timeout=60)
    assert adder.returncode == 0
    return int(out)


def test_the_tables_are_made_once(postgresql: Databases) -> None:
    """A new database is refused until it is prepared, which happens once."""
    url = postgresql.new(empty=True)
    with pytest.raises(StoreError, match="holds no snapshots of bcd yet"):
        open_database(url)
    assert upgrade_database(url)
    assert not upgrade_database(url)
    open_database(url).close()


def test_adding_prepares_a_new_database(postgresql: Databases) -> None:
    """Whoever is to add gets the tables made."""
    url = postgresql.new(empty=True)
    store = open_database(url, create=True)
    assert store.add([made(1)]).new == 1
    store.close()
