"""Starting, feeding, hearing, waiting for and killing one tracer (rules 10, 11, 13, 17 to 19)."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from bcd import _greenlets, _linux
from bcd._linux import libc
from bcd.errors import StartError
from bcd.launch import KEPT_BYTES, LONGEST_ARGUMENT, Running, argument, running, start
from bcd.tracer import Command
from tests.leftovers import nothing_left, open_descriptors

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tracers run on Linux")

FOREVER = 30.0  # seconds that no test reaches


def soon(seconds: float = FOREVER) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def shell(script: str, *arguments: str, **fields: object) -> Command:
    """A tracer that is a small program of the shell; ``$1`` is its first argument."""
    return Command(argv=["/bin/sh", "-c", script, "tracer", *arguments], **fields)  # type: ignore[arg-type]  # tests know the fields


def python(script: str, **fields: object) -> Command:
    """A tracer that is a small program of Python."""
    return Command(argv=[sys.executable, "-I", "-S", "-c", script], **fields)  # type: ignore[arg-type]  # tests know the fields


def run(command: Command) -> Running:
    """Start a tracer and wait for its end."""
    tracer = start(command)
    assert tracer.wait(soon())
    return tracer


def is_alive(pid: int) -> bool:
    """Whether a process, of whatever parent, exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until_dead(pid: int) -> None:
    """Wait for the end of a process that is no child of ours."""
    end = soon()
    while is_alive(pid):
        assert time.monotonic() < end
        os.sched_yield()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test may leave a descriptor, a process or a zombie."""
    with nothing_left(at_once=True):
        yield


@pytest.fixture
def no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel or a sandbox without pidfd_open."""
    monkeypatch.setattr(libc.LIBC, "syscall", lambda *_: -1)


def test_outputs_and_status_are_collected() -> None:
    """What the command leaves to us comes back as bytes, with the exit status."""
    tracer = run(shell("echo out; echo err >&2; exit 3"))

    assert (tracer.stdout, tracer.stderr, tracer.status) == (b"out\n", b"err\n", 3)


def test_works_without_pidfd(no_pidfd: None) -> None:  # noqa: ARG001 - a fixture
    """Where the kernel has no pidfd the process is looked at every few milliseconds."""
    tracer = run(shell("echo out; exit 3"))

    assert (tracer.stdout, tracer.status) == (b"out\n", 3)


def test_death_by_a_signal_is_negative() -> None:
    """The status of a tracer that a signal ended is that signal, negative (rule 13)."""
    assert run(shell("kill -KILL $$")).status == -signal.SIGKILL


def test_standard_streams_default_to_the_null_device() -> None:
    """A tracer finds nothing on its standard input (rule 11)."""
    assert run(shell("readlink /proc/self/fd/0; cat")).stdout == b"/dev/null\n"


def test_bytes_go_through_a_pipe() -> None:
    """Input far beyond the capacity of a pipe arrives whole, and then ends (rule 11)."""
    data = os.urandom(1 << 20)
    received = run(shell("cat | md5sum", stdin=data)).stdout
    expected = run(shell("md5sum", stdin=data)).stdout

    assert received == expected
    assert run(shell("wc -c", stdin=data)).stdout.split() == [b"1048576"]


def test_files_are_passed_as_they_are(tmp_path: Path) -> None:
    """The tracer has the very file on its standard streams, not a pipe (rule 11)."""
    asked = tmp_path / "asked"
    asked.write_bytes(b"hello")
    with asked.open("rb") as source, (tmp_path / "answer").open("wb") as sink:
        run(shell("cat; readlink /proc/self/fd/0", stdin=source, stdout=sink, stderr=sink.fileno()))

    assert (tmp_path / "answer").read_bytes() == b"hello" + os.fsencode(asked) + b"\n"


def test_descriptors_are_passed_as_they_are() -> None:
    """A number stands for an open descriptor of this process (rule 11)."""
    ours, theirs = os.pipe()
    run(shell("echo here", stdout=theirs))

    assert os.read(ours, 100) == b"here\n"
    os.close(ours)
    os.close(theirs)


def test_other_readers_and_writers_go_through_pipes() -> None:
    """Objects without a descriptor work too (rule 11)."""
    out, err = io.BytesIO(), io.BytesIO()
    run(shell("cat; echo no >&2", stdin=io.BytesIO(b"x" * 300_000), stdout=out, stderr=err))

    assert out.getvalue() == b"x" * 300_000
    assert err.getvalue() == b"no\n"


class FakeBrokenFile(io.RawIOBase):
    """A reader and writer that fails."""

    def read(self, size: int = -1) -> bytes:
        """Fail."""
        raise RuntimeError(f"no {size} bytes today")

    def write(self, data: object) -> int:
        """Fail."""
        raise RuntimeError(f"no room for {data!r}")


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_a_broken_reader_or_writer_is_told(stream: str) -> None:
    """The tracer still runs to its end, and the fault says what happened."""
    tracer = run(shell("echo out; echo err >&2; cat", **{stream: FakeBrokenFile()}))

    assert tracer.status == 0
    assert tracer.fault is not None
    assert "RuntimeError(" in tracer.fault


def test_nothing_else_is_inherited() -> None:
    """Even an inheritable descriptor of the program does not reach the tracer (rule 11)."""
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)  # noqa: FBT003 - positional only
    listing = "import os; print(*[n for n in range(200) if os.path.exists(f'/proc/self/fd/{n}')])"
    seen = run(python(listing, descriptors={5: ours})).stdout

    assert seen.split() == [b"0", b"1", b"2", b"5"]
    os.close(ours)
    os.close(theirs)


def test_working_directory_and_environment(tmp_path: Path) -> None:
    """They are inherited at the start, or those of the command (rule 11)."""
    assert run(shell("pwd")).stdout == os.fsencode(Path.cwd()) + b"\n"
    tracer = run(shell("pwd; echo $ONLY $HOME", cwd=str(tmp_path), env={"ONLY": "this"}))
    assert tracer.stdout == os.fsencode(tmp_path) + b"\nthis\n"


def test_environment_is_that_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program set a moment ago is inherited too (rule 11)."""
    monkeypatch.setenv("BCD_TEST_LATE", "yes")

    assert run(shell("echo $BCD_TEST_LATE")).stdout == b"yes\n"


def test_a_gigabyte_is_read_and_thrown_away() -> None:
    """A tracer that writes without end is neither blocked nor kept in memory."""
    tracer = run(shell("head -c 1000000000 /dev/zero; echo done >&2"))

    assert tracer.stdout == bytes(KEPT_BYTES)
    assert tracer.stderr == b"done\n"


def test_a_tracer_that_closes_its_pipes_early_is_waited_for() -> None:
    """The end of the outputs is not the end of the tracer."""
    tracer = run(shell("exec <&- >&- 2>&-; exit 7", stdin=b"x" * 300_000))

    assert tracer.status == 7


def test_input_that_nobody_reads_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot cause a SIGPIPE, which would end a program that restored its default."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    try:
        tracer = start(shell("exit 0", stdin=b"x" * 300_000), more_input=True)
        assert tracer.wait(soon())
        tracer.tell(b"too late")
    finally:
        signal.signal(signal.SIGPIPE, before)

    assert tracer.status == 0


@pytest.mark.parametrize("wait_first", [True, False])
def test_a_grandchild_with_the_pipe_does_not_hold_us(*, wait_first: bool) -> None:
    """What the tracer wrote is there, and nobody waits for the pipe to end (rule 19)."""
    begin = time.monotonic()
    tracer = start(shell("sleep 1000 & echo $!; exit 4"))
    if not wait_first:  # the tracer has ended before anybody looks
        os.waitid(os.P_PID, tracer.pid or 0, os.WEXITED | os.WNOWAIT)
    assert tracer.wait(soon())

    assert tracer.status == 4
    assert time.monotonic() - begin < FOREVER / 2
    os.kill(int(tracer.stdout), signal.SIGKILL)


def test_a_grandchild_that_goes_on_writing_does_not_hold_us() -> None:
    """Only what a pipe can hold is read after the tracer's end (rule 19)."""
    tracer = run(shell("yes & echo $! >&2"))

    assert tracer.status == 0
    wait_until_dead(int(tracer.stderr))  # our end of its pipe is closed


def test_the_deadline_ends_the_wait() -> None:
    """A tracer that runs too long is reported, and still there to be killed (rule 17)."""
    tracer = start(shell("exec sleep 1000"))

    assert not tracer.wait(soon(0.01))
    assert not tracer.over
    tracer.discard()
    assert tracer.status == -signal.SIGKILL


def test_a_deadline_in_the_past_kills_nothing_and_waits_for_nothing() -> None:
    """A time-out of nearly nothing still leaves a tracer that can be ended (rule 18)."""
    tracer = start(shell("exec sleep 1000"))

    assert not tracer.wait(soon(-1))
    tracer.discard()


def test_sigkill_reaches_those_who_ignore_sigterm_and_their_children() -> None:
    """The tracer's own children are killed with it (rule 17)."""
    tracer = start(shell("trap '' TERM INT HUP; sleep 1000 & echo $!; wait; wait"))
    child = first_number(tracer)
    tracer.kill()
    tracer.bury()

    assert tracer.over
    wait_until_dead(child)


def test_a_tracer_that_left_its_group_is_killed() -> None:
    """It is known by its process, not only by its group (rule 17)."""
    script = "import os, time; os.setpgid(0, os.getpgid(os.getppid())); print(1, flush=True)"
    tracer = start(python(script + "; time.sleep(1000)"))
    first_number(tracer)
    tracer.discard()

    assert tracer.status == -signal.SIGKILL


def first_number(tracer: Running) -> int:
    """Wait until a tracer has printed a line with a number."""
    end = soon()
    while b"\n" not in tracer.stdout:
        assert not tracer.wait(soon(0.005))
        assert time.monotonic() < end
    return int(tracer.stdout)


def test_a_refused_kill_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a tracer that became another user; it is reaped when it ends (rule 22)."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = open_descriptors()
    ours, theirs = os.pipe()
    tracer = start(shell("read line", stdin=ours))
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refused)
        with pytest.raises(PermissionError):
            tracer.kill()
        tracer.discard()
    assert not tracer.over
    os.close(theirs)  # that ends it
    os.close(ours)
    end = soon()
    while open_descriptors() != before:
        assert time.monotonic() < end
        os.sched_yield()
    assert tracer.over


@pytest.mark.parametrize("seconds", [0.0, FOREVER])
def test_without_threads_a_late_death_is_reaped_by_the_next_start(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """While the interpreter shuts down no thread can be started; no zombie stays for long."""

    def refused(*_: object) -> int:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(_greenlets, "start_new_thread", refused)
    monkeypatch.setattr(running, "_DEATH", seconds)
    tracer = start(shell("exec sleep 1000"))
    tracer.discard()
    while not tracer.over:
        run(shell("exit 0"))

    assert tracer.status == -signal.SIGKILL


def test_sigchld_ignored_leaves_the_status_unknown() -> None:
    """The kernel reaps for a program that ignores SIGCHLD."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        tracer = run(shell("echo out; exit 3"))
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert tracer.over
    assert (tracer.stdout, tracer.status) == (b"out\n", None)


@pytest.mark.usefixtures("no_pidfd")
def test_sigchld_ignored_without_pidfd() -> None:
    """Nor is there a wait for ever on kernels without pidfd."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        tracer = run(shell("exit 3"))
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert tracer.status is None


def test_reaped_by_the_program_leaves_the_status_unknown() -> None:
    """A program that waits for any child may take the tracer's end."""
    tracer = start(shell("echo out; exit 3"))
    assert os.waitpid(-1, 0)[0] == tracer.pid
    assert tracer.wait(soon())

    assert (tracer.stdout, tracer.status) == (b"out\n", None)


@pytest.mark.parametrize("path", ["/nowhere/tracer", "", "/etc", "/etc/passwd", "tracer\0"])
def test_what_cannot_be_started_is_named(path: str) -> None:
    """A missing, empty or non-executable path is an error that names the path (rule 13)."""
    with pytest.raises(StartError) as caught:
        start(Command(argv=[path]))

    assert repr(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_interpreter_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    """The message says which of the paths is meant (rule 13)."""
    with pytest.raises(StartError, match="/nowhere/folder"):
        start(shell("pwd", cwd="/nowhere/folder"))
    script = tmp_path / "script"
    script.write_text("#!/nowhere/interpreter\n", encoding="ascii")
    script.chmod(0o755)
    with pytest.raises(StartError, match=str(script)):
        start(Command(argv=[str(script)]))


def test_an_empty_argv_is_a_start_error() -> None:
    """A tracer's mistake does not become an exception of another kind."""
    with pytest.raises(StartError, match="''"):
        start(Command(argv=[]))


def test_a_platform_without_libc_is_a_start_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be started the message says why."""

    def missing(*_: object) -> tuple[int, int]:
        raise AttributeError("'NoneType' object has no attribute 'pipe2'")

    monkeypatch.setattr(_linux, "pipe", missing)
    monkeypatch.setattr(_linux, "unavailable", lambda: "this is PyPy")
    with pytest.raises(StartError, match="this is PyPy"):
        start(shell("exit 0"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", b"plain"),
        ("tab\tnew\nline\x1b", b"tab\tnew\nline\x1b"),
        ("NUL\0here", "NUL\ufffdhere".encode()),
        (b"NUL\0here", "NUL\ufffdhere".encode()),
        ("path\udcff", b"path\xff"),
        ("lone \ud800", b"lone \\ud800"),
        (b"\xff\xfe", b"\xff\xfe"),
    ],
)
def test_an_argument_can_always_be_passed(value: str | bytes, expected: bytes) -> None:
    """NUL is replaced, what cannot be encoded escaped, the rest passes as it is (rule 10)."""
    assert argument(value) == expected
    printed = run(shell('printf %s "$1"', os.fsdecode(argument(value))))
    assert printed.stdout == expected


def test_the_longest_argument_passes_and_a_longer_one_is_cut() -> None:
    """The kernel's limit is 128 KiB; what is above is cut at 16 KiB and marked (rule 10)."""
    assert run(shell("echo ${#1}", "x" * LONGEST_ARGUMENT)).stdout == b"%d\n" % LONGEST_ARGUMENT
    cut = argument("x" * (LONGEST_ARGUMENT + 1))
    assert len(cut) == 16 * 1024
    assert cut.endswith(b"x...[cut]")


def test_more_input_comes_after_the_start() -> None:
    """The second line arrives after the first, and then the input ends."""
    tracer = start(shell("read a; echo $a; read b; echo $b; cat", stdin=b"one\n"), more_input=True)
    tracer.tell(b"two\n")
    assert tracer.wait(soon())

    assert tracer.stdout == b"one\ntwo\n"


def test_more_input_after_a_large_first_part() -> None:
    """What does not fit into the pipe at once is not overtaken."""
    tracer = start(shell("cat | md5sum", stdin=b"x" * 1_000_000), more_input=True)
    tracer.tell(b"end")
    assert tracer.wait(soon())

    assert tracer.stdout == run(shell("md5sum", stdin=b"x" * 1_000_000 + b"end")).stdout


def test_hold_returns_when_the_tracer_lets_go() -> None:
    """Closing the release descriptor, and nothing else, lets the program go on."""
    command = python(
        "import os; os.read(0, 1); os.close(4); os.read(0, 1)", stdin=b"x", released_by=4
    )
    tracer = start(command, more_input=True, releasable=True)

    assert tracer.hold(FOREVER)
    assert not tracer.over
    tracer.tell(b"")
    assert tracer.wait(soon())
    assert tracer.status == 0


def test_hold_is_bounded_and_feeds_meanwhile() -> None:
    """A large input arrives while the GIL is kept; a tracer that keeps the pipe is left alone."""
    command = shell("exec cat >/dev/null", stdin=b"x" * 1_000_000, released_by=4)
    tracer = start(command, releasable=True)

    assert tracer.hold(FOREVER)  # cat reads it all and ends
    assert tracer.wait(soon())
    assert tracer.status == 0

    tracer = start(shell("exec sleep 1000", released_by=4), releasable=True)
    assert not tracer.hold(0.01)
    tracer.discard()


def test_hold_ends_with_the_tracer() -> None:
    """A tracer that fails at once holds nobody."""
    tracer = start(shell("exit 1", released_by=4), releasable=True)

    assert tracer.hold(FOREVER)
    assert tracer.wait(soon())


def test_without_a_release_pipe_nobody_is_held() -> None:
    """A frozen copy needs none."""
    tracer = start(shell("exit 0", released_by=4))

    assert tracer.hold(FOREVER)
    assert tracer.wait(soon())


RELEASING = {"open", "close", "read", "write", "pipe", "pipe2", "waitid", "waitpid", "poll"}


def test_the_gil_is_kept_from_start_to_tell() -> None:
    """No function of C that gives the GIL up is called on the way, so no other thread runs."""
    called: list[str] = []

    def note(_: object, event: str, function: object) -> None:
        if event == "c_call" and getattr(function, "__module__", "") in {"posix", "select", "time"}:
            called.append(getattr(function, "__name__", "?"))

    command = shell("cat", stdin=b"one line\n", released_by=4)
    sys.setprofile(note)
    tracer = start(command, more_input=True)
    tracer.hold(1)
    tracer.tell(b"two\n")
    sys.setprofile(None)

    assert not RELEASING.intersection(called)
    assert tracer.wait(soon())
    assert tracer.stdout == b"one line\ntwo\n"


def test_other_threads_stand_still_from_start_to_tell() -> None:
    """A thread that takes the GIL whenever it can does not get it in between."""
    turns, stop = [0], threading.Event()

    def take_turns() -> None:
        while not stop.is_set():
            turns[0] += 1
            time.sleep(0)

    before = sys.getswitchinterval()
    thread = threading.Thread(target=take_turns)
    sys.setswitchinterval(FOREVER)
    thread.start()
    try:
        for _ in range(20):
            at_start = turns[0]
            tracer = start(shell("cat", stdin=b"line\n"), more_input=True)
            tracer.tell(b"two\n")
            assert turns[0] == at_start
            assert tracer.wait(soon())
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)


def test_a_dropped_tracer_discards_itself() -> None:
    """An interrupt that lost the reference leaves nothing behind."""
    tracer = start(shell("exec sleep 1000"))
    pid = tracer.pid
    assert pid is not None
    del tracer

    assert not is_alive(pid)


def test_discard_twice_and_after_the_end() -> None:
    """Giving up is idempotent."""
    tracer = run(shell("exit 0"))
    tracer.discard()
    tracer.discard()

    assert tracer.status == 0


def test_a_forked_child_closes_its_copies_and_leaves_the_tracer_alone() -> None:
    """It neither keeps the tracer's pipes open nor kills or reaps the parent's child (rule 24)."""
    before = open_descriptors()
    tracer = start(shell("cat", stdin=b"one\n"), more_input=True)
    pid = os.fork()
    if pid == 0:
        left = set(open_descriptors()) - set(before)
        tracer.discard()
        os._exit(len(left))
    assert os.waitpid(pid, 0)[1] == 0
    assert not tracer.over
    tracer.tell(b"two\n")
    assert tracer.wait(soon())

    assert (tracer.status, tracer.stdout) == (0, b"one\ntwo\n")


def sinks() -> list[IO[bytes]]:
    """Writers that look like files and are none."""
    closed = io.BytesIO()
    closed.close()
    return [closed, FakeBrokenFile()]  # type: ignore[list-item]  # raw, which is enough here


@pytest.mark.parametrize("sink", sinks(), ids=["closed", "broken"])
def test_a_writer_that_fails_does_not_stop_the_tracer(sink: IO[bytes]) -> None:
    """It writes as much as it likes; the rest is thrown away."""
    tracer = run(shell("head -c 1000000 /dev/zero", stdout=sink))

    assert tracer.status == 0
    assert tracer.fault is not None
