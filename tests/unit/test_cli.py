"""The program bcd, as a person or a script uses it."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bcd import __version__
from bcd.cli.program import bcd as program
from tests.terminal import PROGRAM, SAMPLE, Ran, on_a_terminal, without_styles

NEW = "01KAQ7T3M8Q9ZV4X1J6C5R2DWN"
OLD = "01KAQ7T3M8Q9ZV4X1J6C5R2DAA"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    assert plain_environment is None
    text = SAMPLE.read_text()
    (tmp_path / f"{NEW}.bcd.json").write_text(text)
    (tmp_path / f"{OLD}.bcd.json").write_text(
        text.replace(NEW, OLD).replace('"root": 0', '"root": 1')
    )
    monkeypatch.setenv("BCD_DIR", str(tmp_path))
    return tmp_path


def test_the_version(bcd: Ran) -> None:
    """`bcd --version` prints name and version."""
    assert bcd("--version") == (0, f"bcd {__version__}\n", "")


def test_without_a_command_there_is_help(bcd: Ran) -> None:
    """`bcd` alone shows the commands and succeeds."""
    status, out, err = bcd()
    assert (status, err) == (0, "")
    assert re.findall(r"^  (\w+)  ", out, re.MULTILINE) == sorted(program.commands)


def test_a_command_is_loaded_alone() -> None:
    """Who lists snapshots does not wait for what serves or sends them."""
    code = """
import sys
from bcd.cli import main
sys.argv[1:] = ["list", "-h"]
try:
    main()
finally:
    print(*[name for name in sys.modules if name.startswith("bcd.cli.")])
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(ran.stdout.splitlines()[-1].split())
    assert "bcd.cli.list" in loaded
    assert not loaded & {f"bcd.cli.{name}" for name in ("show", "diff", "send", "serve", "run")}


def test_list_names_the_newest_first(bcd: Ran, folder: Path) -> None:
    """Piped, each snapshot is one plain line with id, time, error and route."""
    assert folder.is_dir()
    status, out, err = bcd("list")
    assert (status, err) == (0, "")
    assert [row.split()[0] for row in out.splitlines()] == [NEW, OLD]
    expected = "2026-11-23T01:33:00Z  shop.errors.CheckoutFailed: order 1042 could not be paid"
    assert f"{NEW}  {expected}  POST /checkout\n" in out


def test_list_as_json(bcd: Ran, folder: Path) -> None:
    """Scripts get an array with what the list shows and the path of each file."""
    status, out, _ = bcd("list", "--json")
    first, second = json.loads(out)
    assert status == 0
    assert first["path"] == str(folder / f"{NEW}.bcd.json")
    assert first["created"] == "2026-11-23T01:33:00.123456Z"
    assert (second["type"], second["message"]) == ("shop.payment.GatewayError", "no rate for NOK")


def test_list_warns_of_damaged_files(bcd: Ran, folder: Path) -> None:
    """A damaged file is named on standard error, the list goes on and succeeds."""
    (folder / f"{NEW}.bcd.json").write_text("{")
    status, out, err = bcd("list")
    assert (status, len(out.splitlines())) == (0, 1)
    assert err.startswith(f"bcd: warning: {folder}/{NEW}.bcd.json: no JSON")
    assert err.count("\n") == 1


def test_an_empty_list_says_where_it_looked(bcd: Ran, tmp_path: Path) -> None:
    """No folder is no error: one line says so; as JSON it is an empty array."""
    where = str(tmp_path / "none")
    status, out, err = bcd("list", "--folder", where)
    assert (status, out) == (0, "")
    assert err.startswith(f"bcd: no snapshots: the folder {where} does not exist yet")
    assert bcd("list", "--json", "--folder", where) == (0, "[]\n", "")


def test_the_folder_is_that_of_the_platform_unless_told(
    bcd: Ran, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--folder, else BCD_DIR, else the state folder of the user."""
    assert NEW in bcd("list")[1]
    assert bcd("list", "--json", "--folder", str(tmp_path / "x"))[1] == "[]\n"
    monkeypatch.setenv("BCD_DIR", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert f"{tmp_path}/state/bcd does not exist" in bcd("list")[2]
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "bcd").symlink_to(folder)
    assert NEW in bcd("list")[1]


@pytest.mark.parametrize("reference", [[], ["latest"], [NEW], [NEW[:-2] + "W"], ["2dwn"]])
def test_show_the_one_asked_for(bcd: Ran, folder: Path, reference: list[str]) -> None:
    """The newest without an argument, else by id, or by its begin or end."""
    assert folder.is_dir()
    status, out, err = bcd("show", *reference)
    assert (status, err) == (0, "")
    assert out.startswith("shop.errors.CheckoutFailed: order 1042 could not be paid\n")
    assert "\x1b" not in out


def test_show_a_file(bcd: Ran) -> None:
    """A path is shown wherever the folder of snapshots is."""
    assert bcd("show", str(SAMPLE))[1].startswith("shop.errors.CheckoutFailed")


@pytest.mark.parametrize(
    ("option", "gone"),
    [
        ("--no-locals", "      cart"),
        ("--no-threads", "price-refresh"),
        ("--no-tasks", "watch_stock"),
    ],
)
def test_show_less(bcd: Ran, folder: Path, option: str, gone: str) -> None:
    """Variables, threads and tasks can be left out, each by itself."""
    assert folder.is_dir()
    assert gone in bcd("show")[1]
    shown = bcd("show", option)[1]
    assert gone not in shown
    assert "Traceback" in shown


@pytest.mark.parametrize(
    ("option", "more"),
    [
        ("--locals", "      receive"),
        ("--threads", "in Thread._bootstrap\n"),
        ("--tasks", "in Server.main_loop\n"),
    ],
)
def test_show_more(bcd: Ran, folder: Path, option: str, more: str) -> None:
    """Variables of libraries, whole stacks of threads and tasks are there when asked for."""
    assert folder.is_dir()
    assert more not in bcd("show")[1]
    assert more in bcd("show", option)[1]


def test_show_as_json(bcd: Ran, folder: Path) -> None:
    """The document comes out whole, in ASCII, with keys that this bcd does not know."""
    document = json.loads(SAMPLE.read_bytes()) | {"weather": "\u202e\x1b\x7f\ud800"}
    (folder / f"{NEW}.bcd.json").write_text(json.dumps(document))
    status, out, _ = bcd("show", "--json")
    assert status == 0
    assert json.loads(out) == document
    assert {char for char in out if not char.isprintable()} == {"\n"}
    assert out.isascii()


def test_show_passes_over_a_damaged_newest_one(bcd: Ran, folder: Path) -> None:
    """Without a name, show takes the newest that can be read, and warns of the other."""
    (folder / f"{NEW}.bcd.json").write_text("{")
    status, out, err = bcd("show")
    assert status == 0
    assert out.startswith("shop.payment.GatewayError: no rate for NOK\n")
    assert err.startswith("bcd: warning: ")
    assert NEW in err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["show", "zzz"], 1, "no snapshot 'zzz' in "),
        (["show", "01KA"], 1, "give more of the id"),
        (["show", "./zzz"], 1, "./zzz: no such file"),
        (["show", "."], 1, "is a folder"),
        (["show", "./\x1b[31m\nevil"], 1, r"./\x1b[31m\nevil: no such file"),
        (["show", "--folder", "/dev/null"], 1, "Not a directory"),
        (["shw"], 2, "Did you mean 'show'"),
        (["show", "--lokals"], 2, "--locals"),
        (["show", "a", "b"], 2, "`bcd --help`"),
    ],
)
def test_an_error_is_one_line(
    bcd: Ran, folder: Path, arguments: list[str], status: int, words: str
) -> None:
    """What went wrong and what to do, on standard error, with a status."""
    assert folder.is_dir()
    ended, out, err = bcd(*arguments)
    assert (ended, out) == (status, "")
    assert err.startswith("bcd: ")
    assert words in err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_a_folder_that_is_no_utf8(tmp_path: Path) -> None:
    """Such a folder is read, and its name is shown with escapes."""
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)  # noqa: PTH102 - bytes
    (Path(os.fsdecode(folder)) / f"{NEW}.bcd.json").write_bytes(SAMPLE.read_bytes())
    command = [*PROGRAM, "list", "--folder", os.fsdecode(folder)]
    ran = subprocess.run(command, capture_output=True, check=True)
    assert ran.stdout.startswith(NEW.encode())
    ran = subprocess.run(
        [*command[:-1], os.fsdecode(folder + b"x")], capture_output=True, check=True
    )
    assert b"/\\udcffx does not exist" in ran.stderr


def test_an_encoding_that_lacks_characters(folder: Path) -> None:
    """What standard output cannot encode is escaped, not an error."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "BCD_DIR": str(folder)}
    ran = subprocess.run([*PROGRAM, "show"], capture_output=True, check=True, env=environment)
    assert ran.stdout.isascii()
    assert rb"w\xe4hrung" in ran.stdout
    assert ran.stderr == b""


@pytest.mark.parametrize("command", [["show"], ["show", "--json"], ["list"]])
def test_a_broken_pipe_is_silent(folder: Path, command: list[str]) -> None:
    """When the reader has gone, nothing is said and the status is that of SIGPIPE."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    environment = os.environ | {"BCD_DIR": str(folder)}
    ran = subprocess.run(
        [*PROGRAM, *command], stdout=write_end, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(write_end)
    assert (ran.returncode, ran.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_full_disk_is_said(folder: Path) -> None:
    """When standard output cannot be written, one line says why."""
    environment = os.environ | {"BCD_DIR": str(folder)}
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*PROGRAM, "show"], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert ran.returncode == 1
    assert ran.stderr == b"bcd: the output cannot be written: No space left on device\n"


def test_an_interrupt_is_clean(tmp_path: Path) -> None:
    """Ctrl-C while it reads ends the program silently with the status of SIGINT."""
    os.mkfifo(tmp_path / "pipe")
    command = [*PROGRAM, "show", str(tmp_path / "pipe")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with (tmp_path / "pipe").open("wb"):  # opens when the program has opened it
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert (running.returncode, out, err.strip()) == (128 + signal.SIGINT, b"", b"")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_colours_and_its_width(folder: Path, columns: int) -> None:
    """On a terminal the report has colours and variables are folded to its width."""
    shown = on_a_terminal("show", "--no-pager", columns=columns, BCD_DIR=str(folder))
    assert "\x1b[1;31mshop.errors.CheckoutFailed\x1b[0m" in shown
    rows = without_styles(shown).splitlines()
    longest = max(len(row) for row in rows if row.startswith("      "))
    assert columns - 20 < longest <= columns
    listed = on_a_terminal("list", columns=columns, BCD_DIR=str(folder))
    assert " ago" in listed
    assert "ERROR" in listed


def test_colours_can_be_declined(folder: Path) -> None:
    """NO_COLOR keeps a terminal's text without colours."""
    shown = on_a_terminal("show", "--no-pager", BCD_DIR=str(folder), NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3\d", shown)


def test_the_commands_are_loaded_for_the_program_alone() -> None:
    """Importing the package of commands loads neither click nor rich."""
    code = "import sys, bcd.cli; print([m for m in ('click', 'rich') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n"


# --- pages ---


def test_a_page_is_a_private_file(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """`bcd show --html FILE` writes one page that its owner alone can read, over an old one too."""
    file = tmp_path / "page.html"
    file.write_text("old")
    assert folder.is_dir()
    assert bcd("show", NEW, "--html", str(file)) == (0, "", f"bcd: page written to {file}\n")
    assert "order 1042 could not be paid" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob(".bcd-*")] == []


def test_a_page_on_standard_output(bcd: Ran, folder: Path) -> None:
    """`--html -` prints the page and nothing else."""
    assert folder.is_dir()
    status, out, err = bcd("show", "--html", "-")
    assert (status, err) == (0, "")
    assert out.startswith("<!DOCTYPE html>")
    assert out.rstrip().endswith("</html>")


def test_a_page_into_a_pipe_leaves_the_pipe(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """What is no file is written to, not replaced."""
    assert folder.is_dir()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    assert bcd("show", "--html", str(pipe))[0] == 0
    assert reader.communicate(timeout=30)[0].startswith(b"<!DOCTYPE html>")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_page_that_cannot_be_written(bcd: Ran, folder: Path) -> None:
    """The error names the file and the reason."""
    assert folder.is_dir()
    status, out, err = bcd("show", "--html", "/nowhere/page.html")
    reason = "the page cannot be written to /nowhere/page.html: No such file or directory"
    assert (status, out, err) == (1, "", f"bcd: {reason}\n")


def test_open_starts_a_browser(
    bcd: Ran, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bcd open` makes the page in a private folder and hands it to the browser."""
    assert folder.is_dir()
    opened: list[str] = []

    def note(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", note)
    assert bcd("open", NEW)[0] == 0
    [url] = opened
    path = Path(url.removeprefix("file://"))
    assert "order 1042" in path.read_text()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_open_without_a_browser(
    bcd: Ran, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no browser the error says where the page lies."""
    assert folder.is_dir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    status, _, err = bcd("open")
    assert status == 1
    path = re.search(r"no browser was found: open (\S+) in one", err)
    assert path is not None
    assert Path(path[1]).is_file()
