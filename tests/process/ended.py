"""Runs a small program to its end, and tells how it ended and what it left."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import bcd
from bcd.store.files import FolderStore

if TYPE_CHECKING:
    from bcd.snapshot import Snapshot

PROJECT = Path(bcd.__file__).parents[1]


@dataclass
class Ended:
    """How a program ended, and what it left."""

    status: int
    stdout: str
    stderr: str
    snapshots: list[Snapshot]

    @property
    def visible(self) -> tuple[int, str, str]:
        """What somebody sees who knows nothing of bcd."""
        return (self.status, self.stdout, self.stderr)

    @property
    def hooks(self) -> list[str]:
        """Which hook each snapshot came from, oldest first."""
        return [snapshot.attributes["bcd.hook"] for snapshot in self.snapshots]

    def said(self, attribute: str) -> list[str | None]:
        """An attribute of each snapshot, oldest first."""
        return [snapshot.attributes.get(attribute) for snapshot in self.snapshots]


def run_program(
    folder: Path,
    setup: str,
    program: str,
    interpreter: str = sys.executable,
    libraries: str = "",
    **environ: str,
) -> Ended:
    """Run a program with ``setup`` as its beginning, without changing the numbers of its lines.

    Args:
        folder: For the program and its snapshots; the same one may be used again.
        setup: Statements in one line.
        program: The rest.
        interpreter: Path of a Python.
        libraries: A folder that it finds modules in.
        **environ: Further variables.
    """
    assert "\n" not in setup.strip()
    script = folder / "program.py"
    script.write_text(f"exec({setup!r})\n{dedent(program)}")
    kept = folder / "snapshots"
    path = f"{PROJECT}:{libraries}".rstrip(":")
    ended = subprocess.run(
        [interpreter, "-W", "error", script],
        env={**os.environ, "BCD_DIR": str(kept), "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr, snapshots_in(kept))


def snapshots_in(folder: Path) -> list[Snapshot]:
    """The snapshots of a folder, oldest first."""
    store = FolderStore(str(folder))
    if not folder.exists():
        return []
    return [
        store.find(path.name.partition(".")[0]).snapshot for path in sorted(folder.glob("[!.]*"))
    ]
