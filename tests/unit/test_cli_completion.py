"""What the shell offers for the beginning of a word."""

from __future__ import annotations

import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete

from bcd.cli import _completing
from bcd.cli.program import bcd as program
from tests.terminal import PROGRAM, Ran, keep

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = ["$(reboot)", "a;b", "a b", "a\nb", "`x`", "<int:id>", "a'b", "\x1b[2J", "{a,b}", "*"]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    assert plain_environment is None
    monkeypatch.setenv("BCD_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(name="two")
def _two(folder: Path) -> list[str]:
    """Keep two snapshots and return their ids, the newest first."""
    attributes = {"http.route": "/orders/{id}", "service.name": "shop", "service.version": "1.4"}
    reason = {"kind": "error", "fingerprint": "aaaa000000000000"}
    return [
        keep(folder, NOON, 1, attributes=attributes, reason=reason, classifiers=["shop.Failed"]),
        keep(folder, NOON - timedelta(hours=1), type="KeyError", message="\x1b\n'x'"),
    ]


def offered(*words: str) -> list[str]:
    """What is offered for the last of the words."""
    *before, begin = words
    complete = ShellComplete(program, {}, "bcd", "_BCD_COMPLETE")
    return [str(item.value) for item in complete.get_completions(before, begin)]


@pytest.mark.parametrize("command", ["show", "open", "diff"])
def test_ids(two: list[str], command: str) -> None:
    """The newest snapshots are offered by their ids, in any case of letters, and latest."""
    assert offered(command, "") == ["latest", *two]
    assert offered(command, two[1][:9].lower()) == [two[1]]
    assert offered(command, "la") == ["latest"]
    assert offered(command, "zz") == []


def test_ids_are_described(two: list[str]) -> None:
    """Shells that show more are told when it was and what, in a short line that harms nobody."""
    complete = ShellComplete(program, {}, "bcd", "_BCD_COMPLETE")
    _, first, second = complete.get_completions(["show"], "")
    assert first.value == two[0]
    assert " ago  shop.errors.CheckoutFailed: " in str(first.help)
    assert r"KeyError: \x1b" in str(second.help)
    assert all(
        len(str(item.help)) <= 60 and str(item.help).isprintable() for item in (first, second)
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--type", ""], {"shop.errors.CheckoutFailed", "CheckoutFailed", "KeyError"}),
        (["--type", "Ch"], {"CheckoutFailed"}),
        (["--route", "/o"], {"/orders/{id}"}),
        (["--service", ""], {"shop"}),
        (["--release", ""], {"1.4"}),
        (["--classifier", "shop.F"], {"shop.Failed"}),
        (["--fingerprint", "aa"], {"aaaa000000000000"}),
        (["--attribute", "service."], {"service.name", "service.version"}),
        (["--attribute", "service.name="], {"service.name=shop"}),
        (["--attribute", "nope="], set()),
    ],
)
def test_values_of_filters(two: list[str], words: list[str], expected: set[str]) -> None:
    """An option of `bcd list` offers what the newest snapshots have."""
    assert two
    assert set(offered("list", *words)) == expected


def test_threads_and_tasks(two: list[str], folder: Path) -> None:
    """Those of the snapshot that is named are offered, else of the latest."""
    keep(folder, NOON + timedelta(hours=1), threads=[], tasks=[])
    assert offered("show", "--thread", "") == []
    assert offered("show", two[0], "--thread", "") == [
        "MainThread",
        "price-refresh",
        "ThreadPoolExecutor-0_0",
    ]
    assert offered("show", two[0], "--task", "Task-12") == ["Task-120"]
    assert offered("show", "nope", "--task", "") == []


def test_a_folder_that_is_named(two: list[str], tmp_path: Path) -> None:
    """The folder on the line counts; of a database, which may be far away, nothing is offered."""
    assert two
    (tmp_path / "none").mkdir()
    assert offered("show", "--folder", str(tmp_path / "none"), "") == ["latest"]
    assert offered("list", "--folder", "/dev/null", "--type", "") == []
    assert offered("list", "--store", "postgresql://far/away", "--type", "") == []


def test_what_would_harm_is_not_offered(folder: Path) -> None:
    """A value that the shell would not take as it stands is passed over."""
    for number, value in enumerate(HOSTILE):
        keep(folder, NOON, number, type=value, attributes={"http.route": value, value: value})
    assert offered("list", "--route", "") == []
    assert offered("list", "--type", "") == []
    assert offered("list", "--attribute", "") == ["http.route"]


def test_nobody_waits(two: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many snapshots are read as a third of a second is enough for."""
    clock = count()
    monkeypatch.setattr(_completing, "monotonic", lambda: next(clock) * 0.2)
    assert offered("show", "") == ["latest", two[0]]


def test_in_a_real_shell(two: list[str], tmp_path: Path) -> None:
    """Bash completes ids after the script that is printed for it."""
    bcd = tmp_path / "bcd"
    bcd.write_text(f"#!/bin/sh\nexec {PROGRAM[0]} -c '{PROGRAM[2]}' \"$@\"\n")
    bcd.chmod(stat.S_IRWXU)
    script = """
eval "$(bcd completion bash)"
COMP_WORDS=(bcd show 01); COMP_CWORD=2
_bcd_completion bcd
printf '%s\\n' "${COMPREPLY[@]}"
"""
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", script]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (ran.stdout.split(), ran.stderr) == (two, "")


@pytest.mark.parametrize(("shell", "word"), [("zsh", "#compdef bcd"), ("fish", "complete ")])
def test_the_scripts(bcd: Ran, shell: str, word: str) -> None:
    """The scripts of the other shells are printed, and nothing else."""
    status, out, err = bcd("completion", shell)
    assert (status, err) == (0, "")
    assert word in out
    assert "_BCD_COMPLETE" in out
    status, out, err = bcd("completion", "tcsh")
    assert (status, out) == (2, "")
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in err
