"""The default tracer: its options, the request it writes, and the folder it writes to."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcd import _linux, tracers
from bcd.errors import ConfigError, FinalizeError
from bcd.folder import snapshot_folder
from bcd.freeze import freeze, prepare
from bcd.tracer import Command, LogPriority, MemoryTracer, TraceOptions
from bcd.tracers._log import StderrLog
from bcd.tracers._options import OptionList
from bcd.tracers.python import PythonTracer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class FakeMemory:
    """A memory of a given kind that holds nothing."""

    descriptor = 17

    copy = None

    def __init__(self, mode: str, notes: Sequence[str] = ()) -> None:
        self.mode = mode
        self.notes = notes


class FakeLog:
    """A log that keeps its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the call."""
        self.calls.append((level, format, *args))

    def set_log_level(self, level: LogPriority) -> None:
        """Keep the call."""
        self.calls.append((level,))


FROZEN = FakeMemory("frozen")


@pytest.fixture
def tracer(tmp_path: Path) -> MemoryTracer:
    """A tracer that writes to a temporary folder; the type checks it against the contract."""
    return PythonTracer(folder=tmp_path)


def request_of(command: Command) -> dict[str, Any]:
    """The request that a command writes to the tracer's standard input."""
    assert isinstance(command.stdin, bytes)
    request = json.loads(command.stdin)
    assert isinstance(request, dict)
    return request


class TestOptions:
    def test_adding_appends_to_the_base(self) -> None:
        """Without a list the base grows, in order, and nothing is returned."""
        options = OptionList("--load=")
        assert options.add_kv("key", "val") is None
        options.add_thread_filter(7)
        options.add_faulted_thread(8)
        options.add_classifier("shop.Error")
        options.add_options("--one", "two")
        expected = "--load= --kv key:val --thread 7 --fault-thread 8 --classifier shop.Error"
        assert options.options() == [*expected.split(), "--one", "two"]

    @pytest.mark.parametrize("given", [[], ["--first"]])
    def test_adding_to_a_list_leaves_both_alone(self, given: list[str]) -> None:
        """With a list, also an empty one, a new list is returned and nothing else changes."""
        options, before = OptionList("base"), list(given)
        extended = options.add_kv("key", "val", given)
        assert extended == [*before, "--kv", "key:val"]
        assert given == before
        assert options.options() == ["base"]

    def test_nothing_is_escaped_or_merged(self) -> None:
        """Colons, empty parts and equal pairs stay as they are."""
        options = OptionList()
        for key, value in [("a:b", "c:d"), ("", ""), ("", "")]:
            options.add_kv(key, value)
        options.add_classifier("")
        assert options.options() == [
            "--kv",
            "a:b:c:d",
            "--kv",
            ":",
            "--kv",
            ":",
            "--classifier",
            "",
        ]

    def test_what_is_returned_is_a_copy(self) -> None:
        """Editing the list does not edit the base."""
        options = OptionList("base")
        options.options().append("more")
        assert options.options() == ["base"]

    def test_clearing_empties_the_base(self) -> None:
        """Also the options that the tracer came with."""
        options = OptionList("base")
        options.clear_options()
        assert options.options() == []

    def test_threads_do_not_split_an_option(self) -> None:
        """A flag is followed by its own value however many threads add."""
        options = OptionList()

        def add(name: str) -> None:
            for number in range(2000):
                options.add_kv(name, str(number))

        threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        found = options.options()
        assert set(found[::2]) == {"--kv"}
        assert sorted(found[1::2]) == sorted(f"{n}:{i}" for n in "abcd" for i in range(2000))


class TestDefaults:
    def test_marks_the_thread_and_the_type(self, tracer: MemoryTracer) -> None:
        """A trace without options marks the faulted thread and classifies by type, within 30 s."""
        assert tracer.default_trace_options() == TraceOptions(
            faulted=True, err_classification=True, timeout=30.0
        )

    def test_names_the_task_by_its_address(self) -> None:
        """In hexadecimal, as the snapshot does; it is a ``TaskTracer``."""
        tracer = PythonTracer()
        assert tracer.add_caller_task(0x7F00AA, ["base"]) == ["base", "--caller-task", "0x7f00aa"]
        assert tracer.options() == []

    def test_edits_persist(self, tracer: MemoryTracer) -> None:
        """There is one object of defaults, shared by all callers."""
        tracer.default_trace_options().caller_only = True
        assert tracer.default_trace_options().caller_only is True

    def test_takes_a_timedelta(self) -> None:
        """Durations may be given either way."""
        tracer = PythonTracer(timeout=timedelta(milliseconds=1500))
        assert tracer.default_trace_options().timeout == 1.5

    def test_has_no_base_options(self, tracer: MemoryTracer) -> None:
        """All that bcd's own program needs is in the request."""
        assert tracer.options() == []

    @pytest.mark.parametrize(
        ("argument", "message"),
        [
            ({"timeout": "3"}, r"timeout is '3': pass seconds or a timedelta"),
            ({"timeout": math.nan}, r"timeout is nan"),
            ({"timeout": True}, r"timeout is True"),
            ({"limits": {"string": -1}}, r"the limit 'string' is -1; it has to be a whole number"),
            ({"limits": {"string": math.inf}}, r"the limit 'string' is inf"),
            ({"limits": {"string": "9"}}, r"the limit 'string' is '9'"),
            (
                {"limits": {"strings": 9}},
                r"no limit is called 'strings'; there are alike, deadline_ms",
            ),
            ({"redact": "password"}, r"redact is 'password': pass a list of names"),
            ({"reveal": [b"token"]}, r"reveal is \[b'token'\]: pass a list of names"),
        ],
    )
    def test_refuses_what_it_cannot_use(self, argument: dict[str, Any], message: str) -> None:
        """The error names the setting, the value and what is accepted."""
        with pytest.raises(ConfigError, match=message):
            PythonTracer(**argument)


class TestCommand:
    def test_runs_the_program_alone(self, tracer: MemoryTracer) -> None:
        """The host's .pth files and environment do not reach it, nothing else is in argv."""
        command = tracer.finalize_memory(["--kv", "secret:value"], FROZEN, None, 1.5)
        program = Path(_linux.__file__).parents[1] / "ptrace" / "__main__.py"
        assert command.argv == [sys.executable, "-I", "-S", str(program)]

    def test_knows_the_program_by_its_path_alone(self, tmp_path: Path) -> None:
        """A program that traced itself has not imported a module of the tracer process."""
        code = (
            "import sys, bcd\n"
            f"bcd.trace(bcd.PythonTracer(folder={str(tmp_path)!r})).raise_for_error()\n"
            "assert not [name for name in sys.modules if name.startswith('bcd.ptrace')]\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        assert len(list(tmp_path.iterdir())) == 1

    def test_takes_another_interpreter_and_program(self, tmp_path: Path) -> None:
        """For hosts in which sys.executable is not Python."""
        tracer = PythonTracer(folder=tmp_path, python="/opt/python", program=tmp_path / "own.py")
        command = tracer.finalize_memory([], FROZEN, None, 0)
        assert command.argv == ["/opt/python", "-I", "-S", str(tmp_path / "own.py")]

    def test_writes_the_request(self, tracer: MemoryTracer, tmp_path: Path) -> None:
        """Everything that the program needs is in one line of JSON."""
        error = ValueError("boom")
        options = ["--fault-thread", "55", "--kv", "error:boom", "--classifier", "ValueError"]
        command = tracer.finalize_memory(options, FROZEN, error, 12.5)
        request = request_of(command)
        assert request.pop("wall") > 1_600_000_000
        status = Path("/proc/self/exe").stat()
        assert request == {
            "version": 1,
            "arguments": options,
            "output": str(tmp_path),
            "mode": "frozen",
            "notes": [],
            "pid": os.getpid(),
            "memory": 3,
            "release": None,
            "started": 12.5,
            "reason": "error",
            "hints": {
                "int": id(int),
                "error": id(error),
                "hexversion": sys.hexversion,
                "executable": [status.st_dev, status.st_ino],
            },
            "limits": {},
            "redact": [],
            "reveal": [],
        }
        assert command.descriptors == {3: 17}
        assert command.released_by is None

    def test_a_process_read_in_place_waits_for_the_release(self, tracer: MemoryTracer) -> None:
        """Where there is no copy, the program says when the process may go on."""
        memory = FakeMemory("gil-held", ["Too large."])
        command = tracer.finalize_memory([], memory, None, 0)
        request = request_of(command)
        assert (request["mode"], request["release"]) == ("gil-held", 4)
        assert request["notes"] == ["Too large."]
        assert command.released_by == 4

    def test_settings_are_handed_on(self, tmp_path: Path) -> None:
        """Limits and names reach the program as they were given."""
        tracer = PythonTracer(
            folder=tmp_path, limits={"string": 50}, redact=["pin"], reveal=["token_count"]
        )
        request = request_of(tracer.finalize_memory([], FROZEN, None, 0))
        assert request["limits"] == {"string": 50}
        assert (request["redact"], request["reveal"]) == (["pin"], ["token_count"])

    @pytest.mark.parametrize(
        ("options", "error", "reason"),
        [
            ([], None, "request"),
            ([], ValueError(), "error"),
            (["--classifier", "bcd.SignalError"], None, "signal"),
        ],
    )
    def test_says_what_it_was_for(
        self,
        tracer: MemoryTracer,
        options: list[str],
        error: BaseException | None,
        reason: str,
    ) -> None:
        """An error, a signal, or somebody who asked."""
        request = request_of(tracer.finalize_memory(options, FROZEN, error, 0))
        assert request["reason"] == reason

    def test_any_text_is_one_line_of_ascii(self, tracer: MemoryTracer) -> None:
        """Line ends, surrogates and other scripts are escaped, and come back as they were."""
        texts = ["line\nend", "\udcff\ud800", "ünï 🐍", "\0\x7f\u2028"]
        command = tracer.finalize_memory(texts, FROZEN, None, 0)
        assert isinstance(command.stdin, bytes)
        assert command.stdin.isascii()
        assert command.stdin.count(b"\n") == 1
        assert command.stdin.endswith(b"}\n")
        assert request_of(command)["arguments"] == texts

    def test_a_folder_that_is_not_utf_8_survives(self, tmp_path: Path) -> None:
        """Its bytes come back with the file system's encoding."""
        folder = os.fsencode(tmp_path) + b"/\xff\xfe"
        tracer = PythonTracer(folder=os.fsdecode(folder))
        output = request_of(tracer.finalize_memory([], FROZEN, None, 0))["output"]
        assert os.fsencode(output) == folder

    def test_names_the_process_that_calls(self, tracer: MemoryTracer) -> None:
        """A child forked after the construction is the one that is traced."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            command = tracer.finalize_memory([], FROZEN, None, 0)
            os.write(
                writing, f"{request_of(command)['pid']} {tracer.finalize([]).argv[5]!s}".encode()
            )
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        assert os.read(reading, 100).decode() == f"{child} {child}"
        os.close(reading)

    def test_takes_a_real_memory(self, tracer: MemoryTracer) -> None:
        """What is to be frozen is what the tracer takes."""
        memory = prepare()
        command = tracer.finalize_memory([], memory, None, 0)
        assert command.descriptors == {3: freeze(memory, seconds=30).descriptor}
        memory.release()

    def test_without_memory_it_attaches(self, tracer: MemoryTracer, tmp_path: Path) -> None:
        """The options in the program's own grammar follow the process and the folder."""
        command = tracer.finalize(["--kv", "a:b"])
        by_hand = ["--faulted", str(os.getpid()), "--output", str(tmp_path), "--kv", "a:b"]
        assert list(command.argv[4:]) == by_hand
        assert (command.stdin, dict(command.descriptors)) == (None, {})

    def test_says_why_it_cannot_run(
        self, tracer: MemoryTracer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On another platform only the trace fails."""
        monkeypatch.setattr(sys, "platform", "darwin")
        with pytest.raises(FinalizeError, match=r"this is darwin: use another tracer"):
            tracer.finalize_memory([], FROZEN, None, 0)

    def test_says_how_to_name_the_interpreter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A host without sys.executable is told which argument to pass."""
        monkeypatch.setattr(sys, "executable", "")
        with pytest.raises(FinalizeError, match=r"pass PythonTracer\(python="):
            PythonTracer().finalize_memory([], FROZEN, None, 0)


class TestLog:
    def test_errors_go_to_stderr(
        self, tracer: MemoryTracer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One line with the time; warnings and debugging are off at first."""
        tracer.logf(LogPriority.ERROR, "%s failed: %d", "it", 5)
        tracer.logf(LogPriority.WARNING, "unheard")
        tracer.logf(LogPriority.DEBUG, "unheard")
        (line,) = capsys.readouterr().err.splitlines()
        prefix, date, time, message = line.split(" ", 3)
        assert (prefix, message) == ("[bcd]", "it failed: 5")
        assert [len(part) for part in date.split("/")] == [4, 2, 2]
        assert [len(part) for part in time.split(":")] == [2, 2, 2]

    @pytest.mark.parametrize("mask", range(8))
    def test_the_mask_decides(self, mask: int, capsys: pytest.CaptureFixture[str]) -> None:
        """A message is written iff its level is in the mask."""
        log = StderrLog()
        log.set_log_level(LogPriority(mask))
        for level in (LogPriority.DEBUG, LogPriority.WARNING, LogPriority.ERROR):
            log.logf(level, "heard 100%")
            assert bool(capsys.readouterr().err) == bool(mask & level)

    def test_another_log_gets_everything(self) -> None:
        """A custom log is asked every time and told the mask (rule 32)."""
        tracer, log = PythonTracer(), FakeLog()
        tracer.set_logger(log)
        tracer.set_log_level(LogPriority.WARNING)
        tracer.logf(LogPriority.DEBUG, "%s", 1)
        assert log.calls == [
            (LogPriority.ERROR,),
            (LogPriority.WARNING,),
            (LogPriority.DEBUG, "%s", 1),
        ]

    @pytest.mark.parametrize("stderr", [None, "closed"])
    def test_a_lost_stderr_harms_nobody(
        self, stderr: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A daemon without stderr goes on as if nothing were."""
        with (tmp_path / "closed").open("w") as file:
            pass
        monkeypatch.setattr(sys, "stderr", file if stderr else None)
        StderrLog().logf(LogPriority.ERROR, "unheard")


class TestFolder:
    @pytest.fixture(autouse=True)
    def _bare_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("BCD_DIR", "XDG_STATE_HOME"):
            monkeypatch.delenv(name, raising=False)

    def test_an_argument_comes_first(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Before the environment, and as a path or a str."""
        monkeypatch.setenv("BCD_DIR", "/elsewhere")
        assert snapshot_folder(tmp_path) == snapshot_folder(str(tmp_path)) == str(tmp_path)

    def test_then_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """BCD_DIR sets the folder of every tracer that is given none."""
        monkeypatch.setenv("BCD_DIR", "/elsewhere")
        assert PythonTracer().folder == "/elsewhere"

    @pytest.mark.parametrize("set_to", [None, ""])
    @pytest.mark.parametrize("installed", [True, False])
    def test_then_the_users_state(
        self, *, set_to: str | None, installed: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The XDG folder for state, with and without platformdirs."""
        monkeypatch.setenv("HOME", "/home/ann")
        if set_to is not None:
            monkeypatch.setenv("BCD_DIR", set_to)
        if not installed:
            monkeypatch.setitem(sys.modules, "platformdirs", None)
        assert snapshot_folder() == "/home/ann/.local/state/bcd"

    def test_a_user_without_a_home_has_one_too(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A container's bare user id has a folder of its own among the temporary files."""
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without an entry
        monkeypatch.setitem(sys.modules, "platformdirs", None)
        assert snapshot_folder() == f"{tmp_path}/bcd-{os.getuid()}"

    def test_a_relative_one_is_resolved_at_once(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A later chdir does not move the snapshots."""
        monkeypatch.chdir(tmp_path)
        tracer = PythonTracer(folder="here")
        monkeypatch.chdir("/")
        assert tracer.folder == str(tmp_path / "here")


class TestDefaultTracer:
    @pytest.fixture(autouse=True)
    def _restored(self) -> Iterator[None]:
        tracers.set_default_tracer(None)
        yield
        tracers.set_default_tracer(None)

    def test_is_one_for_all(self) -> None:
        """Every hook shares one PythonTracer."""
        assert isinstance(tracers.default_tracer(), PythonTracer)
        assert tracers.default_tracer() is tracers.default_tracer()

    def test_can_be_set(self, tracer: MemoryTracer) -> None:
        """What was set last is used, and None brings back bcd's own."""
        tracers.set_default_tracer(tracer)
        assert tracers.default_tracer() is tracer
        tracers.set_default_tracer(None)
        assert tracers.default_tracer() is not tracer
