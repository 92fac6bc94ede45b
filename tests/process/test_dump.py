"""``bcd dump``: processes that did not ask, read by their own interpreter."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.process.conftest import REPOSITORY, load

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = REPOSITORY / "tests" / "targets"
SERVICE = TARGETS / "dump" / "service.py"
HOLDER = TARGETS / "dump" / "holder.py"
PROGRAM = REPOSITORY / "bcd" / "ptrace" / "__main__.py"
BCD = [sys.executable, "-c", "from bcd.cli import main; main()"]
SANDBOXED = (  # the program bcd, where no ptrace is allowed
    f"import sys; sys.path[:0] = [{str(TARGETS / 'freeze')!r}]; import seccomp;"
    " seccomp.install(['ptrace']); from bcd.cli import main; main()"
)

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="Yama may forbid others to attach")


class Service:
    """A running program that can be asked whether it goes on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        assert self._line() == "ready"

    def answers(self) -> bool:
        """Whether it hears and answers a line."""
        assert self._process.stdin is not None
        print("hello", file=self._process.stdin, flush=True)
        return self._line() == "heard hello"

    def states(self) -> set[str]:
        """The letters of the states of its threads, as the kernel has them."""
        found = set()
        for entry in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add((entry / "stat").read_text().rpartition(")")[2].split()[0])
        return found

    def tracers(self) -> set[str]:
        """The processes that are attached to its threads; "0" for none."""
        lines = [
            line
            for entry in Path(f"/proc/{self.pid}/task").iterdir()
            for line in (entry / "status").read_text().splitlines()
        ]
        return {line.split()[1] for line in lines if line.startswith("TracerPid:")}

    def _line(self) -> str:
        output: IO[str] | None = self._process.stdout
        assert output is not None
        return output.readline().strip()


@contextlib.contextmanager
def running(interpreter: str, *before: str) -> Iterator[Service]:
    """The service under an interpreter; it is gone afterwards."""
    with subprocess.Popen(
        [*before, interpreter, SERVICE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Service(process)
        finally:
            process.kill()


@pytest.fixture
def service(interpreter: str) -> Iterator[Service]:
    """The service under each interpreter."""
    with running(interpreter) as found:
        yield found


@pytest.fixture
def own_service() -> Iterator[Service]:
    """The service under the interpreter of the tests."""
    with running(sys.executable) as found:
        yield found


@contextlib.contextmanager
def held(service: Service) -> Iterator[subprocess.Popen[str]]:
    """The threads of the service stand still meanwhile."""
    with subprocess.Popen(
        [sys.executable, HOLDER, REPOSITORY, str(service.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder


def dump(
    folder: Path, pid: int, *options: str, bcd: list[str] = BCD
) -> subprocess.CompletedProcess[str]:
    """Run ``bcd dump`` to its end."""
    command = [*bcd, "dump", str(pid), "--folder", str(folder / "kept"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def snapshot_of(folder: Path, pid: int, *options: str, bcd: list[str] = BCD) -> dict[str, Any]:
    """What ``bcd dump --json`` prints, which is what it keeps."""
    done = dump(folder, pid, "--json", *options, bcd=bcd)
    assert done.returncode == 0, done.stderr
    words, _, path = done.stderr.rstrip("\n").rpartition(" ")
    assert words == "bcd: kept as"
    printed: dict[str, Any] = json.loads(done.stdout)
    assert printed == load(path)
    return printed


def check_whole(snapshot: dict[str, Any]) -> None:
    """The threads and tasks of the service are there with their variables, but no secret."""
    names = {thread["name"]: thread for thread in snapshot["threads"]}
    assert {"MainThread", "worker"} < set(names)
    works = names["worker"]["frames"][-1]
    assert (works["function"], works["file"]) == ("works", str(SERVICE))
    assert works["line"] in (12, 13, 14)
    assert snapshot["sources"][str(SERVICE)]["13"] == "    while True:"
    variables = {entry["name"]: entry["value"] for entry in works["locals"]}
    assert variables.pop("turns").isdigit()
    assert variables == {"card_token": "[redacted]"}
    assert {task["name"] for task in snapshot["tasks"]} == {"Task-1", *WAITING}
    assert "tok_verysecret" not in json.dumps(snapshot)
    assert (snapshot["exception"], snapshot["reason"]["kind"]) == (None, "dump")


WAITING = ("waits-0", "waits-1", "waits-2")


def test_a_process_without_bcd_stands_still_and_goes_on(service: Service, tmp_path: Path) -> None:
    """Each interpreter reads its like; the process was held for the time of the reading."""
    snapshot = snapshot_of(tmp_path, service.pid)

    check_whole(snapshot)
    tracer = snapshot["tracer"]
    assert (tracer["mode"], snapshot["notes"]) == ("attached", [])
    assert tracer["blocked_ms"] >= tracer["read_ms"] > 0
    assert sum(thread["gil"] for thread in snapshot["threads"]) <= 1
    assert service.tracers() == {"0"}
    assert service.answers()


def test_it_is_shown_to_a_person(own_service: Service, tmp_path: Path) -> None:
    """Without --json it looks as ``bcd show`` shows it, and where it is kept is said aside."""
    done = dump(tmp_path, own_service.pid)

    assert done.returncode == 0
    assert done.stdout.startswith("a snapshot from outside\n")
    assert "attached to the process, which stood still meanwhile" in done.stdout
    assert done.stderr.startswith(f"bcd: kept as {tmp_path}/kept/")


def test_a_process_need_not_be_held(own_service: Service, tmp_path: Path) -> None:
    """With --no-pause it is read while it runs, and the snapshot says so."""
    snapshot = snapshot_of(tmp_path, own_service.pid, "--no-pause")

    check_whole(snapshot)
    assert snapshot["tracer"]["mode"] == "unpaused"
    assert snapshot["tracer"]["blocked_ms"] is None


def test_without_ptrace_it_is_read_unpaused(service: Service, tmp_path: Path) -> None:
    """Where a sandbox refuses ptrace, it is read all the same, with a note on what to do."""
    snapshot = snapshot_of(tmp_path, service.pid, bcd=[sys.executable, "-c", SANDBOXED])

    check_whole(snapshot)
    assert snapshot["tracer"]["mode"] == "unpaused"
    assert "ptrace: Operation not permitted; to have it held, run" in snapshot["notes"][0]


def test_a_process_that_a_debugger_holds(own_service: Service, tmp_path: Path) -> None:
    """Two cannot attach at once: it is read as it stands, and who holds it is named."""
    with held(own_service) as holder:
        assert own_service.states() == {"t"}
        (tracer,) = own_service.tracers()
        snapshot = snapshot_of(tmp_path, own_service.pid)
        holder.communicate("")
    assert f"process {tracer} is attached to it already" in snapshot["notes"][0]
    assert own_service.answers()


def test_a_signal_that_arrives_meanwhile_is_not_lost(own_service: Service) -> None:
    """What is sent to a process that stands still reaches it when it goes on."""
    with held(own_service) as holder:
        os.kill(own_service.pid, signal.SIGTERM)
        time.sleep(0.01)  # no harm if it is too short: the signal then comes a little later
        assert "Z" not in own_service.states()
        holder.communicate("")
    assert os.waitid(os.P_PID, own_service.pid, os.WEXITED | os.WNOWAIT).si_status == signal.SIGTERM


def test_a_process_that_was_stopped_stays_stopped(own_service: Service, tmp_path: Path) -> None:
    """Somebody's SIGSTOP is not undone; the process goes on when they say so."""
    os.kill(own_service.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, own_service.pid, os.WSTOPPED)
    snapshot = snapshot_of(tmp_path, own_service.pid)

    assert snapshot["tracer"]["mode"] == "attached"
    assert own_service.states() == {"T"}
    os.kill(own_service.pid, signal.SIGCONT)
    assert own_service.answers()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_tracer_that_dies_lets_the_process_go_on(
    own_service: Service, tmp_path: Path, number: int
) -> None:
    """Killed at random moments, it never leaves a thread stopped, nor half a file."""
    command = [sys.executable, "-I", "-S", PROGRAM, "--faulted", str(own_service.pid)]
    rounds = attached = 0
    while rounds < 25 or attached < 3:
        assert rounds < 500, "some of the moments have to be those in which the process is held"
        tracer = subprocess.Popen(
            [*command, "--output", tmp_path / "kept"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(0.02, 0.06))  # noqa: S311 - any moment will do
        rounds += 1
        attached += own_service.tracers() != {"0"}
        tracer.send_signal(number)
        tracer.wait()
        ends = time.monotonic() + 3  # sooner than the process that holds it ends by itself
        while own_service.tracers() != {"0"}:
            assert time.monotonic() < ends, "somebody is attached still"
        assert not own_service.states() & {"t", "T"}
        assert own_service.answers()
    for file in (tmp_path / "kept").glob("*.bcd.json*"):
        load(file)


def test_a_tracer_that_hangs_lets_the_process_go_on(own_service: Service) -> None:
    """The child that holds the process ends by itself, whatever its parent does."""
    source = (
        f"import sys, time; sys.path.append({str(REPOSITORY)!r})\n"
        "from bcd.ptrace.attach import Hold\n"
        f"hold = Hold({own_service.pid}, 0.2)\n"
        "print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as hanging:
        assert hanging.stdout is not None
        hanging.stdout.readline()
        assert own_service.answers()
        hanging.kill()


def test_the_process_ends_while_it_is_held(own_service: Service) -> None:
    """The kernel's killer waits for nobody, and the tracer neither hangs nor fails."""
    with held(own_service) as holder:
        os.kill(own_service.pid, signal.SIGKILL)
        output, _ = holder.communicate("")
    assert holder.returncode == 0
    assert float(output) > 0


def test_a_process_in_a_container(interpreter: str, tmp_path: Path) -> None:
    """Of other process ids, mounts and root, it is read by its own interpreter and sources."""
    prefix = Path(interpreter).resolve().parents[1]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = (
        f"mount --bind '{prefix}' '{elsewhere}'; mount -t proc proc /proc;"
        f" export LD_LIBRARY_PATH='{elsewhere}/lib';"
        f" exec '{elsewhere}/bin/{Path(interpreter).name}' '{SERVICE}'"
    )
    with subprocess.Popen(
        ["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-ec", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        (inner,) = map(
            int, Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        )
        snapshot = snapshot_of(tmp_path, inner)
        outer.kill()
    check_whole(snapshot)
    assert snapshot["tracer"]["mode"] == "attached"
    assert snapshot["process"]["pid"] == inner
    assert min(thread["tid"] for thread in snapshot["threads"]) == 1, "as it counts itself"
    assert not any(elsewhere.iterdir()), "the interpreter is to be in the container alone"


def test_an_interpreter_that_was_replaced(interpreter: str, tmp_path: Path) -> None:
    """After an upgrade the process still runs the file that was removed; so does its tracer."""
    prefix = Path(interpreter).resolve().parents[1]
    copied = tmp_path / "prefix" / "bin" / Path(interpreter).name
    copied.parent.mkdir(parents=True)
    shutil.copy(interpreter, copied)
    (tmp_path / "prefix" / "lib").symlink_to(prefix / "lib")
    with running(str(copied)) as service:
        copied.unlink()
        snapshot = snapshot_of(tmp_path, service.pid)
        check_whole(snapshot)
        assert snapshot["process"]["executable"].endswith(" (deleted)")
        assert service.answers()


AS_NOBODY = """
import subprocess, sys
service = subprocess.Popen(
    [sys.executable, sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
service.stdout.readline()
command = [sys.executable, "-c", "from bcd.cli import main; main()", "dump", "--json", "--folder"]
for pid in (service.pid, 1):
    done = subprocess.run([*command, sys.argv[2], str(pid)], capture_output=True, text=True)
    print(done.stdout or "null")
    print(done.stderr, file=sys.stderr)
service.kill()
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach and write to, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="bcd-dump-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def test_as_an_unprivileged_user(open_folder: Path) -> None:
    """One's own processes can be dumped without privileges, those of others not."""
    folder = open_folder
    prefix = Path(sys.executable).resolve().parents[1]
    packages = Path(jsonschema.__file__).parents[1]
    places = {"python": prefix, "source": REPOSITORY, "packages": packages}
    mounts = [f"mount --bind '{place}' '{folder / name}'" for name, place in places.items()]
    for name in places:
        (folder / name).mkdir()
    start = (
        "cd /; exec setpriv --reuid 65534 --regid 65534 --clear-groups --"
        f" '{folder}/python/bin/{Path(sys.executable).resolve().name}' -c '{AS_NOBODY}'"
        f" '{folder}/source/{SERVICE.relative_to(REPOSITORY)}' '{folder}/kept'"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", "\n".join([*mounts, start])],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}/source:{folder}/packages",
            "LD_LIBRARY_PATH": f"{folder}/python/lib",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    decoder = json.JSONDecoder()
    own, end = decoder.raw_decode(done.stdout)
    foreign = json.loads(done.stdout[end:])
    assert own["tracer"]["mode"] == "attached"
    assert own["process"]["uids"]["effective"] == 65534
    assert foreign is None
    assert "process 1 of user 0 may not be looked at" in done.stderr


class TestRefusals:
    """What cannot be read is said in one line, with what to do."""

    @pytest.mark.parametrize(
        ("pid", "said"),
        [
            (4194000, "there is no process 4194000"),
            (2, "process 2 is a thread of the kernel"),
        ],
    )
    def test_no_such_program(self, tmp_path: Path, pid: int, said: str) -> None:
        """Neither a number that nobody has nor a part of the kernel is a process of Python."""
        self.refused(tmp_path, pid, said)

    def test_a_thread(self, own_service: Service, tmp_path: Path) -> None:
        """The number of a thread leads to that of its process."""
        names = {int(entry.name) for entry in Path(f"/proc/{own_service.pid}/task").iterdir()}
        thread = max(names - {own_service.pid})
        said = f"{thread} is a thread of process {own_service.pid}; give that number"
        self.refused(tmp_path, thread, said)

    def test_no_python(self, tmp_path: Path) -> None:
        """A program of another kind is named, and never run."""
        with subprocess.Popen(["sleep", "60"]) as other:
            self.refused(tmp_path, other.pid, f"process {other.pid} runs /")
            other.kill()

    def test_a_zombie(self, tmp_path: Path) -> None:
        """Of a process that has ended there is nothing left to read."""
        with subprocess.Popen([sys.executable, "-S", "-c", ""]) as ended:
            os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
            self.refused(tmp_path, ended.pid, f"process {ended.pid} has ended")

    def test_another_interpreter(
        self, own_service: Service, interpreter: str, tmp_path: Path
    ) -> None:
        """What was learned from another binary is not applied; who runs what is said."""
        if Path(interpreter).samefile(sys.executable):
            pytest.skip("it is the same")
        said = f"process {own_service.pid} does not run /"
        self.refused(tmp_path, own_service.pid, said, "--python", interpreter)

    def test_an_interpreter_that_is_not_there(self, own_service: Service, tmp_path: Path) -> None:
        """A path that somebody mistyped is named."""
        said = "the interpreter /no/python could not be started"
        self.refused(tmp_path, own_service.pid, said, "--python", "/no/python")

    def refused(self, folder: Path, pid: int, said: str, *options: str) -> None:
        """One line says so, the status is 1, and nothing is left."""
        done = dump(folder, pid, *options)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"bcd: {said}")
        assert list((folder / "kept").glob("*")) == []
