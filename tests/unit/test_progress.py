"""The bar of commands that take long."""

from __future__ import annotations

import subprocess
import sys

from tests.terminal import on_a_terminal, without_styles

WORK = """
from bcd.cli._progress import Bar
times = iter(%s)
with Bar("counting", None, lambda: next(times)) as bar:
    bar.expect(4)
    for _ in range(3):
        bar.advance()
"""


def program(*times: float) -> list[str]:
    """A program that looks at these times."""
    return [sys.executable, "-c", WORK % list(times)]


def test_nothing_within_a_second() -> None:
    """What is done soon shows no bar."""
    assert on_a_terminal(program=program(0, 0.3, 0.6, 0.9)) == ""


def test_a_bar_after_a_second() -> None:
    """What takes longer shows how far it is, and leaves nothing on the screen."""
    shown = on_a_terminal(program=program(0, 0.5, 1.5))
    assert "counting" in without_styles(shown)
    assert "3/4" in without_styles(shown)
    assert shown.endswith("\x1b[2K")  # the line is empty again


def test_no_bar_where_no_one_looks() -> None:
    """A pipe gets nothing."""
    ran = subprocess.run(program(0, 0, 5, 9), capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")
