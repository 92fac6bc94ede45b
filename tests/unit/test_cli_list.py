"""`bcd list`: which snapshots it names, how many, and their kinds."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.cli._moments import moment
from tests.terminal import Ran, keep, on_a_terminal, without_styles

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KIND, OTHER = "aaaa000000000000", "bbbb000000000000"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    assert plain_environment is None
    monkeypatch.setenv("BCD_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(name="three")
def _three(folder: Path) -> list[str]:
    """Keep three snapshots and return their ids, newest first."""
    late = {"http.route": "/orders/{id}", "service.name": "shop", "service.version": "1.5"}
    early = {"celery.task_name": "shop.pay", "service.version": "1.4", "bcd.suppressed": "7"}
    kept = [
        keep(folder, NOON, 1, attributes=late, reason={"kind": "error", "fingerprint": KIND}),
        keep(
            folder,
            NOON - timedelta(hours=1),
            2,
            type="KeyError",
            message="'NOK'",
            attributes=early,
            classifiers=["KeyError", "LookupError"],
            reason={"kind": "error", "fingerprint": OTHER},
        ),
        keep(
            folder,
            NOON - timedelta(days=9),
            3,
            attributes={"http.route": "/", "bcd.suppressed": "2"},
            reason={"kind": "error", "fingerprint": KIND},
        ),
    ]
    return list(kept)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", [0, 1, 2]),
        ("--since 2026-11-20", [0, 1]),
        ("--since 2026-11-20T11:30 --until 2026-11-20T13:00+00:00", [0]),
        ("--until 2026-11-20T12:30+02:00", [2]),
        ("--type KeyError", [1]),
        ("--type CheckoutFailed", [0, 2]),
        ("--text ORDER", [0, 2]),
        ("--route /orders/{id}", [0]),
        ("--route shop.pay", [1]),
        ("--service shop", [0]),
        ("--release 1.4", [1]),
        ("--attribute service.version", [0, 1]),
        ("--attribute service.version=1.5", [0]),
        ("--attribute service.version --attribute service.name", [0]),
        ("--classifier LookupError", [1]),
        ("--fingerprint AAAA", [0, 2]),
        ("--fingerprint aaaa --limit 1", [0]),
        ("--limit all", [0, 1, 2]),
    ],
)
def test_filters(bcd: Ran, three: list[str], arguments: str, expected: list[int]) -> None:
    """Those are listed, newest first, that fit everything asked for; scripts get the same."""
    status, out, _ = bcd("list", *arguments.split())
    assert status == 0
    assert [row.split()[0] for row in out.splitlines()] == [three[index] for index in expected]
    as_json = json.loads(bcd("list", "--json", *arguments.split())[1])
    assert [each["id"] for each in as_json] == [three[index] for index in expected]


def test_nothing_fits(bcd: Ran, folder: Path, three: list[str]) -> None:
    """That there is something else is said; the status is that of success, as of an empty list."""
    assert three
    words = f"bcd: no snapshot in {folder} is as asked for\n"
    for option in (["--type", "Nope"], ["--since", "2031-01-01"], ["--groups", "--text", "Nope"]):
        assert bcd("list", *option) == (0, "", words)
        assert bcd("list", "--json", *option) == (0, "[]\n", "")


def test_the_newest_unless_told(bcd: Ran, folder: Path, three: list[str]) -> None:
    """Only so many files are read as are listed; the others are counted, damaged ones too."""
    (folder / f"{three[2]}.bcd.json").write_text("{")
    status, out, err = bcd("list", "--limit", "2")
    assert (status, len(out.splitlines())) == (0, 2)
    assert err == "bcd: 1 older one was not looked at; --limit all takes it too\n"
    assert bcd("list")[2].startswith(f"bcd: warning: {folder}/{three[2]}.bcd.json: no JSON")


def test_groups(bcd: Ran, three: list[str]) -> None:
    """A kind is one line: how many, those that were only counted too, last and first seen."""
    assert three
    status, out, err = bcd("list", "--groups")
    assert (status, err) == (0, "")
    error = "shop.errors.CheckoutFailed: order 1042 could not be paid"
    assert out.splitlines() == [
        f"{KIND}  4  2026-11-20T12:00:00Z  2026-11-11T12:00:00Z  {error}  /orders/{{id}}",
        f"{OTHER}  8  2026-11-20T11:00:00Z  2026-11-20T11:00:00Z  KeyError: 'NOK'  shop.pay",
    ]
    first, second = json.loads(bcd("list", "--groups", "--json")[1])
    assert (first["fingerprint"], first["snapshots"], first["suppressed"]) == (KIND, 2, 2)
    assert (first["latest"], first["first_seen"]) == (three[0], "2026-11-11T12:00:00.000000Z")
    assert (second["state"], second["regressed"]) == ("open", False)


def test_groups_without_an_index(
    bcd: Ran, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLAlchemy is missing the files alone tell the same, but no state."""
    assert three
    indexed = bcd("list", "--groups")
    monkeypatch.setitem(sys.modules, "bcd.store.sql.folder", None)
    assert bcd("list", "--groups") == indexed
    first, *_ = json.loads(bcd("list", "--groups", "--json")[1])
    assert first["fingerprint"] == KIND
    assert "state" not in first


def test_states_of_groups(bcd: Ran, three: list[str]) -> None:
    """What people have made of a kind stands beside it; that one is open is not worth a word."""
    assert three
    assert bcd("state", OTHER, "resolved")[0] == 0
    first, second = bcd("list", "--groups")[1].splitlines()
    assert "  resolved  KeyError: 'NOK'" in second
    assert "Z            shop.errors" in first


def test_groups_without_what_has_no_kind(bcd: Ran, folder: Path) -> None:
    """What was not taken of an error is in no group, and is not passed over silently."""
    keep(folder, NOON, exception=None, reason={"kind": "dump"})
    words = "bcd: 1 snapshot is of no kind of error, and in no group\n"
    assert bcd("list", "--groups") == (0, "", words)
    keep(folder, NOON, 1, exception=None, reason={"kind": "dump"})
    words = "bcd: 2 snapshots are of no kind of error, and in no group\n"
    assert bcd("list", "--groups", "--json") == (0, "[]\n", words)


def test_groups_on_a_terminal(folder: Path) -> None:
    """A terminal gets ages and a title; no line is wider than it."""
    now = datetime.now(UTC)
    reason = {"kind": "error", "fingerprint": KIND}
    keep(folder, now - timedelta(minutes=130), reason=reason, message="€" * 500)
    keep(folder, now - timedelta(days=3, minutes=1), 1, reason=reason)
    for columns in (80, 120):
        shown = on_a_terminal("list", "--groups", columns=columns, BCD_DIR=str(folder))
        title, row = without_styles(shown).splitlines()
        assert title.split() == ["KIND", "COUNT", "LAST", "FIRST", "ERROR"]
        assert row.startswith("aaaa0000      2  2 h   3 d    shop.errors.CheckoutFailed: €€€")
        assert len(row) == columns


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "soon"], "'--since': 'soon' is no time like 2026-11-20 or "),
        (["--until", "2h3"], "'--until': '2h3' is no time"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
        (["--attribute", "=7"], "'=7' names no attribute; give KEY or KEY=VALUE"),
        (["--attribute", "a=1", "--attribute", "a=2"], "given twice for one name"),
        (["--fingerprint", "x\x1b"], r"'x\x1b' is not 16 hexadecimal digits, or their begin"),
        (["--limit", "0"], "'0' is neither a number from 1 on nor all"),
        (["--limit", "9" * 5000], "is neither a number from 1 on nor all"),
    ],
)
def test_what_cannot_be_asked_for(bcd: Ran, arguments: list[str], words: str) -> None:
    """An option that makes no sense is one line that says what would."""
    status, out, err = bcd("list", *arguments)
    assert (status, out) == (2, "")
    assert words in err.replace("\\\\", "\\")
    assert err.count("\n") == 1
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("2h", timedelta(hours=2)),
        ("90min", timedelta(minutes=90)),
        ("90 m", timedelta(minutes=90)),
        ("1d 12h", timedelta(hours=36)),
        ("1.5h", timedelta(minutes=90)),
        ("2w", timedelta(weeks=2)),
        ("30s", timedelta(seconds=30)),
    ],
)
def test_ages(text: str, ago: timedelta) -> None:
    """An age counts back from now."""
    assert moment(text, NOON) == NOON - ago


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,12} ?[a-z]{1,2}", fullmatch=True))
def test_any_text_is_a_time_or_none(text: str) -> None:
    """Whatever is typed is a time of UTC or refused in words."""
    refused = ""
    found = NOON
    try:
        found = moment(text, NOON)
    except ValueError as error:
        refused = str(error)
    assert found.utcoffset() == timedelta(0)
    assert not refused or refused.startswith("is no time like")


def test_very_many_damaged_files(bcd: Ran, folder: Path) -> None:
    """The first ones are named, the others counted."""
    for number in range(15):
        (folder / f"01AAAAAAAAAAAAAAAAAAAAAA{number:02}.bcd.json").write_text("{")
    status, out, err = bcd("list")
    assert (status, out) == (0, "")
    lines = err.splitlines()
    assert len([row for row in lines if ".bcd.json: no JSON" in row]) == 10
    assert "bcd: warning: 5 more files cannot be read" in lines
    assert lines[-1] == f"bcd: no snapshot in {folder} can be read"
