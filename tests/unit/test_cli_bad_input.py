"""What lies among snapshots and is none, or a hostile one: a line of words, nothing lost."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcd.snapshot.codec import MAX_BYTES
from bcd.snapshot.format import SUFFIX, SUFFIX_GZIP
from tests.terminal import SAMPLE, Ran, id_at, keep, on_a_terminal, without_styles

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BAD = id_at(NOON + timedelta(hours=1))
WHOLE = SAMPLE.read_bytes()
NEWER = json.dumps(json.loads(WHOLE) | {"format": 99}).encode()
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e</script>\r\x00\ud800"
LONG = HOSTILE + "x" * 10_000
COMMANDS = (["show"], ["show", "--json"], ["show", "--html", "-"], ["diff"])

FILES: dict[str, bytes] = {
    "empty": b"",
    "spaces": b" \n",
    "cut short": WHOLE[:-10],
    "begin alone": b'{"format": 1',
    "another document": b'{"format": 1, "id": "x"}',
    "no object": b"[1, 2]",
    "a text": b"buy tea",
    "no UTF-8": b"\xff\xfe\x00\x01",
    "newer format": NEWER,
    "no format": b'{"format": true}',
    "deep": b"[" * 100_000,
    "long number": b'{"format": ' + b"9" * 5000 + b"}",
    "exceptions out of range": WHOLE.replace(b'"root": 0', b'"root": 77'),
    "a time of the year 99999": WHOLE.replace(b"2026-11-23T01:33:00", b"99999-11-23T01:33:00"),
    "zeros": bytes(1 << 20),
}
ZIPPED: dict[str, bytes] = {
    "zipped, cut short": gzip.compress(WHOLE)[:-20],
    "zipped, damaged": gzip.compress(WHOLE)[:100] + b"\x00" * 50 + gzip.compress(WHOLE)[150:],
    "zipped, much more inside": gzip.compress(bytes(MAX_BYTES + 1)),
    "zipped twice": gzip.compress(gzip.compress(WHOLE)),
    "not zipped": b"\x1f\x8b",
}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    assert plain_environment is None
    folder = tmp_path / "snapshots"
    folder.mkdir()
    monkeypatch.setenv("BCD_DIR", str(folder))
    return folder


def check(printed: tuple[int, str, str], status: int) -> str:
    """See that a command ended in its own way; return what it said."""
    ended, out, err = printed
    assert ended == status, err
    assert "Traceback" not in err
    assert all(row.isprintable() and row.startswith("bcd: ") for row in err.splitlines())
    assert status == 0 or out == ""
    return err


@pytest.mark.parametrize("name", [*FILES, *ZIPPED])
def test_a_file_that_is_no_snapshot(bcd: Ran, folder: Path, name: str) -> None:
    """It is named in a line; the others are listed and shown; asked for itself, it is an error."""
    reason = {"kind": "error", "fingerprint": "aaaa000000000000"}
    good = [keep(folder, NOON - timedelta(hours=hour), reason=reason) for hour in (0, 1)]
    path = folder / (BAD + (SUFFIX if name in FILES else SUFFIX_GZIP))
    path.write_bytes((FILES | ZIPPED)[name])
    printed = bcd("list")
    assert [row.split()[0] for row in printed[1].splitlines()] == good
    assert check(printed, 0).startswith(f"bcd: warning: {path}: ")
    printed = bcd("list", "--groups")
    assert printed[1].startswith("aaaa000000000000  2  ")
    assert path.name in check(printed, 0)
    for command in COMMANDS:
        assert str(path) in check(bcd(*command), 0)
        assert str(path) in check(bcd(*command, BAD), 1)
    assert path.read_bytes() == (FILES | ZIPPED)[name]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to(SAMPLE)])
def test_what_is_no_file(bcd: Ran, folder: Path, make: Callable[[Path], None]) -> None:
    """A folder, a pipe, or a link that is named like a snapshot keeps nobody waiting."""
    make(folder / f"{BAD}{SUFFIX}")
    good = keep(folder, NOON)
    for command in (["list"], ["show"], ["list", "--json"]):
        printed = bcd(*command)
        assert check(printed, 0) == ""
        assert BAD not in printed[1]
    assert bcd("list")[1].startswith(good)
    assert check(bcd("show", BAD), 1).startswith(f"bcd: no snapshot '{BAD}' in ")


AS_NOBODY = """
import contextlib, io, os, sys
from bcd.cli.program import run
for command in (["list"], ["show"]):  # the interpreter and its modules may be root's alone
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        run(command)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
run(sys.argv[1:])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_permissions(plain_environment: None) -> None:
    """What may not be read is named with the reason; a closed folder says what to do."""
    assert plain_environment is None

    def as_nobody(*command: str) -> tuple[int, str, str]:
        ran = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, *command],
            env=os.environ | {"BCD_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    with TemporaryDirectory() as name:  # below that of pytest nobody else may look
        folder = Path(name)
        folder.chmod(0o755)
        good, bad = keep(folder, NOON), keep(folder, NOON + timedelta(hours=1))
        (folder / f"{bad}{SUFFIX}").chmod(0o600)
        printed = as_nobody("list")
        assert printed[1].startswith(good)
        assert f"{bad}{SUFFIX}: cannot be read: Permission denied" in check(printed, 0)
        assert "Permission denied" in check(as_nobody("show", bad), 1)
        folder.chmod(0o700)
        said = check(as_nobody("list"), 1)
        assert f"the folder {folder} cannot be read: Permission denied; give another one" in said


@pytest.fixture(name="hostile")
def _hostile(folder: Path) -> Path:
    """Keep two snapshots whose every text is hostile."""

    def poisoned(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            keys = {each: each if each in KEYS else f"{each}{HOSTILE}" for each in value}
            return {keys[each]: poisoned(inner, each) for each, inner in value.items()}
        if isinstance(value, list):
            return [poisoned(each, key) for each in value]
        if not isinstance(value, str) or value in WORDS:
            return value
        return f"{value}{LONG if key in ('value', 'message', 'name') else HOSTILE}"

    document = json.loads(WHOLE)
    KEYS.update(re.findall(r'"(\w+)":', WHOLE.decode()))
    for number in (0, 1):
        snapshot_id = id_at(NOON, number)
        kept = poisoned(document) | {
            "id": snapshot_id,
            "created": f"2026-11-23T01:33:0{number}.000000Z",
            "reason": {"kind": "error", "fingerprint": "aaaa000000000000"},
        }
        kept["process"]["started"] = document["process"]["started"]
        kept["attributes"]["n"] = str(number)
        (folder / f"{snapshot_id}{SUFFIX}").write_text(json.dumps(kept))
    return folder


KEYS: set[str] = set()
WORDS = {"running", "waiting", "ready"}


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--json"],
        ["list", "--groups"],
        ["show"],
        ["show", "--json"],
        ["show", "--frames", "app", "--locals", "--threads", "--tasks", "--context", "9"],
        ["show", "--thread", "4320"],
        ["diff"],
        ["diff", "--json"],
    ],
)
def test_hostile_text(bcd: Ran, hostile: Path, command: list[str]) -> None:
    """Nothing in a snapshot controls a terminal, whichever command shows it."""
    assert hostile.is_dir()
    printed = bcd(*command)
    assert check(printed, 0) == ""
    assert {char for char in printed[1] if not char.isprintable()} == {"\n"}
    shown = without_styles(on_a_terminal(*command, "--no-pager", BCD_DIR=str(hostile)))
    assert {char for char in shown if not char.isprintable()} == {"\n"}


def test_hostile_names_in_errors(bcd: Ran, hostile: Path) -> None:
    """Nor does what is said of it: the candidates of a choice, what was typed."""
    assert hostile.is_dir()
    for option in ("--thread", "--task"):
        check(bcd("show", option, "\x1b[31mnobody\u202e"), 1)
        check(bcd("show", option, "a"), 1)


@given(st.binary(max_size=200), st.integers(0, len(WHOLE)), st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage(bcd: Ran, folder: Path, noise: bytes, at: int, zipped: bool) -> None:  # noqa: FBT001
    """Bytes changed anywhere give a snapshot or a line of words."""
    damaged = WHOLE[:at] + noise + WHOLE[at + len(noise) :]
    path = folder / f"{BAD}{SUFFIX}"
    path.write_bytes(gzip.compress(damaged, mtime=0) if zipped else damaged)
    for command in (["list"], ["show", str(path)], ["diff", str(SAMPLE), str(path)]):
        status, out, err = bcd(*command)
        assert status in (0, 1)
        assert "Traceback (most recent call last)" not in err
        assert all(row.isprintable() and row.startswith("bcd: ") for row in err.splitlines())
        assert out or err


def test_a_folder_of_very_many(folder: Path) -> None:
    """Of 20,000 files only those are read that are listed, in little memory."""
    first = folder / f"{keep(folder, NOON)}{SUFFIX}"
    for number in range(1, 20_000):
        os.link(first, folder / f"{id_at(NOON - timedelta(seconds=number))}{SUFFIX}")
    code = (
        "from pathlib import Path\nfrom bcd.store.files import FolderStore\n"
        f"listing = FolderStore({str(folder)!r}).listing(limit=200)\n"
        "print(len(listing.entries), listing.left)\n"
        "[most] = [row for row in Path('/proc/self/status').open() if row.startswith('VmHWM')]\n"
        "print(most.split()[1])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    counts, most = ran.stdout.splitlines()
    assert counts == "200 19800"
    assert int(most) < 64 * 1024  # KiB
    shutil.rmtree(folder)
