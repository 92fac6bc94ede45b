"""What the kernel says of a process, against what psutil says of it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bcd.ptrace.process import _container, command_line, read_process, rfc3339, start_time
from bcd.ptrace.redact import REDACTED, Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

SLEEPER = "import sys; sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"


@pytest.fixture
def sleeper() -> Iterator[psutil.Process]:
    """A process that does nothing, with arguments and an environment of its own."""
    argv = [sys.executable, "-c", SLEEPER, "--password", "hunter2hunter2", "a b"]
    env = {"LANG": "C.UTF-8", "TZ": "UTC", "SECRET": "not to be seen", "HOME": "/nowhere"}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
        yield psutil.Process(process.pid)
        process.communicate(b"")


def facts_of(pid: int) -> tuple[dict[str, Any], list[str]]:
    """The facts and the notes."""
    notes: list[str] = []
    return read_process(pid, Redactor(), notes.append), notes


class TestFacts:
    def test_equal_psutil(self, sleeper: psutil.Process) -> None:
        """Everything that psutil knows too is the same."""
        facts, notes = facts_of(sleeper.pid)
        assert notes == []
        assert facts["pid"] == sleeper.pid
        assert facts["ppid"] == os.getpid()
        assert facts["executable"] == sleeper.exe()
        assert facts["working_directory"] == sleeper.cwd()
        assert list(facts["uids"].values()) == list(sleeper.uids())
        assert list(facts["gids"].values()) == list(sleeper.gids())
        assert facts["threads"] == sleeper.num_threads() == 1
        assert facts["memory"]["vms"] == sleeper.memory_info().vms
        assert facts["memory"]["rss"] == pytest.approx(sleeper.memory_info().rss, rel=0.2)
        assert facts["cpu"]["user_s"] == pytest.approx(sleeper.cpu_times().user, abs=0.5)
        switches = sleeper.num_ctx_switches()
        assert facts["context_switches"]["voluntary"] == pytest.approx(switches.voluntary, abs=9)
        assert facts["host"] == os.uname().nodename

    def test_start(self, sleeper: psutil.Process) -> None:
        """The start is known to a second at least, and the age fits to it."""
        facts, _ = facts_of(sleeper.pid)
        started = datetime.fromisoformat(facts["started"]).timestamp()
        assert started == pytest.approx(sleeper.create_time(), abs=1.5)
        assert 0 <= facts["uptime_s"] < 60

    def test_secrets_in_arguments_and_environment(self, sleeper: psutil.Process) -> None:
        """A password on the command line is replaced; of the environment little is recorded."""
        facts, _ = facts_of(sleeper.pid)
        assert facts["command_line"] == [*sleeper.cmdline()[:4], REDACTED, "a b"]
        assert facts["environment"] == {"LANG": "C.UTF-8", "TZ": "UTC"}

    def test_a_process_that_is_gone(self, sleeper: psutil.Process) -> None:
        """What cannot be read is left out, and noted; the rest stands."""
        gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
        gone.wait()
        facts, notes = facts_of(gone.pid)
        assert facts["pid"] == gone.pid
        assert "command_line" not in facts
        assert facts["host"] == os.uname().nodename
        assert any("command_line" in note for note in notes)
        assert start_time(gone.pid) is None
        assert start_time(sleeper.pid) is not None


class TestCommandLine:
    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (b"prog\0--token=abcdef123\0", ["prog", "--token=[redacted]"]),
            (b"prog\0--token\0abcdef123\0-v\0", ["prog", "--token", REDACTED, "-v"]),
            (b"prog\0--token\0--verbose\0", ["prog", "--token", "--verbose"]),
            (b"prog\0--author\0Ada\0", ["prog", "--author", "Ada"]),
            (b"prog\0\xff\0", ["prog", "\udcff"]),
            (b"", [""]),
        ],
    )
    def test_arguments(self, raw: bytes, expected: list[str]) -> None:
        """Arguments come apart at their zeros, and secrets go, in both spellings."""
        assert command_line(raw, Redactor()) == expected


def test_container() -> None:
    """The id of a container is found in the names of control groups of several runtimes."""
    name = "0123456789abcdef" * 4
    for line in (
        f"0::/docker/{name}",
        f"0::/system.slice/docker-{name}.scope",
        f"1:cpu:/kubepods/burstable/pod12/{name}",
        f"0::/kubepods.slice/cri-containerd-{name}.scope",
    ):
        assert _container(f"2:x:/\n{line}\n") == name
    assert _container("0::/user.slice/user-1000.slice\n") is None


def test_times() -> None:
    """A time is RFC 3339 in UTC, with six digits behind the point."""
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"
