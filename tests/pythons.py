"""Finds the supported interpreters: named, on the path, brought by ``make test``, or pyenv's."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[1]
SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")


@functools.cache
def find(version: str) -> str | None:
    """The path of the interpreter of a version such as 3.11, None where there is none."""
    answers = (_answers(program, version) for program in _candidates(version))
    return next(filter(None, answers), None)


def _answers(program: str, version: str) -> str | None:
    """The path of the interpreter that a program really starts, if it is of that version."""
    question = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    try:
        run = subprocess.run(
            [program, "-I", "-S", "-c", question], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    found, _, path = run.stdout.strip().partition(" ")
    return path if found == version else None


def _candidates(version: str) -> Iterator[str]:
    yield from filter(None, os.environ.get("BCD_TEST_PYTHONS", "").split(":"))
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    brought = REPOSITORY / ".pythons" / "usr" / "bin" / f"python{version}"  # by `make test`
    yield str(brought)
    for root in (_pyenv_root(), Path.home() / ".pyenv"):
        if root is not None:
            yield from map(str, sorted(root.glob(f"versions/{version}.*/bin/python{version}")))


def _pyenv_root() -> Path | None:
    try:
        run = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return Path(run.stdout.strip())
