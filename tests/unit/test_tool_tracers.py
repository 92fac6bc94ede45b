"""The adapters for other tools: what they ask for, and what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import bcd
from bcd import _linux
from bcd.engine.attempt import GATE
from bcd.errors import ConfigError, FinalizeError, StartError
from bcd.tracers import default_tracer
from bcd.tracers.gcore import GcoreTracer
from bcd.tracers.pyspy import PySpyTracer
from bcd.tracers.pystack import PystackTracer

if TYPE_CHECKING:
    from bcd.tracers._foreign import ForeignTracer

TRACERS: list[type[Any]] = [PySpyTracer, PystackTracer, GcoreTracer]
EACH = pytest.mark.parametrize("kind", TRACERS)


@pytest.fixture(name="tool")
def _tool(tmp_path: Path) -> str:
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return str(path)


def request_of(tracer: ForeignTracer, options: list[str]) -> dict[str, Any]:
    """The request that a tracer writes to the standard input of bcd's program."""
    command = tracer.finalize(options)
    assert isinstance(command.stdin, bytes)
    request = json.loads(command.stdin)
    assert isinstance(request, dict)
    return request


@EACH
def test_is_a_tracer(kind: type[Any], tmp_path: Path) -> None:
    """Each fulfils the contract of a tracer that can be registered for signals."""
    tracer: bcd.TracerSig = kind(folder=tmp_path)
    assert str(tracer) == kind.__name__
    assert len(tracer.sigset()) == 6
    assert tracer.default_trace_options().faulted
    assert tracer.default_trace_options().err_classification


@pytest.mark.parametrize(
    ("tracer", "command"),
    [
        (PySpyTracer, "dump --locals --json {options} --pid PID"),
        (PystackTracer, "remote --locals --no-color {options} PID"),
        (GcoreTracer, "{options} -o {output} PID"),
    ],
)
def test_the_command(tracer: type[Any], command: str, tool: str) -> None:
    """The tool is told this process; attributes are not in argv, which everybody can read."""
    made = tracer(program=tool)
    request = request_of(made, ["--kv", "secret:x"])
    argv = made.finalize(["--kv", "secret:x"]).argv
    assert request["command"] == [tool, *command.replace("PID", str(os.getpid())).split()]
    assert argv[:3] == [sys.executable, "-I", "-S"]
    assert "secret:x" not in argv


def test_settings_become_flags(tool: str) -> None:
    """What a tool can do is said in its own words."""
    spy = PySpyTracer(program=tool, nonblocking=True, native=True)
    stack = PystackTracer(program=tool, nonblocking=True, native=True)
    assert {"--nonblocking", "--native"} <= {*request_of(spy, [])["command"]}
    assert {"--no-block", "--native"} <= {*request_of(stack, [])["command"]}


@EACH
def test_the_pid_is_that_of_the_caller(kind: type[Any], tool: str) -> None:
    """A child forked after construction traces itself (rule 1)."""
    tracer = kind(program=tool)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, str(request_of(tracer, [])["pid"]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        assert int(pipe.read()) == child


@EACH
def test_allows_to_be_traced_when_it_is(
    kind: type[Any], tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the constructor opens the process to ptrace, but the trace; a refusal is no error."""
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise PermissionError

    monkeypatch.setattr(_linux, "enable_tracing", refuse)
    tracer = kind(program=tool)
    assert calls == []
    tracer.finalize([])
    assert calls == [1]


@pytest.mark.parametrize(
    ("timeout", "longest"),
    [(5, 5.0), (timedelta(minutes=1), 60.0), (-1, None), (float("inf"), None), (0, 120.0)],
)
def test_the_longest_time(timeout: Any, longest: float | None, tool: str) -> None:
    """The tracer's own time-out bounds how long a tool may hold the process (rule 14)."""
    assert request_of(PySpyTracer(program=tool, timeout=timeout), [])["timeout"] == longest


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "request"),
        (["--kv", "error:x", "--classifier", "ValueError"], "error"),
        (["--kv", "error:hangup", "--classifier", "bcd.SignalError"], "signal"),
    ],
)
def test_the_reason(options: list[str], reason: str, tool: str) -> None:
    """A signal, an error or a request: the options tell which it was."""
    assert request_of(PySpyTracer(program=tool), options)["reason"] == reason


class TestMissing:
    @EACH
    def test_a_path_that_holds_nothing(self, kind: type[Any], tmp_path: Path) -> None:
        """The error names the path and what to install (rule 13)."""
        missing = tmp_path / "none"
        with pytest.raises(StartError, match=f"{missing} is no program .* install .*gdb|pip"):
            kind(program=missing).finalize([])

    @EACH
    @pytest.mark.parametrize("what", ["folder", "file"])
    def test_a_path_that_cannot_be_executed(
        self, kind: type[Any], tmp_path: Path, what: str
    ) -> None:
        """A folder or an ordinary file is no tool (rule 13)."""
        path = tmp_path / what
        path.mkdir() if what == "folder" else path.write_text("")
        with pytest.raises(StartError, match=str(path)):
            kind(program=path).finalize([])

    @EACH
    def test_nowhere(
        self, kind: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither beside the interpreter nor in PATH: the error says where it was sought."""
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        with pytest.raises(StartError, match=rf"neither beside {tmp_path}/python nor in PATH"):
            kind().finalize([])

    @EACH
    def test_is_sought_when_it_is_needed(
        self, kind: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
    ) -> None:
        """A tool that is installed while the program runs is found, first beside Python."""
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
        tracer = kind(python=sys.executable)
        for place in (tmp_path, tmp_path / "bin"):
            path = place / kind.executable
            path.hardlink_to(tool)
            assert request_of(tracer, [])["command"][0] == str(path)

    def test_no_interpreter(self, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where Python does not know its own path the error says what to pass."""
        monkeypatch.setattr(sys, "executable", "")
        with pytest.raises(FinalizeError, match=r"PySpyTracer\(python=\.\.\.\)"):
            PySpyTracer(program=tool).finalize([])

    def test_a_trace_says_so(self, tmp_path: Path) -> None:
        """It is the error of the result, and nothing is raised."""
        GATE.reset()
        tracer = PySpyTracer(program=tmp_path / "none", folder=tmp_path / "kept")
        result = bcd.trace(tracer, options=bcd.TraceOptions(timeout=30))
        GATE.reset()  # the next test need not wait for the rate limit
        assert isinstance(result.error, StartError)


@pytest.mark.parametrize(
    ("name", "kind"), [*zip(("pyspy", "pystack", "gcore"), TRACERS, strict=True)]
)
def test_settings_of_the_process_reach_it(
    name: str, kind: type[Any], tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``BCD_TRACER`` names it, and what is set on secrets, folder and interpreter is kept."""
    told = {"TRACER": name, "REDACT": "iban", "REVEAL": "session", "PYTHON": tool, "DIR": "/kept"}
    for variable, value in told.items():
        monkeypatch.setenv(f"BCD_{variable}", value)
    monkeypatch.setattr("bcd.settings.current._current", {})
    monkeypatch.setattr("bcd.tracers._default", {})
    monkeypatch.setenv("PATH", str(Path(tool).parent))
    Path(tool).with_name(kind.executable).hardlink_to(tool)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    made = default_tracer()
    assert isinstance(made, kind)
    request = request_of(made, [])
    assert (request["redact"], request["reveal"]) == (["iban"], ["session"])
    assert (request["output"], made.finalize([]).argv[0]) == ("/kept", tool)


@EACH
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"files": 0}, "files is 0"),
        ({"files": True}, "files is True"),
        ({"timeout": "soon"}, "timeout is 'soon'"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"redact": "iban"}, "redact is 'iban'"),
        ({"reveal": [1]}, "reveal is"),
    ],
)
def test_settings_that_make_no_sense(kind: type[Any], settings: Any, said: str) -> None:
    """A wrong setting is refused at once, by name."""
    with pytest.raises(ConfigError, match=said):
        kind(**settings)


def test_importing_them_loads_nothing_heavy() -> None:
    """An adapter that is named, not used, costs no search for its tool."""
    script = (
        "import sys, bcd; bcd.PySpyTracer(), bcd.PystackTracer(), bcd.GcoreTracer();"
        "print(*{'shutil', 'subprocess', 'asyncio', 'logging'} & {*sys.modules})"
    )
    environment = {**os.environ, "BCD_DIR": "/nonexistent"}
    argv = [sys.executable, "-I", "-c", script]
    done = subprocess.run(argv, check=True, capture_output=True, env=environment)
    assert done.stdout.strip() == b""
