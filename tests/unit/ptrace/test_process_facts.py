"""What the kernel says of a process, against what psutil says of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bcd.ptrace.process import _container, command_line, read_process, rfc3339, start_time
from bcd.ptrace.redact import REDACTED, Redactor
from bcd.ptrace.resources import read_memory, read_resources
from tests.polling import poll

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


HOLDER = """
import os, select, socket, sys, threading
listening = socket.create_server(("127.0.0.1", 0))
calling = socket.create_connection(listening.getsockname())
called = listening.accept()
six = socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 else None
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))
pair = socket.socketpair()
held = [open(sys.executable, "rb"), open("/dev/null"), os.pipe(), select.epoll()]
memory = os.memfd_create("held")
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator[psutil.Process]:
    """A process that holds files and sockets of each kind."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield psutil.Process(process.pid)
        process.communicate(b"")


class TestResources:
    def test_files(self, holder: psutil.Process) -> None:
        """Every open file is counted under one kind; the ordinary ones are those of psutil."""
        facts, notes = facts_of(holder.pid)
        files = facts["files"]
        assert notes == []
        assert sum(files.values()) == holder.num_fds()
        assert files["file"] == len(holder.open_files()) == 1
        assert (files["memory"], files["anonymous"]) == (1, 1)
        assert files["pipe"] >= 4
        assert files["device"] >= 1

    def test_sockets(self, holder: psutil.Process) -> None:
        """Sockets have the states that psutil sees, those of both families together."""
        expected: dict[str, int] = {}
        for each in holder.net_connections("inet"):
            tcp = each.type == socket.SOCK_STREAM
            kind = f"tcp {each.status.replace('LISTENING', 'LISTEN')}" if tcp else "udp"
            expected[kind] = expected.get(kind, 0) + 1
        expected["unix"] = len(holder.net_connections("unix"))
        facts, _ = facts_of(holder.pid)
        assert facts["sockets"] == expected
        assert facts["sockets"]["tcp ESTABLISHED"] == 2
        assert facts["files"]["socket"] == sum(expected.values())

    def test_threads_and_limits(self, holder: psutil.Process) -> None:
        """Threads are counted by what they do, limits are the soft ones that do limit."""

        def at_rest() -> dict[str, Any] | None:
            facts, _ = facts_of(holder.pid)
            return facts if facts["thread_states"] == {"sleeping": 2} else None

        facts = poll(at_rest, "both threads to sleep")
        assert facts["limits"]["open_files"] == holder.rlimit(psutil.RLIMIT_NOFILE)[0]
        unlimited = holder.rlimit(psutil.RLIMIT_CPU)[0] == psutil.RLIM_INFINITY
        assert ("cpu_s" not in facts["limits"]) == unlimited

    def test_memory(self, holder: psutil.Process) -> None:
        """What a process shares and what it has for itself is as psutil says."""
        facts, _ = facts_of(holder.pid)
        full = holder.memory_full_info()
        for name in ("uss", "pss"):
            assert facts["memory"][name] == pytest.approx(getattr(full, name), rel=0.1)
        assert facts["memory"]["swap"] == pytest.approx(full.swap, abs=1 << 20)

    def test_memory_of_large_processes_is_not_walked(self, holder: psutil.Process) -> None:
        """Going through all pages of a large process would take long."""
        assert read_memory(holder.pid, 1 << 40) == {}

    def test_what_cannot_be_read_is_noted(self) -> None:
        """Each of these facts is guarded for itself."""
        notes: list[str] = []
        facts = read_resources(4194000, notes.append)
        assert facts == {}
        assert [note.partition(":")[0] for note in notes] == [
            "process.files",
            "process.thread_states",
            "process.limits",
        ]


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
