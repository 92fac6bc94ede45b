"""What ``bcd doctor`` finds: each check with what it may meet, some of it faked."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcd.doctor import check, kernel, limits, trials
from bcd.doctor.check import failed, ok, run_checks, warned
from bcd.doctor.folder import check_folder
from bcd.doctor.process import check_process
from bcd.tracers import set_default_tracer
from bcd.tracers.backtrace import BTTracer

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[3]
PROGRAM = "from bcd.cli import main; main()"
SANDBOXED = (
    f"import sys; sys.path.append({str(REPOSITORY / 'tests' / 'targets' / 'freeze')!r})\n"
    "import seccomp; seccomp.install({refused!r})\n" + PROGRAM
)

by_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def doctor(*arguments: str, code: str = PROGRAM) -> tuple[int, dict[str, dict[str, str]]]:
    """Run the program; its exit status and each check by name."""
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--json", *arguments],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == b""
    answer = json.loads(done.stdout)
    assert (done.returncode == 0) == answer["works"]
    return done.returncode, {each["name"]: each for each in answer["checks"]}


class TestProgram:
    def test_here_snapshots_work(self, tmp_path: Path) -> None:
        """Where the tests run nothing fails: a snapshot was really taken, and kept nowhere."""
        status, checks = doctor("--folder", str(tmp_path / "kept"))
        assert status == 0
        assert checks["own process"]["status"] == "ok"
        assert "frozen copy" in checks["own process"]["words"]
        assert checks["folder"]["words"].startswith(f"{tmp_path}/kept will be made")
        assert checks["tracer"]["words"] == f"PythonTracer runs {sys.executable}"
        assert list(tmp_path.iterdir()) == []
        assert list(checks)[:2] == ["python", "/proc"]

    def test_a_person_reads_a_verdict(self, tmp_path: Path) -> None:
        """Each line has a word of status; what to do stands below; the end says what counts."""
        (tmp_path / "link").symlink_to(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "doctor", "--folder", tmp_path / "link"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        lines = done.stdout.splitlines()
        assert done.returncode == 1
        assert lines[-1] == "Snapshots will not work: folder"
        at = next(index for index, line in enumerate(lines) if line.startswith("fail"))
        assert "is a symbolic link" in lines[at]
        assert lines[at + 1].strip().startswith("→ name another with BCD_DIR")

    def test_a_sandbox_that_refuses_the_copy(self) -> None:
        """Without clone a snapshot is taken all the same, and how is a warning."""
        status, checks = doctor(code=SANDBOXED.format(refused=["copy"]))
        assert status == 0
        assert checks["own process"]["status"] == "warn"
        assert "in mode gil-held" in checks["own process"]["words"]
        assert checks["seccomp"]["words"].startswith("a filter is in force")

    def test_a_sandbox_that_refuses_ptrace(self) -> None:
        """Without ptrace only looking from outside is worse."""
        status, checks = doctor(code=SANDBOXED.format(refused=["ptrace"]))
        assert (status, checks["own process"]["status"]) == (0, "ok")
        assert checks["bcd dump"]["status"] == "warn"
        assert "but not held" in checks["bcd dump"]["words"]

    def test_a_process(self) -> None:
        """A process is read as it runs, and what would happen to it is said."""
        code = "import sys, bcd; print(flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            _, checks = doctor(str(other.pid))
            other.communicate(b"")
        found = checks[f"process {other.pid}"]
        assert found["status"] == "ok"
        assert "1 threads, 0 asyncio tasks" in found["words"]
        assert checks["bcd in it"]["words"].startswith("has bcd ")
        assert checks["mode"]["status"] in ("ok", "warn")

    def test_no_such_process(self) -> None:
        """A process that cannot be read is a failure, with the reason that a dump would give."""
        status, checks = doctor("4194000")
        assert status == 1
        assert checks["process 4194000"]["words"].startswith("there is no process 4194000")


class TestFolder:
    def test_one_that_will_do(self, tmp_path: Path) -> None:
        """A private folder is fine, and so is one that can be made."""
        tmp_path.chmod(0o700)
        assert check_folder(str(tmp_path)).status == "ok"
        assert check_folder(str(tmp_path / "a" / "b")).status == "ok"
        assert not (tmp_path / "a").exists()

    def test_a_link_or_a_file(self, tmp_path: Path) -> None:
        """Neither is a folder that snapshots are kept in."""
        (tmp_path / "link").symlink_to(tmp_path)
        (tmp_path / "file").touch()
        assert "symbolic link" in check_folder(str(tmp_path / "link")).words
        assert "is no folder" in check_folder(str(tmp_path / "file")).words
        assert check_folder(str(tmp_path / "file" / "in")).status == "fail"

    @by_root
    def test_one_of_another_user(self, tmp_path: Path) -> None:
        """Who owns it and who this is are both said."""
        os.chown(tmp_path, 65534, 65534)
        found = check_folder(str(tmp_path))
        assert found.status == "fail"
        assert f"belongs to user 65534, and this is user {os.getuid()}" in found.words

    def test_one_that_others_may_read(self, tmp_path: Path) -> None:
        """A mode that is too wide is a warning, with the command that repairs it."""
        tmp_path.chmod(0o755)
        found = check_folder(str(tmp_path))
        assert (found.status, found.remedy) == ("warn", f"chmod 700 {tmp_path}")

    @by_root
    def test_a_disk_that_is_full(self, tmp_path: Path) -> None:
        """Too little space is a failure before the first snapshot is lost to it."""
        script = (
            f"mount -t tmpfs -o size=64k,mode=0700 none '{tmp_path}'; exec '{sys.executable}' -c"
            f" 'from bcd.doctor.folder import check_folder; print(check_folder(\"{tmp_path}\"))'"
        )
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", script], capture_output=True, text=True, check=True
        )
        assert "status='fail'" in done.stdout
        assert "free or enlarge it" in done.stdout


class TestKernel:
    @pytest.mark.parametrize(
        ("scope", "user", "status"),
        [
            (0, "nobody", "ok"),
            (1, "nobody", "warn"),
            (1, "root", "ok"),
            (2, "root", "ok"),
            (3, "root", "warn"),
        ],
    )
    def test_yama(
        self,
        monkeypatch: pytest.MonkeyPatch,
        scope: int,
        user: str,
        status: str,
    ) -> None:
        """What Yama restricts is a warning, save for those that it lets pass."""
        monkeypatch.setattr(kernel, "has_capability", lambda: user == "root")
        assert kernel.check_yama(scope).status == status

    def test_no_yama(self, tmp_path: Path) -> None:
        """A kernel without Yama restricts nothing."""
        assert kernel.yama_scope(tmp_path / "none") == 0
        (tmp_path / "scope").write_text("2\n")
        assert kernel.yama_scope(tmp_path / "scope") == 2

    @pytest.mark.parametrize(
        ("options", "status"), [("rw,hidepid=invisible", "warn"), ("rw,hidepid=0", "ok")]
    )
    def test_hidden_processes(self, tmp_path: Path, options: str, status: str) -> None:
        """A /proc that hides what others run is a warning."""
        (tmp_path / "self").mkdir()
        (tmp_path / "self" / "status").touch()
        (tmp_path / "self" / "mounts").write_text(f"proc /proc proc {options} 0 0\n")
        assert kernel.check_proc(tmp_path).status == status

    def test_no_proc(self, tmp_path: Path) -> None:
        """Without /proc there is nothing to read processes through."""
        assert kernel.check_proc(tmp_path).status == "fail"

    @by_root
    def test_an_unprivileged_user(self) -> None:
        """A user without the capability is told what that means, and that it is no harm."""
        code = f"import sys; sys.path.append({str(REPOSITORY)!r})\n"
        code += "import os\nfrom bcd.doctor import kernel\nos.setuid(65534)\n"
        code += "print(kernel.check_capability())"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert "status='warn', words='user 65534, without" in done.stdout


class TestLimits:
    @pytest.mark.parametrize("name", ["RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS"])
    def test_a_limit_that_is_low(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """A limit that leaves no room for a tracer is named, with what raises it."""
        low = getattr(resource, name)
        endless = resource.RLIM_INFINITY
        monkeypatch.setattr(
            resource, "getrlimit", lambda which: (10 if which == low else endless, endless)
        )
        found = limits.check_limits()
        assert found.status == "warn"
        assert found.words.startswith(f"{name} is 10: ")
        assert "ulimit -" in found.remedy

    @pytest.mark.parametrize(("value", "status"), [("0", "ok"), ("1", "ok"), ("2", "warn")])
    def test_overcommit(self, tmp_path: Path, value: str, status: str) -> None:
        """A kernel that never gives out more than it has may refuse the copy."""
        (tmp_path / "overcommit").write_text(f"{value}\n")
        assert limits.check_overcommit(tmp_path / "overcommit").status == status

    @pytest.mark.parametrize(
        ("most", "used", "status"),
        [("max", 1 << 30, "ok"), (1 << 30, 1 << 20, "ok"), (1 << 30, (1 << 30) - 9, "warn")],
    )
    def test_control_group(self, tmp_path: Path, most: object, used: int, status: str) -> None:
        """A container that is nearly full is a warning."""
        (tmp_path / "memory.max").write_text(f"{most}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        assert limits.check_control_group(tmp_path).status == status
        assert limits.check_control_group(tmp_path / "none").status == "ok"


class TestTrials:
    def test_an_interpreter_that_is_not_supported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where bcd cannot read memory, the reason is that which a trace would give."""
        monkeypatch.setattr("bcd._linux.unavailable", lambda: "this is a toaster")
        assert trials.check_python().status == "fail"
        found = trials.check_own()
        assert (found.status, "this is a toaster" in found.words) == ("fail", True)

    def test_a_tracer_that_is_not_installed(self) -> None:
        """A program that is missing is named."""
        set_default_tracer(BTTracer(path="/no/ptrace"))
        try:
            found = trials.check_tracer()
        finally:
            set_default_tracer(None)
        assert found.status == "fail"
        assert "/no/ptrace, which is not there" in found.words

    def test_a_process_that_is_no_python(self) -> None:
        """It is said why not, and nothing else."""
        with subprocess.Popen(["sleep", "60"]) as other:
            (found,) = check_process(other.pid)
            other.kill()
        assert (found.status, "which is no CPython" in found.words) == ("fail", True)


def test_a_check_that_cannot_be_made() -> None:
    """It is a warning and stops no other."""

    def broken() -> check.Check:
        raise PermissionError(13, "Permission denied", "/proc/nothing")

    first, second = run_checks([("one", broken), ("two", lambda: ok("two", "well"))])
    assert (first.name, first.status) == ("one", "warn")
    assert "/proc/nothing" in first.words
    assert second == ok("two", "well")


@pytest.mark.parametrize("make", [warned, failed])
def test_what_is_not_well_has_a_remedy(make: Callable[[str, str, str], check.Check]) -> None:
    """Whoever says what is wrong says what to do."""
    assert make("name", "words", "do this").remedy == "do this"
