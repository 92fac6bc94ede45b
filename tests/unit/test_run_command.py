"""``bcd run``: what it makes of its command line, and what the program gets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bcd
from bcd.cli import run
from bcd.cli._interpreter import passes_python_path_over
from bcd.settings.reading import variables
from bcd.variables import variable

if TYPE_CHECKING:
    from collections.abc import Mapping

BCD = [sys.executable, "-c", "from bcd.cli import main; main()"]
AUTOSTART = str(Path(bcd.__file__).parent / "autostart")
UNSET = ("PYTHONPATH", "BCD_DIR", "BCD_RUN", "LC_ALL", "LC_CTYPE", "LANG")


def bcd_run(
    *arguments: str, environ: Mapping[str, str] | None = None, script: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the program ``bcd run``, below a shell where that is given."""
    base = {name: value for name, value in os.environ.items() if name not in UNSET}
    command = [*BCD, "run", *arguments]
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command] if script else command,
        env={**base, **(environ or {})},
        cwd=Path(bcd.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment_of(*options: str, **environ: str) -> dict[str, str]:
    """The environment that the program gets."""
    # No Python of the program may change it: PEP 538.
    ran = bcd_run(*options, "--", "/usr/bin/env", "-0", environ=environ)
    assert ran.stderr == ""
    entries = [entry.partition("=") for entry in ran.stdout.split("\0") if entry]
    return {name: value for name, _, value in entries}


class TestEnvironment:
    """What the program finds in it."""

    def test_the_folder_comes_first(self) -> None:
        """All that was there stays; an empty entry would be the current directory."""
        assert environment_of()["PYTHONPATH"] == AUTOSTART
        assert environment_of(PYTHONPATH="/a:/b")["PYTHONPATH"] == f"{AUTOSTART}:/a:/b"
        twice = environment_of(PYTHONPATH=f"{AUTOSTART}:/a")
        assert twice["PYTHONPATH"] == f"{AUTOSTART}:/a"

    def test_all_else_is_as_without_bcd(self) -> None:
        """Also what Python sets for itself (PEP 538)."""
        base = {name: value for name, value in os.environ.items() if name not in UNSET}
        found = environment_of(LC_ALL="")
        added = {"PYTHONPATH", "BCD_RUN"}
        assert found.keys() - base.keys() - {"_"} == added | {"LC_ALL"}
        assert all(found[name] == value for name, value in base.items() if name != "_")

    def test_options_become_variables(self) -> None:
        """Those that are not given keep theirs."""
        found = environment_of(
            "--service", "shop", "--rate-limit=9", "--before-trace", "shop:scrub",
            "--integrations", "-celery", "--folder", "snapshots",
            BCD_SERVICE="other", BCD_RELEASE="1",
        )  # fmt: skip
        said = {name: value for name, value in found.items() if name.startswith("BCD_")}
        del said["BCD_RUN"]
        assert said == {
            "BCD_SERVICE": "shop",
            "BCD_RELEASE": "1",
            "BCD_RATE_LIMIT": "9",
            "BCD_BEFORE_TRACE": "shop:scrub",
            "BCD_INTEGRATIONS": "-celery",
            "BCD_DIR": str(Path(bcd.__file__).parents[1] / "snapshots"),
        }

    def test_every_setting_has_an_option(self) -> None:
        """A new setting needs its line."""
        assert {variable(name) for name in run.OPTIONS} == set(variables())


class TestProcess:
    """The program takes the place of bcd."""

    def test_it_is_the_same_process(self) -> None:
        """Its id, its arguments to the letter, its input and output."""
        script = 'echo "$$ $0 $*"; cat'
        ran = subprocess.run(
            [*BCD, "run", "--", "/bin/sh", "-c", script, "name", "--service", "a b", "--", "-x"],
            input="tea",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        pid, _, rest = ran.stdout.partition(" ")
        assert pid.isdigit()
        assert rest == "name --service a b -- -x\ntea"
        assert ran.stderr == ""

    def test_it_has_the_terminal(self) -> None:
        """Which stays the terminal of its process group."""
        leader, terminal = os.openpty()
        script = "test -t 0 && test -t 1 && test -t 2 && tty"
        status = subprocess.run(
            [*BCD, "run", "--", "sh", "-c", script],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            timeout=60,
            check=False,
        ).returncode
        said = os.read(leader, 1000).decode().strip()
        assert (status, said) == (0, os.ttyname(terminal))
        os.close(terminal)
        os.close(leader)

    @pytest.mark.parametrize("dashes", [(), ("--",)])
    def test_options_of_the_program_are_its_own(self, dashes: tuple[str, ...]) -> None:
        """Nothing after the command is read."""
        ran = bcd_run(*dashes, "echo", "--help", "--service")
        assert ran.stdout == "--help --service\n"

    @pytest.mark.parametrize("status", [0, 3, 255])
    def test_its_exit_status_is_its_own(self, status: int) -> None:
        """Nothing is added or turned."""
        assert bcd_run("sh", "-c", f"exit {status}").returncode == status

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGKILL"])
    def test_its_death_is_its_own(self, name: str) -> None:
        """Whoever waits for it sees the signal."""
        ran = bcd_run("sh", "-c", f"kill -{name.removeprefix('SIG')} $$")
        assert ran.returncode == -getattr(signal, name)

    def test_no_signal_is_ignored_that_was_not(self) -> None:
        """Python ignores two, and what is ignored would be inherited."""
        line = bcd_run("grep", "SigIgn", "/proc/self/status").stdout
        bare = subprocess.run(
            ["grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True, check=True
        ).stdout
        assert line == bare

    def test_a_signal_that_was_ignored_stays_so(self) -> None:
        """As below ``nohup``."""
        ran = bcd_run(
            "grep", "SigIgn", "/proc/self/status", script="trap '' HUP INT; shift 0; exec \"$@\""
        )
        mask = int(ran.stdout.split()[1], 16)
        for number in (signal.SIGHUP, signal.SIGINT):
            assert mask & 1 << number - 1

    def test_no_descriptor_is_left_open(self) -> None:
        """Besides those that it would have without bcd."""
        listing = ["sh", "-c", "ls /proc/self/fd"]
        bare = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
        assert bcd_run(*listing).stdout == bare

    def test_a_script_that_names_no_interpreter(self, tmp_path: Path) -> None:
        """Shells and ``env`` take it for one of the shell's."""
        script = tmp_path / "teapot"
        script.write_text("echo $0 $*\n")
        script.chmod(0o755)
        assert bcd_run(str(script), "a", "-b").stdout == f"{script} a -b\n"
        ran = bcd_run("teapot", "c", environ={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert ran.stdout == f"{script} c\n"

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_closed_streams(self, tmp_path: Path, closed: str) -> None:
        """A program of a daemon has none, and starts all the same."""
        script = f'exec "$@" {closed}'
        bcd_run("sh", "-c", f"exec 3>{tmp_path}/ran; echo ran >&3", script=script)
        assert (tmp_path / "ran").read_text() == "ran\n"


class TestRefused:
    """What cannot be run or used is told in one line, with a status like a shell's."""

    @pytest.mark.parametrize(
        ("command", "status", "said"),
        [
            ("no-such-program", 127, "no-such-program cannot be run: there is no such program"),
            ("/no/such", 127, "/no/such cannot be run: there is no such program"),
            ("/etc", 126, "/etc cannot be run: Permission denied"),
        ],
    )
    def test_programs(self, command: str, status: int, said: str) -> None:
        """As by a shell."""
        ran = bcd_run("--", command)
        assert (ran.returncode, ran.stderr) == (status, f"bcd: {said}\n")

    def test_a_file_that_is_no_program(self, tmp_path: Path) -> None:
        """It may not be executed."""
        (tmp_path / "notes").touch(0o644)
        ran = bcd_run(f"{tmp_path}/notes")
        said = f"bcd: {tmp_path}/notes cannot be run: Permission denied\n"
        assert (ran.returncode, ran.stderr) == (126, said)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--timeout", "soon"], "--timeout is 'soon'; accepted are seconds"),
            (["--rate-limit", "x"], "--rate-limit is 'x'; accepted are seconds"),
            (["--before-trace", "x"], "--before-trace is 'x'; accepted is a function as"),
            (["--hooks", "x"], "--hooks is 'x'; accepted is a list of excepthook"),
            (["--service", " "], "--service is empty"),
            (["--serwice", "x"], "No such option"),
            ([], "Missing argument 'COMMAND...'"),
        ],
    )
    def test_options(self, options: list[str], said: str) -> None:
        """Nothing is run."""
        ran = bcd_run(*options, *(["echo", "ran"] if options else []))
        assert (ran.returncode, ran.stdout) == (2, "")
        (line,) = ran.stderr.splitlines()
        assert line.startswith(f"bcd: {said}")

    def test_a_variable_is_no_reason_not_to_run(self) -> None:
        """It may have been there for long; the program itself says so and goes on."""
        ran = bcd_run(sys.executable, "-c", "print('ran')", environ={"BCD_TIMEOUT": "soon"})
        assert (ran.returncode, ran.stdout) == (0, "ran\n")
        assert "BCD_TIMEOUT is 'soon'; accepted are seconds" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1


class TestInterpreter:
    """Pythons that are told to pass PYTHONPATH over."""

    @pytest.mark.parametrize(
        ("command", "flag"),
        [
            (["python", "-I", "app.py"], "I"),
            (["/usr/bin/python3.12", "-uE", "app.py"], "E"),
            (["python3", "-X", "dev", "-W", "error", "-S", "app.py"], "S"),
            (["python3", "-Xdev", "-Wd", "-I"], "I"),
            (["python3t", "-Bsm", "app", "-I"], None),
            (["python", "-m", "app", "-I"], None),
            (["python", "-c", "pass", "-E"], None),
            (["python", "-", "-E"], None),
            (["python", "app.py", "-I"], None),
            (["python", "--version", "-I"], None),
            (["python"], None),
            (["gunicorn", "-E", "x"], None),
            (["pythonista", "-I"], None),
        ],
    )
    def test_by_command(self, command: list[str], flag: str | None) -> None:
        """Only the interpreter's own options count."""
        reason = passes_python_path_over(command)
        assert (reason is not None) == (flag is not None)
        assert flag is None or f"(-{flag})" in str(reason)

    @pytest.mark.parametrize(
        ("first", "told"),
        [
            ("#!/usr/bin/python3 -Es", True),
            ("#! /usr/bin/env -S python3 -I", True),
            ("#!/usr/bin/env python3", False),
            ("#!/bin/sh -E", False),
            ("#!/usr/bin/python3 'unclosed", False),
            ("\x7fELF\udcff", False),
            ("", False),
        ],
    )
    def test_by_script(self, tmp_path: Path, first: str, told: bool) -> None:  # noqa: FBT001 - a row
        """Its first line tells."""
        script = tmp_path / "service"
        script.write_text(f"{first}\nimport sys\n", errors="surrogateescape")
        script.chmod(0o755)
        assert (passes_python_path_over([str(script)]) is not None) == told

    def test_the_program_runs_all_the_same(self) -> None:
        """One line says that it does so without bcd."""
        ran = bcd_run(sys.executable, "-I", "-c", "import sys; print('bcd' in sys.modules)")
        assert ran.stdout == "False\n"
        (line,) = ran.stderr.splitlines()
        assert line.endswith("-I isolates itself from the environment (-I), so it runs without bcd")


def test_help_names_all_options() -> None:
    """With what each is for."""
    text = bcd_run("--help").stdout
    assert all(f"--{name.replace('_', '-')} TEXT" in text for name in run.OPTIONS)
