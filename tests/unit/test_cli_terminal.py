"""What a person at a terminal has more: a pager, colours, a bar for what takes long."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.terminal import PROGRAM, SAMPLE, keep, on_a_terminal, without_styles

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TITLE = "shop.errors.CheckoutFailed: order 1042 could not be paid"
AT_ONCE = "from bcd.cli import _progress, main; _progress._PATIENCE = 0; main()"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    assert plain_environment is None
    folder = tmp_path / "snapshots"
    folder.mkdir()
    keep(folder, NOON)
    monkeypatch.setenv("BCD_DIR", str(folder))
    return folder


@pytest.fixture(name="pager")
def _pager(tmp_path: Path) -> Path:
    """Make a pager that keeps what it gets and says with what it was started."""
    path = tmp_path / "pager"
    path.write_text(f'#!/bin/sh\ncat > "{tmp_path}/paged"\necho "paged with LESS=$LESS and $#"\n')
    path.chmod(stat.S_IRWXU)
    return path


def test_what_is_longer_than_the_screen_is_paged(folder: Path, pager: Path) -> None:
    """The user's pager gets all of it, with colours; the terminal gets what the pager shows."""
    assert folder.is_dir()
    shown = on_a_terminal("show", PAGER=f"{pager} -x 'a b'")
    assert shown == "paged with LESS=FRX and 2\n"
    paged = (pager.parent / "paged").read_text()
    assert f"\x1b[1;31m{TITLE.partition(':')[0]}\x1b[0m" in paged
    assert without_styles(paged).splitlines()[-1].endswith("its lines are not shown.")


@pytest.mark.parametrize("rows", [4, 5])
def test_what_fits_is_not_paged(folder: Path, pager: Path, rows: int) -> None:
    """The lines and one for the prompt have to fit; a line counts as often as it is folded."""
    for minute in (1, 2):
        keep(folder, NOON.replace(minute=minute))
    shown = on_a_terminal("list", rows=rows, PAGER=str(pager))
    assert shown.startswith("paged" if rows == 4 else "\x1b[2mID")


def test_bcds_own_pager_comes_first(folder: Path, pager: Path) -> None:
    """BCD_PAGER stands before PAGER, and LESS of the user is left as it is."""
    assert folder.is_dir()
    shown = on_a_terminal("show", PAGER="false", BCD_PAGER=str(pager), LESS="-i")
    assert shown == "paged with LESS=-i and 0\n"


@pytest.mark.parametrize(
    "reason",
    ["--no-pager", "PAGER=", "PAGER=cat", "PAGER=/no/less", "PAGER='", "BCD_PAGER=", "TERM=dumb"],
)
def test_nothing_is_lost_without_a_pager(
    folder: Path, pager: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """Where no pager is wanted, or there is none, all is printed."""
    assert folder.is_dir()
    monkeypatch.setenv("PAGER", str(pager))
    monkeypatch.setenv("TERM", "xterm")
    option = [reason] if reason.startswith("-") else []
    if not option:
        monkeypatch.setenv(*reason.split("="))
    shown = on_a_terminal("show", *option, TERM=os.environ["TERM"])
    rows = without_styles(shown).splitlines()
    assert rows[0] == TITLE
    assert rows[-1].endswith("its lines are not shown.")


def test_a_pager_that_is_left_early(folder: Path, tmp_path: Path) -> None:
    """Who has seen enough is told nothing, and the status is that of success."""
    sample = SAMPLE.read_text()
    big = sample.replace("ring", "ring " * 20_000)
    (folder / "01ZZZZZZZZZZZZZZZZZZZZZZZZ.bcd.json").write_text(big)
    leaving = tmp_path / "leaving"
    leaving.write_text("#!/bin/sh\nexec head -n 1\n")
    leaving.chmod(stat.S_IRWXU)
    shown = on_a_terminal("show", PAGER=str(leaving))
    assert without_styles(shown) == f"{TITLE}\n"


@pytest.mark.skipif(shutil.which("less") is None, reason="there is no less here")
def test_less_is_the_pager_of_who_has_set_none(folder: Path) -> None:
    """The real less shows colours and the first screen, and leaves at a key."""
    assert folder.is_dir()
    shown = on_a_terminal("show", rows=10, keys=b"q")
    assert f"\x1b[1;31m{TITLE.partition(':')[0]}\x1b[0m" in shown
    assert "Traceback" in shown
    assert "its lines are not shown" not in shown


def test_an_interrupt_is_the_pagers(folder: Path, tmp_path: Path) -> None:
    """Ctrl-C in a pager that goes on does not end what it shows."""
    assert folder.is_dir()
    stubborn = tmp_path / "stubborn"
    stubborn.write_text(
        "#!/bin/sh\ntrap 'caught=yes' INT\nkill -INT 0\ncat >/dev/null\necho went on, $caught\n"
    )
    stubborn.chmod(stat.S_IRWXU)
    assert on_a_terminal("show", PAGER=str(stubborn)) == "went on, yes\n"


@pytest.mark.parametrize("command", ["list", "show"])
def test_nothing_is_paged_or_coloured_in_a_pipe(folder: Path, pager: Path, command: str) -> None:
    """Other programs get plain text whatever the pager; colours only if they are asked for."""
    assert folder.is_dir()

    def piped(**environment: str) -> str:
        return subprocess.run(
            [*PROGRAM, command],
            env=os.environ | {"PAGER": str(pager), "TERM": "xterm"} | environment,
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    plain = piped()
    assert "\x1b" not in plain
    assert "paged" not in plain
    coloured = piped(FORCE_COLOR="1")
    assert "\x1b[" in coloured
    assert without_styles(coloured) == plain
    assert not re.search(r"\x1b\[[0-9;]*3\d", piped(FORCE_COLOR="1", NO_COLOR="1"))


@pytest.mark.parametrize("groups", [[], ["--groups"]])
def test_a_bar_for_what_takes_long(folder: Path, groups: list[str]) -> None:
    """Reading many files shows how far it is, and takes the bar away before the list."""
    keep(folder, NOON, 1, reason={"kind": "error", "fingerprint": "aaaa000000000000"})
    program = [sys.executable, "-c", AT_ONCE]
    shown = on_a_terminal("list", *groups, program=program)
    assert "Reading snapshots" in shown
    assert "/2" in shown
    after = shown.rpartition("\x1b[2K")[2]
    assert "shop.errors.CheckoutFailed" in after
    assert "Reading" not in after


def test_no_bar_for_what_does_not(folder: Path) -> None:
    """What is over soon gets none, and a file never does."""
    assert folder.is_dir()
    assert "Reading" not in on_a_terminal("list")
    ran = subprocess.run(
        [sys.executable, "-c", AT_ONCE, "list"], capture_output=True, check=True, text=True
    )
    assert ran.stderr == ""
