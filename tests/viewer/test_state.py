"""``bcd state``: marking kinds of errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bcd.cli._index import options_for
from bcd.cli.program import run
from bcd.store.base import Filter
from bcd.store.sql.opening import open_store
from tests.viewer.served import written
from tests.viewer.snapshots import documents, fingerprint_of, made

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
FULL = fingerprint_of("shop.E")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    written(tmp_path, documents([made("shop.E", "m", NOW), made("shop.F", "m", NOW)]))
    return tmp_path


def state(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run it; return the status, and what it says on standard error."""
    with pytest.raises(SystemExit) as ended:
        run(["state", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder_option", "store", "folder_of_environment", "expected"),
    [
        (None, None, None, ""),
        ("/srv/my shop", None, None, "--folder '/srv/my shop'"),
        (None, None, "/srv/shop", "--folder /srv/shop"),
        (None, "/srv/shop", None, "--folder /srv/shop"),
        (None, "postgresql://bcd:secret@db/bcd", None, '--store "$BCD_STORE"'),
        ("/srv/shop", "postgresql://bcd:secret@db/bcd", None, "--folder /srv/shop"),
    ],
)
def test_how_a_command_names_a_store(
    monkeypatch: pytest.MonkeyPatch,
    folder_option: str | None,
    store: str | None,
    folder_of_environment: str | None,
    expected: str,
) -> None:
    """Another shell has not this one's BCD_DIR, and a page shows no password."""
    if folder_of_environment is None:
        monkeypatch.delenv("BCD_DIR", raising=False)
    else:
        monkeypatch.setenv("BCD_DIR", folder_of_environment)
    assert options_for(folder_option, store) == expected


@pytest.mark.parametrize("name", [FULL, FULL[:6], FULL.upper()])
def test_a_kind_of_error_is_resolved(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """By its fingerprint or the begin of it; other kinds stay as they are."""
    said = state(capsys, name, "resolved", "--folder", str(folder))
    assert said == (0, "bcd: shop.E is resolved now, and was open\n")
    groups = open_store(str(folder)).groups(Filter()).groups
    assert {each.type: each.state for each in groups} == {"shop.E": "resolved", "shop.F": "open"}


def test_a_resolved_kind_comes_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that was resolved is open again with the next error, and an ignored one stays so."""
    for kind, wanted in (("shop.E", "resolved"), ("shop.F", "ignored")):
        state(capsys, fingerprint_of(kind), wanted, "--folder", str(folder))
    later = datetime.now(UTC) + timedelta(seconds=1)
    written(folder, documents([made("shop.E", "n", later), made("shop.F", "n", later)]))
    groups = open_store(str(folder)).groups(Filter()).groups
    assert {each.type: (each.state, each.regressed) for each in groups} == {
        "shop.E": ("open", True),
        "shop.F": ("ignored", False),
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ffff0000ffff0000", "open"], "no kind of error begins with 'ffff0000ffff0000'"),
        (["", "open"], "2 kinds of error begin with ''; give more"),
        (["%", "open"], "no kind of error begins with '%'"),
        ([FULL, "closed"], "'closed' is not one of"),
    ],
)
def test_no_such_kind(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """One line says what is wrong, and nothing changes."""
    code, said = state(capsys, *arguments, "--folder", str(folder))
    assert code > 0
    assert words in said
    assert said.count("\n") == 1
    groups = open_store(str(folder)).groups(Filter(), state="open")
    assert groups.total == 2
