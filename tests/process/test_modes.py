"""The whole way from an error to a snapshot, as other users, in sandboxes, and without a copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.conftest import REPOSITORY, load

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = REPOSITORY / "tests" / "targets" / "modes" / "program.py"
DEBUGGING = "ptrace,process_vm_readv,process_vm_writev"
NOBODY = "65534"
PIDS = ("--pid", "--fork", "--mount-proc")
SPACES = {
    "container": PIDS,
    "hidden": PIDS,
    "rootless": ("--user", "--map-root-user", *PIDS),
}
PROC = {"no-proc": "tmpfs", "hidden": "proc -o hidepid=2"}
BEFORE = {"other": f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"}
"""How a program runs → its namespaces, what its /proc is, and what starts it."""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach and write to, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="bcd-modes-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def run(interpreter: str, folder: Path, user: str, refused: str, how: str = "-") -> dict[str, Any]:
    """Run the program where any user can reach its interpreter and bcd: mounted into a folder.

    The mounts are seen by the program alone and end with it.
    """
    prefix = Path(interpreter).resolve().parents[1]
    program = PROGRAM.relative_to(REPOSITORY)
    places = {"python": prefix, "source": REPOSITORY}
    for name in places:
        (folder / name).mkdir()
    mounts = [f"mount --bind '{place}' '{folder / name}'" for name, place in places.items()]
    if how in PROC:
        mounts.append(f"mount -t {PROC[how]} none /proc")
    start = (
        f"cd /; exec {BEFORE.get(how, '')} '{folder}/python/bin/{Path(interpreter).name}'"
        f" '{folder}/source/{program}' '{folder}/snapshots' {user} {refused} {how}"
    )
    done = subprocess.run(
        ["unshare", "--mount", *SPACES.get(how, ()), "sh", "-ec", "\n".join([*mounts, start])],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}/source",
            "LD_LIBRARY_PATH": f"{folder}/python/lib",  # for builds with a shared libpython
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    report["said"] = done.stderr.decode()
    return report


def check_snapshot(path: str, mode: str) -> dict[str, Any]:
    """The error, the threads and the tasks are there, and the secret is not."""
    snapshot = load(path)
    error, _cause = snapshot["exception"]["list"]
    assert (error["type"], error["message"]) == ("LookupError", "no such card")
    assert [frame["function"] for frame in error["frames"]] == ["main", *["deep"] * 5]
    innermost = {entry["name"]: entry["value"] for entry in error["frames"][-1]["locals"]}
    assert innermost == {"depth": "0", "card_token": "[redacted]", "remaining": "0"}
    assert "tok_verysecret" not in json.dumps(snapshot)
    assert [thread["name"] for thread in snapshot["threads"]] == ["MainThread", "parked"]
    tasks = {task["name"] for task in snapshot["tasks"]}
    assert tasks == {"Task-1", "waits-0", "waits-1", "waits-2"}
    assert snapshot["tracer"]["mode"] == mode
    return snapshot


def test_as_nobody_under_a_filter_against_debugging(interpreter: str, open_folder: Path) -> None:
    """Neither privileges nor ptrace are needed: the tracer inherits an open descriptor."""
    report = run(interpreter, open_folder, NOBODY, DEBUGGING)

    assert report["error"] is None
    assert (report["uid"], report["ptrace"]) == (int(NOBODY), -1), "the sandbox has to be real"
    snapshot = check_snapshot(report["path"], "frozen")
    assert snapshot["process"]["uids"]["effective"] == int(NOBODY)
    assert report["children"] == []
    path = Path(report["path"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("how", "uid"), [("-", 0), ("other", int(NOBODY)), ("rootless", 0)])
def test_as_any_user(interpreter: str, open_folder: Path, how: str, uid: int) -> None:
    """As root, as a user who never was root, and as one who is root in a user namespace alone."""
    report = run(interpreter, open_folder, "-", "-", how)

    assert (report["error"], report["said"], report["uid"]) == (None, "", uid)
    snapshot = check_snapshot(report["path"], "frozen")
    assert snapshot["process"]["uids"]["effective"] == uid
    assert report["children"] == []


def test_after_root_became_another_user(interpreter: str, open_folder: Path) -> None:
    """A process that is no longer dumpable can be read all the same (gunicorn --user)."""
    report = run(interpreter, open_folder, NOBODY, "-")

    assert report["error"] is None
    check_snapshot(report["path"], "frozen")


def test_without_a_copy_the_process_is_held(interpreter: str, open_folder: Path) -> None:
    """Where no copy can be made the tracer reads the process itself, and says so."""
    report = run(interpreter, open_folder, NOBODY, f"{DEBUGGING},copy")

    assert report["error"] is None
    snapshot = check_snapshot(report["path"], "gil-held")
    first, second, *_ = snapshot["notes"]
    assert first.startswith("The process was read in place and held meanwhile: no copy")
    assert second == "tasks: they were read while the program went on"
    assert snapshot["tracer"]["blocked_ms"] > 0
    assert report["children"] == []


def test_where_no_memory_is_lent_for_a_copy(interpreter: str, open_folder: Path) -> None:
    """As with ``vm.overcommit_memory`` 2, which is the whole machine's: the kernel says ENOMEM."""
    report = run(interpreter, open_folder, NOBODY, "copy-for-want-of-memory")

    assert (report["error"], report["said"]) == (None, "")
    snapshot = check_snapshot(report["path"], "gil-held")
    assert "(clone: Cannot allocate memory)" in snapshot["notes"][0]
    assert report["children"] == []


def test_where_no_file_opens_the_program_goes_on(interpreter: str, open_folder: Path) -> None:
    """Where not even the tracer can start, one line says what to do, and nothing else happens."""
    report = run(interpreter, open_folder, NOBODY, f"{DEBUGGING},copy,openat")

    assert "mount /proc and allow the process to open /proc/self/mem" in report["error"]
    assert report["path"] == ""
    (line,) = report["said"].splitlines()
    assert line.startswith("[bcd] ")


def check_record(path: str) -> dict[str, Any]:
    """The error is there with its cause, but no value of any variable."""
    snapshot = load(path)
    error, cause = snapshot["exception"]["list"]
    assert (error["type"], error["message"]) == ("LookupError", "no such card")
    assert (error["cause"], error["context"]) == (1, None)
    assert [frame["function"] for frame in error["frames"]] == ["main", *["deep"] * 5]
    assert {frame["in_app"] for frame in error["frames"]} == {True}
    assert not any(frame["locals"] for frame in error["frames"])
    assert (cause["type"], cause["message"]) == ("ZeroDivisionError", "division by zero")
    (thread,) = snapshot["threads"]
    assert thread["frames"][-1]["function"] == "main"
    assert thread["faulted"]
    assert snapshot["sources"][error["frames"][0]["file"]]
    assert "verysecret" not in json.dumps({**snapshot, "sources": {}})
    assert snapshot["tracer"]["mode"] == "recorded"
    return snapshot


def test_without_any_memory_the_error_is_recorded(interpreter: str, open_folder: Path) -> None:
    """Where /proc is missing, the program itself records types, texts, files and lines."""
    report = run(interpreter, open_folder, NOBODY, DEBUGGING, "no-proc")

    assert (report["error"], report["said"]) == (None, "")
    snapshot = check_record(report["path"])
    assert snapshot["notes"][0].startswith(
        "Only the error itself was recorded, without any values: the memory of this process"
    )


def test_a_record_has_the_fingerprint_of_a_snapshot(interpreter: str, open_folder: Path) -> None:
    """The same error in the same place is the same fault, however much was read of it."""
    reasons = []
    for how in ("-", "no-proc"):
        folder = open_folder / how
        folder.mkdir()
        folder.chmod(0o777)
        report = run(interpreter, folder, NOBODY, "-", how)
        reasons.append(load(report["path"])["reason"])
    assert reasons[0] == reasons[1]


def test_a_process_above_the_limit_is_held(interpreter: str, open_folder: Path) -> None:
    """What is too large to be copied is read in place, and the sizes are told."""
    report = run(interpreter, open_folder, NOBODY, "-", "large")

    assert report["error"] is None
    snapshot = check_snapshot(report["path"], "gil-held")
    assert "MiB in memory, the limit is 0 MiB" in snapshot["notes"][0]


def test_a_tracer_that_takes_too_long_does_not_hold_the_program(
    interpreter: str, open_folder: Path
) -> None:
    """After a quarter of a second the program goes on, and the snapshot says so."""
    report = run(interpreter, open_folder, NOBODY, f"{DEBUGGING},copy", "late")

    assert report["error"] is None
    snapshot = check_snapshot(report["path"], "gil-held")
    assert 250 <= snapshot["tracer"]["blocked_ms"] < 2000
    assert any(note.startswith("The program was not held until") for note in snapshot["notes"])


def test_with_no_more_address_space_than_it_has(interpreter: str, open_folder: Path) -> None:
    """Neither the copy nor the tracer needs more than RLIMIT_AS leaves to a program."""
    report = run(interpreter, open_folder, NOBODY, "-", "narrow")

    assert report["error"] is None
    check_snapshot(report["path"], "frozen")


def test_in_a_container_of_its_own(interpreter: str, open_folder: Path) -> None:
    """In a namespace with other process ids and a /proc of its own it is as anywhere."""
    report = run(interpreter, open_folder, NOBODY, "-", "container")

    assert report["error"] is None
    snapshot = check_snapshot(report["path"], "frozen")
    assert snapshot["process"]["pid"] == report["pid"] < 20
    assert snapshot["threads"][0]["tid"] == report["pid"]


@pytest.mark.parametrize("user", ["-", NOBODY])
def test_where_processes_of_others_are_hidden(
    interpreter: str, open_folder: Path, user: str
) -> None:
    """With a /proc that shows a user nobody else's processes, also after root became that user."""
    report = run(interpreter, open_folder, user, "-", "hidden")

    assert report["error"] is None
    check_snapshot(report["path"], "frozen")
    assert report["children"] == []
