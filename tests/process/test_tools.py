"""The adapters for other tools, each with the real tool on a real program."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bcd.cli.program import run as run_cli
from bcd.snapshot.dump import pyspy_threads
from bcd.snapshot.format import new_id
from bcd.store.files import FolderStore

if TYPE_CHECKING:
    from bcd.store.base import DumpEntry

PROGRAM = Path(__file__).parents[1] / "targets" / "tools" / "program.py"
TOOLS = {
    "PySpyTracer": ("py-spy", ".pyspy.json"),
    "PystackTracer": ("pystack", ".pystack.txt"),
    "GcoreTracer": ("gcore", ".core"),
}
PRINTING = ["PySpyTracer", "PystackTracer"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")


def path_of(tracer: str) -> str:
    """The path of a tool; a missing one skips the test, and fails it with CI=true."""
    name = TOOLS.get(tracer, ("python3",))[0]
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is not None:
        return found
    reason = f"{name} is missing: pip install '.[test]' and apt-get install gdb"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run(folder: Path, tracer: str, *, settings: Any = None, **told: Any) -> dict[str, Any]:
    """Have the program trace itself, and return what it printed of that."""
    path_of(tracer)
    settings = {"folder": str(folder), **(settings or {})}
    done = subprocess.run(
        [sys.executable, PROGRAM, json.dumps({"tracer": tracer, "settings": settings, **told})],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def only_dump(folder: Path) -> DumpEntry:
    """The one dump of a folder, which holds nothing else."""
    listing = FolderStore(str(folder)).listing()
    assert listing.warnings == ()
    assert listing.entries == ()
    (dump,) = listing.dumps
    assert len(list(folder.iterdir())) == 2, "the output and its head"
    return dump


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.mark.parametrize("tracer", TOOLS)
def test_a_dump_is_listed_as_what_it_is(
    folder: Path, tracer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path is printed; the head tells tool, error, type, process and attributes."""
    report = run(folder, tracer)
    dump = only_dump(folder)
    tool, suffix = TOOLS[tracer]

    assert report["error"] is None
    assert report["stdout"] == f"{dump.location}\n"
    assert dump.location.endswith(f"{dump.head.id}{suffix}")
    assert dump.head.tool.name == tool
    assert dump.head.error is not None
    assert (dump.head.error.type, dump.head.error.message) == ("KeyError", "'CHF'")
    assert dump.head.process.pid == report["pid"]
    assert dump.head.attributes == {"error": "'CHF'", "order": "1005", "token": "[redacted]"}
    assert dump.head.faulted_threads == (report["threads"]["MainThread"],)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(SystemExit):
        run_cli(["list", "--folder", str(folder)])
    assert f"  [{tool}, " in capsys.readouterr().out


def test_pyspy_shows_threads_and_variables(folder: Path) -> None:
    """The frames of the faulted thread and of the others are there, the faulted one first."""
    report = run(folder, "PySpyTracer")
    dump = only_dump(folder)
    threads = pyspy_threads(Path(dump.location).read_bytes(), dump.head.faulted_threads)

    main, worker = threads
    assert (main.name, main.faulted, main.tid) == ("MainThread", True, report["pid"])
    assert (worker.name, worker.tid) == ("work-0", report["threads"]["work-0"])
    (checkout,) = [frame for frame in main.frames if frame.function == "checkout"]
    shown = {each.name: each.value for each in checkout.locals}
    assert shown["order"] == "1005"
    assert shown["api_key"] == "[redacted]"
    assert shown["copied"] == '"[redacted] is what the gateway got"'
    (work,) = [frame for frame in worker.frames if frame.function == "work"]
    shown = {each.name: each.value for each in work.locals}
    assert shown == {"password": "[redacted]", "name": '"bob-0"', "greeting": '"hello bob-0"'}


def test_pystack_shows_threads_and_variables(folder: Path) -> None:
    """The text has both threads, their frames and variables, and no secret."""
    report = run(folder, "PystackTracer")
    text = Path(only_dump(folder).location).read_text()

    assert {f"thread {tid} " in text for tid in report["threads"].values()} == {True}
    assert 'greeting: "hello bob-0"' in text
    assert "in checkout" in text
    assert "order: 1005" in text
    assert "password: [redacted]" in text
    assert "hunter2" not in text
    assert "ABCDEF" not in text


def test_a_core_is_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is a core of the program in which gdb finds its threads, as show says."""
    report = run(folder, "GcoreTracer")
    dump = only_dump(folder)
    with pytest.raises(SystemExit):
        run_cli(["show", "--folder", str(folder)])
    (command,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("  gdb ")]
    program, core = command.split()[2:]
    gdb = ["gdb", "--nx", "--batch", "-ex", "info threads", program, core]
    opened = subprocess.run(gdb, capture_output=True, check=True).stdout.decode()

    assert core == dump.location
    assert {f"LWP {tid}" in opened for tid in report["threads"].values()} == {True}


@pytest.mark.parametrize("how", ["detach", "hook"])
@pytest.mark.parametrize("tracer", PRINTING)
def test_in_the_background_and_in_a_hook(folder: Path, tracer: str, how: str) -> None:
    """A detached trace and that of an integration leave a whole dump too."""
    run(folder, tracer, how=how)
    assert only_dump(folder).head.error is not None


@pytest.mark.parametrize("tracer", PRINTING)
def test_only_the_caller(folder: Path, tracer: str) -> None:
    """``caller_only`` leaves out the other threads (rule 7)."""
    run(folder, tracer, options={"caller_only": True})
    content = Path(only_dump(folder).location).read_text()
    assert "checkout" in content
    assert "greeting" not in content


def test_options_of_the_tool_reach_it(folder: Path) -> None:
    """What is added with ``add_options`` is the tool's, and a complaint of it is passed on."""
    report = run(folder, "PySpyTracer", added=["--no-such-option"])
    assert report["kind"] == "ExitError"
    assert "exited with status 2" in report["error"]
    assert "--no-such-option" in report["error"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("tracer", PRINTING)
def test_settings_of_the_tool(folder: Path, tracer: str) -> None:
    """Frames of C, and looking without holding the process, work with the real tools."""
    run(folder, tracer, settings={"native": True})
    assert "libc" in Path(only_dump(folder).location).read_text()
    run(folder, tracer, settings={"nonblocking": True})
    assert len(FolderStore(str(folder)).listing().dumps) == 2


@pytest.mark.parametrize("tracer", TOOLS)
def test_a_refused_ptrace_is_named(folder: Path, tracer: str) -> None:
    """In a sandbox without ptrace the error says so and what to do; nothing is left."""
    report = run(folder, tracer, refuse=["ptrace", "process_vm_readv"])
    assert report["kind"] == "ExitError"
    assert "not permitted" in report["error"]
    assert "allow ptrace by kernel.yama.ptrace_scope" in report["error"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("tracer", TOOLS)
def test_a_folder_that_is_not_ours(folder: Path, tmp_path: Path, tracer: str) -> None:
    """A symbolic link in the place of the folder is refused, and nothing is written behind it."""
    (tmp_path / "aim").mkdir()
    folder.symlink_to(tmp_path / "aim")
    assert "it is a symbolic link" in run(folder, tracer)["error"]
    assert list((tmp_path / "aim").iterdir()) == []


@as_root
def test_the_folder_of_another_user(folder: Path) -> None:
    """What belongs to another user is refused."""
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    assert "belongs to user 65534" in run(folder, "PySpyTracer")["error"]


@as_root
@pytest.mark.parametrize("tracer", TOOLS)
def test_a_full_disk(folder: Path, tracer: str) -> None:
    """Without room nothing is written, and the error says how much there is."""
    folder.mkdir()
    options = "size=1m,mode=700" if tracer != "GcoreTracer" else "size=16m,mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted")
    try:
        assert "bytes are free" in run(folder, tracer)["error"]
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def script(path: Path, text: str) -> str:
    """A tool of our own."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize("tracer", TOOLS)
def test_a_timeout_ends_the_tool(folder: Path, tmp_path: Path, tracer: str) -> None:
    """The tool dies with bcd's program (rule 17), and of its work nothing is left."""
    noted = tmp_path / "pid"
    hanging = script(
        tmp_path / "hanging",
        f'[ "$1" = -o ] && echo half >"$2.$3"; echo half; echo $$ >{noted}; exec sleep 600',
    )
    report = run(folder, tracer, settings={"program": hanging, "timeout": 2.0})
    assert report["kind"] == "ExecutionTimeout"
    assert report["seconds"] < 20
    tool = int(noted.read_text())
    assert not psutil.pid_exists(tool) or psutil.Process(tool).status() == psutil.STATUS_ZOMBIE
    until = time.monotonic() + 20  # who cleans up is not waited for
    while list(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    assert list(folder.iterdir()) == []


def test_a_process_is_not_left_stopped(folder: Path, tmp_path: Path) -> None:
    """A tool that is killed after it has stopped the process does not leave it so."""
    stopping = script(tmp_path / "stopping", 'for pid; do :; done; kill -STOP "$pid"; kill -9 $$')
    report = run(folder, "PystackTracer", settings={"program": stopping})
    assert "was ended by signal 9" in report["error"]


def test_a_process_is_not_left_stopped_by_a_timeout(folder: Path, tmp_path: Path) -> None:
    """Nor is one whose tool was killed together with bcd's program."""
    both = script(tmp_path / "both", 'for pid; do :; done; kill -STOP "$pid"; kill -9 0')
    report = run(folder, "PystackTracer", settings={"program": both})
    assert "was ended by signal 9 (SIGKILL)" in report["error"]


def test_a_tool_that_does_not_let_go(folder: Path, tmp_path: Path) -> None:
    """A process that a hanging tool holds is freed from outside, for it cannot free itself."""
    holding = script(tmp_path / "holding", 'for pid; do :; done; kill -STOP "$pid"; sleep 600')
    report = run(folder, "PystackTracer", settings={"program": holding, "timeout": 0.5})
    assert report["error"] is not None
    assert report["seconds"] < 20


@pytest.mark.parametrize("tracer", TOOLS)
def test_the_oldest_go_first(folder: Path, tracer: str) -> None:
    """Of one tool so many dumps are kept as are asked for; snapshots and others stay."""
    folder.mkdir(mode=0o700)
    others = [f"{new_id()}.bcd.json", f"{new_id()}.other.json"]
    for name in others:
        (folder / name).write_text("{}")
    ids = []
    for _ in range(3):
        run(folder, tracer, settings={"files": 2})
        ids.append(FolderStore(str(folder)).listing().dumps[0].head.id)
    kept = {path.name[:26] for path in folder.iterdir() if path.name not in others}
    assert kept == {*ids[1:]}
    assert {*others} <= {path.name for path in folder.iterdir()}


def test_a_snapshot_does_not_remove_dumps(folder: Path) -> None:
    """The bounds of the snapshots are theirs alone."""
    run(folder, "PySpyTracer")
    for _ in range(2):
        limits = {"snapshots": 1, "folder_bytes": 1}
        run(folder, "PythonTracer", settings={"limits": limits})
    listing = FolderStore(str(folder)).listing()
    assert (len(listing.entries), len(listing.dumps)) == (1, 1)


def test_remains_of_the_dead_are_removed(folder: Path) -> None:
    """Half a core and an output without a head go after an hour, and not before."""
    folder.mkdir(mode=0o700)
    old = [f".{new_id()}.77", f"{new_id()}.pyspy.json"]
    new = [f".{new_id()}.77", f"{new_id()}.pyspy.json"]
    for name in (*old, *new):
        (folder / name).write_text("half")
    for name in old:
        os.utime(folder / name, (time.time() - 4000,) * 2)
    run(folder, "PySpyTracer")
    names = {path.name for path in folder.iterdir()}
    assert names.isdisjoint(old)
    assert names >= {*new}
