"""`bcd diff`: which two snapshots are compared, and how that is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.store.test_dumps import put
from tests.terminal import SAMPLE, Ran, keep, on_a_terminal, without_styles

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONE = {"kind": "error", "fingerprint": "aaaa000000000000"}
TWO = {"kind": "error", "fingerprint": "bbbb000000000000"}
DUMP = "7AAAAAAAAAAAAAAAAAAAAAAAA1"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    assert plain_environment is None
    monkeypatch.setenv("BCD_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(name="kept")
def _kept(folder: Path) -> list[str]:
    """Keep four snapshots, newest first: two of one kind, one of another between them, one more."""
    return [
        keep(folder, NOON, reason=ONE, message="four"),
        keep(folder, NOON - timedelta(hours=1), reason=TWO, message="three"),
        keep(folder, NOON - timedelta(hours=2), reason=ONE, message="two"),
        keep(folder, NOON - timedelta(hours=3), reason=ONE, message="one"),
    ]


@pytest.mark.parametrize(
    ("arguments", "before", "after"),
    [
        ([], 2, 0),
        (["latest"], 2, 0),
        ([2], 3, 2),
        ([0, 1], 0, 1),
        ([3, "latest"], 3, 0),
        ([1, 1], 1, 1),
    ],
)
def test_which_two(
    bcd: Ran, kept: list[str], arguments: list[int | str], before: int, after: int
) -> None:
    """Those named, else the one before of the same kind; what comes first has a minus."""
    named = [kept[each] if isinstance(each, int) else each for each in arguments]
    status, out, err = bcd("diff", *named)
    assert (status, err) == (0, "")
    first, second, *_ = out.splitlines()
    assert first.startswith(f"- {kept[before]} · 2026-11-20 ")
    assert second.startswith(f"+ {kept[after]} · 2026-11-20 ")
    document = json.loads(bcd("diff", "--json", *named)[1])
    assert (document["before"]["id"], document["after"]["id"]) == (kept[before], kept[after])
    assert document["differs"] is (before != after)
    assert document["one_kind"] is (1 not in (before, after) or before == after)


def test_what_differs(bcd: Ran, kept: list[str]) -> None:
    """Of two kinds, that is said too; a file anywhere can be compared."""
    out = bcd("diff", kept[1], kept[0])[1]
    assert "  fingerprint  - bbbb000000000000\n               + aaaa000000000000\n" in out
    assert "- shop.errors.CheckoutFailed: three\n+ shop.errors.CheckoutFailed: four\n" in out
    out = bcd("diff", kept[0], str(SAMPLE))[1]
    assert "\n+ shop.errors.CheckoutFailed: order 1042 could not be paid\n" in out


def test_on_a_terminal(folder: Path, kept: list[str]) -> None:
    """What was is red, what is now green, in a pager where it is long."""
    assert len(kept) == 4
    shown = on_a_terminal("diff", BCD_DIR=str(folder), rows=40)
    assert "\x1b[31m- \x1b[0m" in shown
    assert "\x1b[1;32mfour\x1b[0m" in shown
    paged = on_a_terminal("diff", BCD_DIR=str(folder), rows=4, PAGER="grep -c ''")
    assert int(paged) == len(without_styles(shown).splitlines())


def test_there_is_none_to_compare_with(bcd: Ran, folder: Path, kept: list[str]) -> None:
    """One line says so and how two are named."""
    status, out, err = bcd("diff", kept[3])
    assert (status, out) == (1, "")
    assert err == (
        f"bcd: no snapshot before {kept[3]} is of its kind (aaaa000000000000); "
        "name the two: bcd diff A B\n"
    )
    healthy = keep(folder, NOON, 7, exception=None, reason={"kind": "dump"})
    words = "is of no error, so none is of its kind; name the two: bcd diff A B"
    assert bcd("diff", healthy) == (1, "", f"bcd: {healthy} {words}\n")
    assert bcd("diff", kept[0], healthy)[0] == 0
    assert bcd("diff", kept[0], "zzz")[2].startswith("bcd: no snapshot 'zzz' in ")
    assert bcd("diff", "a", "b", "c")[0] == 2


def test_a_dump_cannot_be_compared(bcd: Ran, folder: Path, kept: list[str]) -> None:
    """What another tool has found is named, and what can be compared."""
    put(folder, DUMP, "pystack")
    words = f"bcd: {DUMP} is a dump of pystack; only snapshots can be compared\n"
    assert bcd("diff") == (1, "", words)
    assert bcd("diff", kept[0], DUMP) == (1, "", words)
