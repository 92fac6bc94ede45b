"""Trials of the real thing: a snapshot of this very process, and one of another, from outside."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from importlib.util import find_spec

from bcd import _linux
from bcd.doctor.check import Check, failed, ok, warned
from bcd.doctor.outside import take_snapshot
from bcd.doctor.program import find_program
from bcd.engine import trace
from bcd.errors import BcdError
from bcd.store.files import FolderStore
from bcd.tracers import default_tracer
from bcd.tracers.python import PythonTracer

__all__ = ["check_extras", "check_outside", "check_own", "check_python", "check_tracer", "mode_of"]

_WAITING = "import sys; print(flush=True); sys.stdin.read()"
_EXTRAS = {"starlette": "starlette", "flask": "flask", "celery": "celery", "upload": "httpx"}


def check_python() -> Check:
    """Whether bcd supports this interpreter on this machine."""
    words = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    )
    reason = _linux.unavailable()
    if reason is not None:
        return failed("python", f"{words}: {reason}", "run the service under another Python")
    return ok("python", f"{words}, {sys.executable}")


def check_own() -> Check:
    """Take a snapshot of this process, as a service does of itself when an error happens."""
    name = "own process"
    with tempfile.TemporaryDirectory(prefix="bcd-doctor-") as folder:
        try:
            result = trace(PythonTracer(folder=f"{folder}/kept"))
            if result.error is not None:
                return failed(name, str(result.error), "see what it says")
            mode, why = mode_of(f"{folder}/kept")
        except BcdError as error:
            return failed(name, str(error), "see what it says")
    if mode == "frozen":
        return ok(
            name, f"a snapshot was taken from a frozen copy; held {result.held * 1000:.0f} ms"
        )
    return warned(name, f"a snapshot was taken in mode {mode}: {why}", "see what it says")


def check_outside() -> Check:
    """Take a snapshot of a small process from outside, as ``bcd dump`` does."""
    name = "bcd dump"
    command = [sys.executable, "-I", "-S", "-c", _WAITING]
    with (
        tempfile.TemporaryDirectory(prefix="bcd-doctor-") as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,  # noqa: S603 - this very interpreter
    ):
        assert other.stdout is not None  # noqa: S101 - told to mypy
        other.stdout.readline()
        try:
            take_snapshot(find_program(other.pid), other.pid, f"{folder}/kept", pause=True)
            mode, why = mode_of(f"{folder}/kept")
        except BcdError as error:
            return warned(
                name,
                f"processes cannot be read from outside: {error}",
                "nothing, for snapshots that a process takes of itself",
            )
        finally:
            other.kill()
    if mode == "attached":
        return ok(name, "processes of this user can be read from outside, and held meanwhile")
    return warned(name, f"processes can be read from outside, but not held: {why}", "see above")


def mode_of(folder: str) -> tuple[str, str]:
    """The mode of the newest snapshot of a folder, and its first note."""
    found = FolderStore(folder).find("latest")
    snapshot = getattr(found, "snapshot", None)
    assert snapshot is not None  # noqa: S101 - no dump of another tool
    return snapshot.tracer.mode, next(iter(snapshot.notes), "")


def check_tracer() -> Check:
    """Which tracer a hook would use, and whether its program is there."""
    tracer = default_tracer()
    try:
        program = os.fsdecode(tracer.finalize([]).argv[0])
    except BcdError as error:
        return failed("tracer", f"{tracer} cannot be used: {error}", "choose another (BCD_TRACER)")
    if not os.access(program, os.X_OK):
        return failed(
            "tracer",
            f"{tracer} needs {program}, which is not there",
            "install it, or choose another",
        )
    return ok("tracer", f"{tracer} runs {program}")


def check_extras() -> Check:
    """Which optional packages are there."""
    found = [extra for extra, package in _EXTRAS.items() if find_spec(package) is not None]
    return ok("extras", f"installed: {', '.join(found) or 'none'}")
