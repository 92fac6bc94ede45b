"""`bcd list`, `show`, `diff` and `open` read a database as they read a folder."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bcd.cli._reading import newest
from bcd.store.base import Filter
from tests.store.commands import Ran
from tests.store.conftest import BEGIN, SAMPLE, emptied, id_at, made
from tests.terminal import id_at as id_of

if TYPE_CHECKING:
    from pathlib import Path

    from bcd.store.sql.store import SqlStore

KIND, OTHER = f"{1:016x}", f"{2:016x}"
SHOP = {"http.route": "/orders/{id}", "service.name": "shop", "service.version": "1.5"}
TASK = {"celery.task_name": "shop.pay", "service.version": "1.4", "cart": "ÄB"}
IDS = [id_of(BEGIN + timedelta(minutes=number)) for number in range(4)]


@pytest.fixture(name="bcd")
def _bcd(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    for name in ("BCD_STORE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Ran(capsys)


@pytest.fixture(name="both")
def _both(shared_database: str, tmp_path: Path) -> tuple[list[str], list[str]]:
    """The same snapshots in a folder and in a database: the options that name each."""
    from bcd.store.sql.opening import open_database

    items = [
        made(0, kind=1, attributes=SHOP, suppressed=3),
        made(1, kind=2, type_="KeyError", message="'ÄB'", attributes=TASK, classifiers=("a",)),
        made(2, kind=1, type_="shop.Übel", attributes={"http.route": "/", "cart": ""}),
        made(3, kind=1, attributes=SHOP, message="order 1043", suppressed=1),
    ]
    items = [
        (own, document.replace(other.encode(), own.encode()))
        for own, (other, document) in zip(IDS, items, strict=True)
    ]
    for snapshot_id, document in items:
        (tmp_path / f"{snapshot_id}.bcd.json").write_bytes(document)
    store = open_database(emptied(shared_database))
    store.add(items)
    store.close()
    return ["--folder", str(tmp_path)], ["--store", shared_database]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--groups"],
        ["--groups", "--limit", "1"],
        ["--groups", "--type", "KeyError"],
        ["--limit", "2"],
        ["--limit", "all"],
        ["--type", "CheckoutFailed"],
        ["--text", "äb"],
        ["--text", "ÜBEL"],
        ["--text", "%"],
        ["--route", "shop.pay"],
        ["--route", "/"],
        ["--service", "shop"],
        ["--release", "1.4"],
        ["--attribute", "cart"],
        ["--attribute", "cart="],
        ["--attribute", "cart=ÄB"],
        ["--classifier", "a"],
        ["--fingerprint", KIND],
        ["--fingerprint", "0000000000000002"],
        ["--since", f"{BEGIN + timedelta(minutes=1):%Y-%m-%dT%H:%M}"],
        ["--until", f"{BEGIN + timedelta(minutes=1):%Y-%m-%dT%H:%M}", "--service", "shop"],
        ["--text", "' OR 1=1 --"],
    ],
)
def test_a_list_of_both(bcd: Ran, both: tuple[list[str], list[str]], options: list[str]) -> None:
    """Whatever is asked for, a folder and a database list the same."""
    folder, database = (bcd("list", *options, *place) for place in both)
    assert database.out == folder.out
    assert database.status == folder.status == 0
    if folder.out:
        assert database.err == folder.err
    else:
        assert database.err == "bcd: no snapshot is as asked for\n"


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["show", IDS[1]],
        ["show", "--json", IDS[2]],
        ["show", "--html", "-"],
        ["diff"],
        ["diff", IDS[0], IDS[1]],
        ["diff", "--json", IDS[3]],
    ],
)
def test_one_of_both(bcd: Ran, both: tuple[list[str], list[str]], command: list[str]) -> None:
    """A snapshot is shown and compared alike, wherever it is kept."""
    folder, database = (bcd(*command, *place) for place in both)
    assert database == folder
    assert database.status == 0


def test_which_store(
    bcd: Ran, both: tuple[list[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BCD_STORE holds unless a folder is named; the path of a file is that of a file."""
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("BCD_DIR", str(tmp_path / "none"))
    assert bcd("list").err.startswith("bcd: no snapshots in ")
    monkeypatch.setenv("BCD_STORE", both[1][1])
    assert IDS[3] in bcd("list").out
    assert bcd("list", "--folder", str(tmp_path / "none")).out == ""
    assert bcd("show", SAMPLE).out.startswith("shop.errors.CheckoutFailed")
    monkeypatch.setenv("BCD_STORE", both[0][1])
    assert IDS[3] in bcd("list").out
    for path in tmp_path.glob("*.bcd.json"):
        path.unlink()
    assert bcd("list", *both[0]).err.startswith("bcd: no snapshots in ")


def test_more_than_one_page(store: SqlStore) -> None:
    """A database is read page by page, as far as is asked for."""
    store.add(made(number) for number in range(1100))
    listing = newest(store, None, None)
    assert [entry.head.id for entry in listing.entries] == [id_at(n) for n in range(1099, -1, -1)]
    assert listing.left == 0
    some = newest(store, Filter(), 1050)
    assert (len(some.entries), some.left) == (1050, 50)


def test_an_empty_database(bcd: Ran, shared_database: str) -> None:
    """It says that it is; as JSON it is an empty array."""
    url = emptied(shared_database)
    for options in ([], ["--groups"]):
        ended = bcd("list", *options, "--store", url)
        assert (ended.status, ended.out, ended.err) == (
            0,
            "",
            "bcd: no snapshots in the store yet\n",
        )
        assert json.loads(bcd("list", "--json", *options, "--store", url).out) == []


@pytest.mark.parametrize("command", ["list", "show", "diff"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:secret@127.0.0.1:1/x", "connection failed"),
        ("mysql://u:secret@x/y", "a store of the kind 'mysql' is not known"),
        ("postgresql://u:secret@[::1", "cannot be read"),
    ],
)
def test_a_database_that_cannot_be_read(bcd: Ran, command: str, url: str, words: str) -> None:
    """One line says so, without the password."""
    ended = bcd(command, "--store", url)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert words in ended.err
    assert "secret" not in ended.err
