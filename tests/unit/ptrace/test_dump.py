"""The program that runs other tools: what it asks of them, bounds, and keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bcd.ptrace.dump import _error
from bcd.ptrace.errors import RequestError
from bcd.ptrace.guard import Bounds, let_go_on
from bcd.ptrace.outputs import clean_pyspy, clean_pystack
from bcd.ptrace.redact import Redactor
from bcd.ptrace.tool import ToolFailed, run, version_of
from bcd.snapshot.dump import read_dump

KEEPER = Path(__file__).parents[3] / "bcd" / "ptrace" / "keep.py"
SAVED = "Saved corefile x"
FULL = "warning: Failed to write corefile contents (No space left on device)."
SUSPENDING = "Failed to get stack traces: Failed to suspend process"
PYSPY_REFUSED = """Error: Failed to get stack traces

Caused by:
    0: Failed to suspend process
    1: EPERM: Operation not permitted
    2: EPERM: Operation not permitted

Stack backtrace:
   0: <E as anyhow::context::ext::StdError>::ext_context
"""


def script(folder: Path, text: str) -> str:
    """A tool of our own."""
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def keep(folder: Path, program: str, **changes: Any) -> subprocess.CompletedProcess[bytes]:
    """Have the program run a tool on this process."""
    gcore = changes.get("tool") == "gcore"
    request = {
        "version": 1,
        "tool": "pystack",
        "command": [program, "-o", "{output}", str(os.getpid())] if gcore else [program],
        "arguments": [],
        "output": str(folder),
        "pid": os.getpid(),
        "reason": "request",
        "timeout": 30.0,
        "keep": 20,
        "redact": [],
        "reveal": [],
        **changes,
    }
    return subprocess.run(
        [sys.executable, "-I", "-S", KEEPER],
        input=json.dumps(request).encode() + b"\n",
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


class TestKeeping:
    def test_what_a_tool_prints(self, folder: Path, tmp_path: Path) -> None:
        """The output and its head are kept, the path is printed."""
        done = keep(folder, script(tmp_path, "echo seen"))
        path = Path(os.fsdecode(done.stdout).removesuffix("\n"))
        assert (done.returncode, done.stderr) == (0, b"")
        assert path.read_bytes() == b"seen\n"
        dump = read_dump((folder / f"{path.name[:26]}.dump.json").read_bytes())
        assert (dump.output.name, dump.output.size) == (path.name, 5)

    def test_the_status_of_the_tool(self, folder: Path, tmp_path: Path) -> None:
        """A tool that fails gives its status and its reason in one line; nothing is kept."""
        done = keep(
            folder, script(tmp_path, "echo half; echo 'WARNING: x\nwhy not\nhow' >&2; exit 7")
        )
        assert done.returncode == 7
        assert done.stderr == f"{tmp_path}/tool: why not\n".encode()
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("exit 3", b"exited with status 3"),
            ("kill -9 $$", b"was ended by signal 9"),
            ("true", b"printed nothing"),
            ("exec head -c 40000000 /dev/zero", b"it wrote more than 33,554,432 bytes"),
        ],
    )
    def test_a_tool_that_gives_nothing(
        self, folder: Path, tmp_path: Path, text: str, said: bytes
    ) -> None:
        """Whatever way a tool fails, one line says which, and nothing is kept."""
        done = keep(folder, script(tmp_path, text))
        assert done.returncode != 0
        assert said in done.stderr
        assert done.stderr.count(b"\n") == 1
        assert list(folder.iterdir()) == []

    def test_a_tool_that_is_no_program(self, folder: Path, tmp_path: Path) -> None:
        """The path and the kernel's reason are named."""
        (tmp_path / "tool").write_bytes(b"\x7fELF")
        (tmp_path / "tool").chmod(0o700)
        done = keep(folder, str(tmp_path / "tool"))
        assert b"tool could not be started: Exec format error" in done.stderr

    @pytest.mark.parametrize("line", [{"version": 2}, {"command": None}, {"arguments": 3}])
    def test_a_damaged_request(self, folder: Path, line: Any) -> None:
        """A request of another version or form is refused in one line."""
        done = keep(folder, "/bin/true", **line)
        assert done.returncode == 1
        assert done.stderr.startswith(b"the request on standard input is")
        assert done.stderr.count(b"\n") == 1

    def test_the_environment_of_the_tool(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is meant for the program's own interpreter does not reach that of the tool."""
        monkeypatch.setenv("PYTHONHOME", "/nowhere")
        monkeypatch.setenv("SHOP", "open")
        done = keep(folder, script(tmp_path, 'echo "$PYTHONHOME|$SHOP|$PYTHONIOENCODING"'))
        assert (
            Path(os.fsdecode(done.stdout).strip()).read_text() == "|open|utf-8:backslashreplace\n"
        )


class TestCores:
    def test_one_that_was_saved(self, folder: Path, tmp_path: Path) -> None:
        """The core gets its name, for this user alone."""
        done = keep(folder, script(tmp_path, f'echo x >"$2.$3"; echo {SAVED}'), tool="gcore")
        core, head = sorted(folder.iterdir())
        assert os.fsdecode(done.stdout) == f"{core}\n"
        assert core.stat().st_mode & 0o777 == 0o600
        assert head.name == f"{core.stem}.dump.json"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('echo x >"$2.$3"', b"the core was not saved"),
            (f'echo x >"$2.$3"; echo {SAVED}; echo "{FULL}" >&2', b"No space left on device"),
            ('echo x >"$2.$3"; exit 1', b"exited with status 1"),
            ('echo x >"$2.$3"; kill -9 $$', b"ended by signal 9"),
            (f"echo {SAVED}", b"No such file"),
        ],
    )  # fmt: skip
    def test_half_a_core(self, folder: Path, tmp_path: Path, text: str, said: bytes) -> None:
        """Where gcore is content with any file, half a core is a failure and is removed."""
        done = keep(folder, script(tmp_path, text), tool="gcore")
        assert done.returncode == 1
        assert said in done.stderr
        assert list(folder.iterdir()) == []


class TestReasons:
    @pytest.mark.parametrize(
        ("complaints", "reason"),
        [
            (PYSPY_REFUSED, f"{SUSPENDING}: EPERM: Operation not permitted; nobody may trace"),
            ("Permission Denied: Try again", "Permission Denied: Try again; nobody may trace"),
            ("WARNING(process_remote): no\n💀 Engine error: gone 💀\nhelp", "Engine error: gone"),
            ("warning: one\nwarning: two", "warning: two"),
            ("", "otherwise"),
        ],
    )  # fmt: skip
    def test_in_one_line(self, complaints: str, reason: str) -> None:
        """Of many lines those are told that say why; a refusal says what to do."""
        told = str(ToolFailed.of("/bin/tool", complaints.encode(), "otherwise"))
        assert told.startswith(f"/bin/tool: {reason}")
        assert ("; nobody may trace" in told) == ("nobody" in reason)

    def test_the_error_of_a_trace(self) -> None:
        """Its type is what follows its text; an attribute called error is not it (rule 7)."""
        options = ["--thread", "1", "--kv", "error:no rate", "--classifier", "shop.NoRate"]
        assert _error([*options, "--kv", "error:mine"]) == {
            "type": "shop.NoRate",
            "message": "no rate",
        }
        assert _error(["--kv", "error:x", "--kv", "a:b"]) == {"type": "", "message": "x"}
        assert _error(["--classifier", "error:x"]) is None


def test_only_one_that_stopped_is_let_go_on() -> None:
    """A process that runs gets no signal, and one that has ended is no error."""
    with subprocess.Popen(["sleep", "60"]) as running:
        let_go_on(running.pid)
        running.kill()
    let_go_on(running.pid)


def test_the_file_size_of_the_keeper_is_restored() -> None:
    """The tool's bound is not this process's."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    printed, _ = run(["/bin/echo", "x"], os.getpid(), Bounds(100, 10))
    assert printed == b"x\n"
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before


def test_the_version_beside_the_program(tmp_path: Path) -> None:
    """It is that of the package; a tool without one has none."""
    library = tmp_path / "lib" / "python3.11" / "site-packages"
    (library / "py_spy-0.4.3.dist-info").mkdir(parents=True)
    assert version_of("py-spy", str(tmp_path / "bin" / "py-spy")) == "0.4.3"
    assert version_of("pystack", str(tmp_path / "bin" / "pystack")) is None
    assert version_of("gcore", "/nowhere/bin/gcore") is None


def spied(*variables: tuple[str, Any], tid: int = 7) -> dict[str, Any]:
    """A thread as py-spy prints it."""
    shown = [{"name": name, "repr": value, "addr": 1 << 62} for name, value in variables]
    frame = {"name": "f", "filename": "f.py", "line": 1, "locals": shown}
    return {"os_thread_id": tid, "frames": [frame, {**frame, "locals": None}]}


class TestPySpy:
    def shown(self, *variables: tuple[str, Any]) -> dict[str, Any]:
        """The variables after cleaning."""
        cleaned = clean_pyspy(json.dumps([spied(*variables)]).encode(), Redactor(), set())
        return {
            each["name"]: each["repr"] for each in json.loads(cleaned)[0]["frames"][0]["locals"]
        }

    def test_secrets_are_replaced(self) -> None:
        """By name, by form, and wherever a known one turns up, before too."""
        assert self.shown(
            ("early", '"my hunter2-hunter2"'),
            ("password", '"hunter2-hunter2"'),
            ("config", '{"api_key": "zzzzzz", "port": 1}'),
            ("nothing", None),
            ("tokens", "[...]"),
        ) == {
            "early": '"my [redacted]"',
            "password": "[redacted]",
            "config": '{"api_key": "[redacted]", "port": 1}',
            "nothing": None,
            "tokens": "[redacted]",
        }

    def test_an_object_is_no_secret_to_be_sought(self) -> None:
        """The address of a secret object hides no other variable."""
        shown = self.shown(("session", "<Session at 0x7f00>"), ("db", "<Session at 0x7f00>"))
        assert shown == {"session": "[redacted]", "db": "<Session at 0x7f00>"}

    def test_the_threads_that_were_asked_for(self) -> None:
        """Native ids choose; without any all stay."""
        printed = json.dumps([spied(tid=7), spied(tid=8)]).encode()
        for only, tids in (({8}, [8]), (set[int](), [7, 8])):
            threads = json.loads(clean_pyspy(printed, Redactor(), only))
            assert [thread["os_thread_id"] for thread in threads] == tids

    @pytest.mark.parametrize("printed", [b"", b"{", b'{"a": 1}', b"[1]", b'[{"frames": 1}]', b"3"])
    def test_what_is_not_understood(self, printed: bytes) -> None:
        """Text that is no output of py-spy is refused: its secrets would not be found."""
        with pytest.raises(RequestError, match="what py-spy printed"):
            clean_pyspy(printed, Redactor(), set())


PYSTACK = """Traceback for thread 7 (python) [] (most recent call last):
    (Python) File "f.py", line 1, in f
        login(password="in-the-source")
      Arguments:
        early: "my hunter2-hunter2"
        password: "hunter2-hunter2"
      Locals:
        private_key: "-----BEGIN

  rest of it"
        url: "postgres://u:pass-word-1@h/db"
        plain: "two
lines"

Traceback for thread 8 (python) [Has the GIL] (most recent call last):
    (C) File "x.c", line 3, in g (lib.so)
"""


class TestPystack:
    def test_secrets_are_replaced(self) -> None:
        """By name with all the lines of a value, by form, and wherever a known one turns up."""
        cleaned = clean_pystack(PYSTACK.encode(), Redactor(), set()).decode()
        expected = (
            PYSTACK.replace("hunter2-hunter2", "[redacted]")
            .replace('"[redacted]"', "[redacted]")
            .replace("in-the-source", "[redacted]")
            .replace('"-----BEGIN\n\n  rest of it"', "[redacted]")
            .replace("pass-word-1", "[redacted]")
        )
        assert cleaned == expected

    def test_the_threads_that_were_asked_for(self) -> None:
        """Native ids choose, and nothing of the others stays."""
        cleaned = clean_pystack(PYSTACK.encode(), Redactor(), {8}).decode()
        assert cleaned.startswith("Traceback for thread 8 ")
        assert '(C) File "x.c"' in cleaned
        assert "plain" not in cleaned

    def test_bytes_that_are_no_text(self) -> None:
        """They are escaped."""
        assert clean_pystack(b"a\xff\n", Redactor(), set()) == b"a\\xff\n"
