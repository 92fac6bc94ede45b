"""Freezing in programs of their own: other users, sandboxes, and signals at any moment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = Path(__file__).parents[1] / "targets" / "freeze"
DENIED_TO_DEBUGGERS = "ptrace,process_vm_readv,process_vm_writev"
OTHER_USER = "65534" if os.getuid() == 0 else "-"

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def report_of(target: str, *arguments: str) -> dict:
    """Run a target to its end and read the JSON that it prints."""
    run = subprocess.run(
        [sys.executable, TARGETS / target, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    return json.loads(run.stdout)


class TestUnprivileged:
    def test_reads_under_a_filter_that_denies_debugging(self) -> None:
        """A descriptor from before is readable where ptrace and process_vm_readv are not."""
        report = report_of("sandboxed.py", OTHER_USER, DENIED_TO_DEBUGGERS)

        assert report["mode"] == "frozen"
        value, user, attached = report["answer"].split()
        assert value == "ORIGINAL"
        assert user == str(report["uid"])
        assert attached == "-1", "the filter has to be real"
        assert report["left"] == 0

    @as_root
    def test_becomes_readable_after_setuid_and_is_restored(self) -> None:
        """A process that was root is dumpable only while it is frozen."""
        report = report_of("sandboxed.py", "65534", "-")

        assert report["dumpable_before"] == 0, "setuid has to have taken it away"
        assert report["answer"].startswith("ORIGINAL 65534")
        assert report["dumpable_after"] == 0

    def test_leaves_a_dumpable_process_dumpable(self) -> None:
        """A process that never changed its user is as dumpable as before."""
        report = report_of("sandboxed.py", "-", "-")

        assert (report["dumpable_before"], report["dumpable_after"]) == (1, 1)


class TestRefused:
    def test_without_a_copy_the_process_itself_is_read(self) -> None:
        """A sandbox that refuses the clone leaves the process's own memory, and a note."""
        report = report_of("sandboxed.py", OTHER_USER, "ptrace,copy")

        assert report["mode"] == "gil-held"
        assert report["answer"].startswith("CHANGED!")
        (note,) = report["notes"]
        assert note.startswith("The process was read in place and held meanwhile: ")
        assert note.endswith(
            "no copy of the process could be made (clone: Operation not permitted)."
        )
        assert report["dumpable_after"] == report["dumpable_before"]

    @pytest.mark.parametrize("refused", ["openat", "openat,copy"])
    def test_with_neither_the_error_says_what_to_do(self, refused: str) -> None:
        """Where no memory file opens, the error names both refusals and the way out."""
        report = report_of("sandboxed.py", OTHER_USER, refused)

        assert "no copy of the process could be made" in report["error"]
        assert "/proc/self/mem: Operation not permitted" in report["error"]
        assert "mount /proc" in report["error"]
        assert report["dumpable_after"] == report["dumpable_before"]


class TestInterrupted:
    def test_a_storm_of_raising_handlers_leaves_nothing(self) -> None:
        """No copy, program, descriptor or blocked signal stays, wherever a handler raised."""
        report = report_of("interrupted.py", "3000")

        assert report["raised"] > 100, "the storm has to hit"
        assert report["done"] > 100, "and to let some through"
        assert report["after"] == report["before"]
        assert report["children"] == []
        assert report["blocked"] == []
