"""What bcd asks of Linux: pipes, waiting, starting programs, and whether it can be used."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from bcd import _linux
from bcd._linux import libc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SEE_ITSELF = """
import json, os, signal, sys
names = sorted(int(name) for name in os.listdir("/proc/self/fd"))
opened = {}
for number in names:
    try:
        opened[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        pass  # the one that listed them
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
os.write(1, json.dumps({
    "argv": [os.fsencode(argument).hex() for argument in sys.argv[1:]],
    "opened": opened,
    "cwd": os.getcwd(),
    "env": dict(os.environ),
    "group": os.getpgid(0),
    "pid": os.getpid(),
    "blocked": int(status["SigBlk"], 16),
    "ignored": int(status["SigIgn"], 16),
}).encode())
"""


@pytest.fixture
def null() -> Iterator[int]:
    """The null device, open for reading and writing."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@contextlib.contextmanager
def a_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that is closed afterwards, where it is not yet."""
    ends = _linux.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            _linux.close(end)


def look(
    null: int,
    *arguments: str | bytes,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> dict[str, object]:
    """Start a Python that tells what it finds itself to be."""
    with a_pipe() as (end, other_end):
        argv = [sys.executable, "-I", "-S", "-c", SEE_ITSELF, *arguments]
        table = {0: null, 1: other_end, 2: 2}
        pid = _linux.Spawn(argv, env=env, cwd=cwd, descriptors=table).start()
        _linux.close(other_end)
        with open(end, "rb", closefd=False) as pipe:
            answer = pipe.read()
        os.waitpid(pid, 0)
    told = json.loads(answer)
    assert isinstance(told, dict)
    return told


def without_locale(environment: object) -> dict[str, str]:
    """An environment without what Python adds where the locale is C."""
    assert isinstance(environment, dict)
    return {name: value for name, value in environment.items() if name != "LC_CTYPE"}


class TestSpawn:
    def test_passes_any_bytes_as_arguments(self, null: int) -> None:
        """Arguments are bytes to the kernel; what is not UTF-8 arrives as it is."""
        told = look(null, "plain", b"\xff\xfe raw", "escaped \udcff", "", "ünï")
        sent = [b"plain", b"\xff\xfe raw", b"escaped \xff", b"", "ünï".encode()]
        assert told["argv"] == [argument.hex() for argument in sent]

    def test_a_nul_is_refused(self, null: int) -> None:
        """A NUL would cut an argument short, so it is an error before anything starts."""
        with pytest.raises(ValueError, match="NUL"):
            look(null, "cut\0short")
        with pytest.raises(ValueError, match="NUL"):
            look(null, env={"NAME": "cut\0short"})

    def test_inherits_no_other_descriptor(self, null: int) -> None:
        """Nothing but what was given is open, not even what the program made inheritable."""
        reading, writing = os.pipe()
        os.set_inheritable(reading, True)  # noqa: FBT003 - os has no other way
        os.set_inheritable(writing, True)  # noqa: FBT003
        try:
            opened = look(null)["opened"]
        finally:
            os.close(reading)
            os.close(writing)
        assert isinstance(opened, dict)
        assert sorted(opened) == ["0", "1", "2"]

    def test_leads_its_own_process_group(self, null: int) -> None:
        """A kill of the group reaches the tracer's children and not this program."""
        told = look(null)
        assert told["group"] == told["pid"]

    def test_signals_start_afresh(self, null: int) -> None:
        """Neither the blocked nor the ignored signals of the program are handed on."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
        ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            told = look(null)
        finally:
            signal.signal(signal.SIGHUP, ignored)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        assert told["blocked"] == 0
        # Python itself ignores SIGPIPE and SIGXFSZ, as it starts.
        own = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
        assert told["ignored"] == own

    def test_inherits_environment_and_folder(
        self, null: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without orders the program sees the environment of this moment and the same folder."""
        monkeypatch.setenv("BCD_TEST_GONE", "soon")
        monkeypatch.delenv("BCD_TEST_GONE")
        monkeypatch.setenv("BCD_TEST_VARIABLE", "ünï")
        told = look(null)
        assert told["cwd"] == str(Path.cwd())
        environment = without_locale(told["env"])
        # A superset: a C library in this process (readline) may have added some of its own.
        assert environment.items() >= without_locale(dict(os.environ)).items()
        assert "BCD_TEST_GONE" not in environment

    def test_takes_environment_and_folder(self, null: int, tmp_path: Path) -> None:
        """With orders it sees those, and nothing else."""
        told = look(null, env={"ONLY": "this", "EMPTY": ""}, cwd=str(tmp_path))
        assert told["cwd"] == str(tmp_path.resolve())
        assert without_locale(told["env"]) == {"ONLY": "this", "EMPTY": ""}

    def test_errors_name_the_path(self, null: int, tmp_path: Path) -> None:
        """A missing path, a folder and a file that is no program are told apart and named."""
        plain = tmp_path / "plain"
        plain.write_text("no program")
        cases = [(tmp_path / "missing", errno.ENOENT), (tmp_path, errno.EACCES)]
        for path, code in [*cases, (plain, errno.EACCES)]:
            with pytest.raises((FileNotFoundError, PermissionError)) as caught:
                _linux.Spawn([str(path)], descriptors={0: null, 1: null, 2: null}).start()
            assert (caught.value.errno, caught.value.filename) == (code, str(path))

    def test_an_error_of_the_folder_names_the_folder(self, null: int, tmp_path: Path) -> None:
        """The kernel says ENOENT for both; the message is about the one that is missing."""
        missing = str(tmp_path / "missing")
        with pytest.raises(FileNotFoundError) as caught:
            look(null, cwd=missing)
        assert caught.value.filename == missing

    def test_a_failed_start_leaves_no_child(self, null: int, tmp_path: Path) -> None:
        """There is nothing to wait for after an error."""
        with pytest.raises(FileNotFoundError):
            _linux.Spawn([str(tmp_path / "no")], descriptors={0: null, 1: null, 2: null}).start()
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    @pytest.mark.parametrize(
        "turned",
        [
            pytest.param(lambda a, b, c: {a: b, b: c, c: a}, id="a ring of three"),
            pytest.param(lambda a, b, c: {a: b, b: a, c: c}, id="a swap and one as it is"),
            pytest.param(lambda a, b, c: {a: a, b: a, c: a}, id="one for all"),
            pytest.param(lambda a, b, c: {c: b, b: a, c + 3: c}, id="a chain with a gap"),
        ],
    )
    def test_copies_do_not_overwrite_each_other(
        self, null: int, tmp_path: Path, turned: Callable[[int, int, int], dict[int, int]]
    ) -> None:
        """Each number gets its own descriptor, also where numbers overlap; gaps are closed."""
        first = 200  # above whatever other tests keep open
        for number in range(3):
            (tmp_path / str(number)).touch()
            there = os.open(tmp_path / str(number), os.O_RDONLY)
            os.dup2(there, first + number)
            os.close(there)
        wanted = turned(first, first + 1, first + 2)
        try:
            with a_pipe() as (end, other_end):
                argv = [sys.executable, "-I", "-S", "-c", SEE_ITSELF]
                pid = _linux.Spawn(
                    argv, descriptors={0: null, 1: other_end, 2: 2, **wanted}
                ).start()
                os.waitpid(pid, 0)
                opened = json.loads(_linux.read(end, 65536))["opened"]
        finally:
            for number in range(3):
                os.close(first + number)
        found = {int(number): path for number, path in opened.items() if int(number) > 2}
        assert found == {
            target: str(tmp_path / str(source - first)) for target, source in wanted.items()
        }

    def test_standard_descriptors_may_be_swapped(self, tmp_path: Path) -> None:
        """A program that closed its own 0 to 2 may have pipes under these numbers."""
        source = (
            "import os\nfrom bcd import _linux\n"
            "os.dup2(1, 10)\nos.close(0)\nos.close(1)\nos.close(2)\n"
            f"os.open({str(tmp_path / 'out')!r}, os.O_CREAT | os.O_WRONLY)\n"  # gets number 0
            "os.open(os.devnull, os.O_RDWR)\n"  # gets number 1
            "pid = _linux.Spawn(['/bin/echo', 'heard'], descriptors={0: 1, 1: 0, 2: 10}).start()\n"
            "os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        )
        subprocess.run([sys.executable, "-c", source], check=True)
        assert (tmp_path / "out").read_text() == "heard\n"


class TestPipes:
    def test_programs_do_not_inherit_them(self) -> None:
        """Both ends are close-on-exec."""
        with a_pipe() as ends:
            assert [os.get_inheritable(end) for end in ends] == [False, False]

    def test_carry_bytes(self) -> None:
        """What is written can be read, and the end is empty."""
        with a_pipe() as (reading, writing):
            assert _linux.write(writing, b"a\0b") == 3
            assert _linux.read(reading, 100) == b"a\0b"
            _linux.close(writing)
            assert _linux.read(reading, 100) == b""

    def test_a_full_one_does_not_hold_who_asked_for_it(self) -> None:
        """A non-blocking end takes what fits and then says so."""
        with a_pipe() as (_, writing):
            _linux.set_nonblocking(writing)
            size = fcntl.fcntl(writing, 1032)  # F_GETPIPE_SZ
            assert _linux.write(writing, b"x" * (size + 1)) == size
            with pytest.raises(BlockingIOError):
                _linux.write(writing, b"x")

    def test_closing_what_is_closed_is_no_error(self) -> None:
        """As with anything that may be called twice."""
        reading, writing = _linux.pipe()
        _linux.close(reading)
        _linux.close(writing)
        _linux.close(writing)

    def test_poll_sees_a_hang_up(self) -> None:
        """The other side closing is what the release of a held program waits for."""
        with a_pipe() as (reading, writing):
            assert _linux.poll(reading, 0) is False
            _linux.close(writing)
            assert _linux.poll(reading, 60_000) is True

    def test_poll_gives_up_after_its_time(self) -> None:
        """Fractions of a millisecond count, and a signal does not end the wait for good."""
        with a_pipe() as (reading, _):
            assert _linux.poll(reading, 0.5) is False

    def test_poll_goes_on_after_a_signal(self) -> None:
        """A handler runs in the middle and the wait still ends with the hang-up."""
        with a_pipe() as (reading, writing):

            def handle(_number: int, _frame: object) -> None:
                _linux.close(writing)

            before = signal.signal(signal.SIGALRM, handle)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.02)
                assert _linux.poll(reading, 60_000) is True
            finally:
                signal.signal(signal.SIGALRM, before)

    def test_poll_of_a_bad_descriptor_ends(self) -> None:
        """A descriptor that is not open has its answer at once (POLLNVAL)."""
        reading, writing = _linux.pipe()
        _linux.close(reading)
        _linux.close(writing)
        assert _linux.poll(reading, 60_000) is True


class TestProcess:
    def test_no_other_thread_runs_meanwhile(self) -> None:
        """The GIL is kept: a thread that counts does not move while poll waits."""
        counter, stop = ctypes.c_long(0), threading.Event()

        def count() -> None:
            while not stop.is_set():
                counter.value += 1

        thread = threading.Thread(target=count)
        thread.start()
        try:
            while counter.value == 0:
                pass
            with a_pipe() as (reading, _):
                request = ctypes.create_string_buffer(struct.pack("=ihh", reading, 1, 0), 8)
                look_at_it: partial[object] = partial(getattr, counter, "value")
                waiting = partial(libc.LIBC.poll, request, 1, 50)
                before, ready, after = _linux.in_one_call([look_at_it, waiting, look_at_it])
        finally:
            stop.set()
            thread.join()
        assert ready == 0, "it has to wait"
        assert before == after

    def test_tells_its_size(self) -> None:
        """Allocating and touching memory shows, in bytes."""
        before = _linux.resident_bytes()
        block = bytearray(b"x") * (64 * 1024**2)
        assert 48 * 1024**2 < _linux.resident_bytes() - before < 256 * 1024**2
        assert len(block) == 64 * 1024**2

    def test_knows_its_thread(self) -> None:
        """The id is the kernel's, in the main thread that of the process."""
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(_linux.native_thread_id()))
        thread.start()
        thread.join()
        assert _linux.native_thread_id() == os.getpid()
        assert seen[0] == thread.native_id != os.getpid()

    def test_tracing_can_be_allowed_anywhere(self) -> None:
        """A kernel without Yama needs no permission; that is no error."""
        assert _linux.enable_tracing() is True

    def test_kill_and_reap(self) -> None:
        """A child is dead and gone afterwards, and once more is no error."""
        child = os.fork()
        if child == 0:
            signal.pause()
        _linux.kill_and_reap(child)
        with pytest.raises(ChildProcessError):
            os.waitpid(child, 0)
        _linux.kill_and_reap(child)

    def test_an_empty_cell_is_nobody(self) -> None:
        """Ending the child of an unused cell signals no process, group or everybody."""
        cell = _linux.child_cell()
        assert _linux.child_id(cell) is None
        assert cell.value > 2**22, "beyond any process id, and neither 0 nor -1"
        list(_linux.reaping(cell))


class TestUnavailable:
    def test_this_machine_will_do(self) -> None:
        """The tests of bcd run where bcd does."""
        assert _linux.unavailable() is None

    @pytest.mark.parametrize(
        ("attribute", "value", "reason"),
        [
            ("platform", "darwin", "and this is darwin"),
            ("platform", "win32", "and this is win32"),
            ("implementation", SimpleNamespace(name="pypy"), "and this is pypy"),
            ("abiflags", "t", "a free-threaded build"),
        ],
    )
    def test_names_the_reason(
        self, monkeypatch: pytest.MonkeyPatch, attribute: str, value: object, reason: str
    ) -> None:
        """Another system, interpreter or kind of build is said in plain words."""
        monkeypatch.setattr(sys, attribute, value, raising=False)
        assert reason in (_linux.unavailable() or "")

    def test_names_a_machine_that_was_never_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The layout of memory is verified per machine."""
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="s390x"))
        assert "and this is s390x" in (_linux.unavailable() or "")

    @pytest.mark.parametrize(
        ("disguise", "reason"),
        [
            ("sys.modules['_ctypes'] = None", "built without ctypes"),
            ("sys.platform = 'darwin'", "this is darwin"),
            ("sys.platform = 'win32'; del sys.abiflags", "this is win32"),
            ("sys.implementation.name = 'pypy'; del sys.abiflags", "this is pypy"),
            ("import ctypes; ctypes.PyDLL = lambda *a, **k: object()", "C library lacks"),
        ],
    )
    def test_imports_anywhere(self, disguise: str, reason: str) -> None:
        """Everything can be imported and made; only a trace fails, and says why."""
        source = (
            f"import sys; {disguise}\n"
            "from bcd import _linux, freeze, errors\n"
            "from bcd.tracers.python import PythonTracer\n"
            "tracer = PythonTracer(folder='/tmp')\n"
            "print(_linux.unavailable())\n"
            "for failing in (lambda: freeze.freeze(seconds=1), lambda: tracer.finalize([])):\n"
            "    try:\n"
            "        failing()\n"
            "    except errors.TraceError as error:\n"
            "        print(error)\n"
        )
        run = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
        lines = run.stdout.decode().splitlines()
        assert len(lines) == 3
        assert all(reason in line for line in lines)
