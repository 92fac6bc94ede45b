"""Programs below ``bcd run``: each Python of theirs has bcd in it, and nothing else is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.polling import poll
from tests.process.ended import PROJECT, snapshots_in

if TYPE_CHECKING:
    from bcd.snapshot import Snapshot

# -I: what the environment says is for the program.
BCD = [sys.executable, "-I", "-c", "from bcd.cli import main; main()", "run", "--rate-limit", "0"]


@dataclass
class Ran:
    """How a program ended."""

    status: int
    stdout: str
    stderr: str


@dataclass
class Place:
    """A folder with a program, and what it leaves.

    Attributes:
        folder: Of the program.
        python: The interpreter that runs it.
        environ: Further variables.
    """

    folder: Path
    python: str
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the program."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def run(self, *arguments: str, bare: bool = False, options: tuple[str, ...] = ()) -> Ran:
        """Run the interpreter with arguments, with bcd in it unless ``bare``."""
        command = [self.python, *arguments]
        ended = subprocess.run(
            command if bare else [*BCD, *options, "--", *command],
            cwd=self.folder,
            env={**os.environ, "BCD_DIR": str(self._kept), **self.environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    @property
    def _kept(self) -> Path:
        return self.folder / "snapshots"

    def snapshots(self, count: int) -> list[Snapshot]:
        """Wait for that many snapshots, oldest first."""
        poll(lambda: len([*self._kept.glob("[!.]*")]) >= count, f"snapshot {count}")
        return snapshots_in(self._kept)


@pytest.fixture
def place(tmp_path: Path, interpreter: str) -> Place:
    """A place under one Python after the other; bcd is installed in none but that of the tests."""
    return Place(tmp_path, interpreter)


FAILING = """
    import sys
    def fail(order):
        raise LookupError(f"no order {order}")
    print(*sys.argv, __name__, "sitecustomize" in sys.modules)
    fail(5)
"""


@pytest.mark.parametrize(
    "arguments", [("app.py", "a", "-b"), ("-m", "app", "a"), ("-uB", "app.py")]
)
def test_a_program(place: Place, arguments: tuple[str, ...]) -> None:
    """What it prints and how it ends is as ever, and its error is traced."""
    place.write("app.py", FAILING)
    ran, bare = place.run(*arguments), place.run(*arguments, bare=True)
    assert (ran.status, ran.stderr) == (bare.status, bare.stderr) == (1, bare.stderr)
    # Debian's own Pythons have a sitecustomize anyhow.
    assert ran.stdout.split()[:-1] == bare.stdout.split()[:-1]
    (snapshot,) = place.snapshots(1)
    assert snapshot.exception is not None
    error = snapshot.exception.list[snapshot.exception.root]
    assert [local.name for local in error.frames[-1].locals] == ["order"]


def test_its_path_is_as_ever(place: Place) -> None:
    """Neither the folder of bcd's start nor that of bcd is in it."""
    place.write("app.py", "import sys; print(sys.path, sys.argv, sys.flags)")
    place.environ["PYTHONPATH"] = f"{place.folder}/lib"
    assert place.run("app.py") == place.run("app.py", bare=True)


def test_children(place: Place) -> None:
    """Processes that it starts by any way have bcd in them too."""
    place.write("child.py", "raise LookupError('started')")
    place.write(
        "app.py",
        """
        import multiprocessing, subprocess, sys
        def fail(method):
            raise LookupError(method)
        if __name__ == "__main__":
            subprocess.run([sys.executable, "child.py"])
            for method in ("fork", "spawn", "forkserver"):
                child = multiprocessing.get_context(method).Process(target=fail, args=(method,))
                child.start()
                child.join()
                print(child.exitcode)
        """,
    )
    ran = place.run("app.py")
    assert (ran.status, ran.stdout) == (0, "1\n1\n1\n")
    assert "[bcd]" not in ran.stderr
    said = [snapshot.attributes["exception.message"] for snapshot in place.snapshots(4)]
    assert sorted(said) == ["fork", "forkserver", "spawn", "started"]


class TestSitecustomize:
    """The real one is found and does its work."""

    def test_runs_first(self, place: Place) -> None:
        """It sees the path as ever, and may say how bcd is set up."""
        place.write(
            "lib/sitecustomize.py",
            """
            import os, sys
            os.environ["BCD_SERVICE"] = "set by " + __name__
            sys.path.append("/added")
            print("path", [path for path in sys.path if "autostart" in path], "bcd" in sys.modules)
            """,
        )
        place.write(
            "app.py",
            """
            import sitecustomize, sys
            print(sitecustomize.__file__, "/added" in sys.path)
            raise LookupError
            """,
        )
        place.environ["PYTHONPATH"] = "lib"
        ran, bare = place.run("app.py"), place.run("app.py", bare=True)
        assert ran.stdout == bare.stdout
        assert bare.stdout.splitlines()[1].endswith("lib/sitecustomize.py True")
        (snapshot,) = place.snapshots(1)
        assert snapshot.attributes["service.name"] == "set by sitecustomize"

    @pytest.mark.parametrize(
        "failing", ["1 / 0", "import no_such_module", "raise ImportError('x')", "def"]
    )
    def test_that_fails(self, place: Place, failing: str) -> None:
        """Python says so as ever, and bcd is there all the same."""
        place.write("lib/sitecustomize.py", failing)
        place.write("app.py", "raise LookupError")
        place.environ["PYTHONPATH"] = "lib"
        ran, bare = place.run("app.py"), place.run("app.py", bare=True)
        assert ran == bare
        assert "sitecustomize" in bare.stderr
        assert len(place.snapshots(1)) == 1

    def test_that_ends_the_program(self, place: Place) -> None:
        """Is obeyed."""
        place.write("lib/sitecustomize.py", "raise SystemExit(7)")
        place.write("app.py", "print('never')")
        place.environ["PYTHONPATH"] = "lib"
        ran, bare = place.run("app.py"), place.run("app.py", bare=True)
        assert (ran.status, ran.stdout) == (bare.status, bare.stdout)
        assert "\nSystemExit: 7\n" in ran.stderr

    def test_as_a_package(self, place: Place) -> None:
        """With files of its own."""
        place.write("lib/sitecustomize/__init__.py", "from sitecustomize.part import x")
        place.write("lib/sitecustomize/part.py", "x = 5")
        place.write("app.py", "import sitecustomize; print(sitecustomize.x)")
        place.environ["PYTHONPATH"] = "lib"
        assert place.run("app.py") == Ran(0, "5\n", "")


class TestFaults:
    """Whatever goes wrong with bcd is a line on stderr, and the program goes on."""

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            ("raise RuntimeError('broken')", "RuntimeError: broken"),
            ("def", "SyntaxError: "),
            ("", "ModuleNotFoundError: No module named 'bcd.startup'"),
        ],
    )
    def test_another_bcd(self, place: Place, broken: str, said: str) -> None:
        """A package of that name that is not this one, or a broken one."""
        place.write("lib/bcd/__init__.py", broken)
        place.write("app.py", "print('ran')")
        place.environ["PYTHONPATH"] = "lib"
        # As the real one cannot start it either, it is run by its environment.
        place.environ["BCD_RUN"] = "here"
        place.environ["PYTHONPATH"] = f"{PROJECT}/bcd/autostart:{place.folder}/lib"
        script = "import os, sys; os.environ['BCD_RUN'] = str(os.getpid()); os.execv(*ARGS)"
        python = place.python
        command = script.replace("ARGS", repr((python, [python, "app.py"])))
        ended = subprocess.run(
            [sys.executable, "-I", "-c", command],
            cwd=place.folder,
            env={**os.environ, **place.environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (0, "ran\n")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"[bcd] {python} runs without bcd: {said}")

    def test_settings_that_cannot_be_used(self, place: Place) -> None:
        """Each is told, and its default is taken."""
        place.write("app.py", "raise LookupError")
        place.environ.update(BCD_HOOKS="no", BCD_TIMEOUT="soon", BCD_RATE_LIMIT="x")
        place.environ["BCD_TRACER"] = "perl"
        ran = place.run("app.py")
        told = [line for line in ran.stderr.splitlines() if line.startswith("[bcd]")]
        assert [line.split(" is ")[0].split()[-1] for line in told] == [
            "BCD_TRACER", "BCD_HOOKS", "BCD_TIMEOUT",
        ]  # fmt: skip
        assert len(place.snapshots(1)) == 1

    def test_a_function_that_is_not_there_yet(self, place: Place) -> None:
        """It is looked up with the first error, when the program has its path."""
        place.write("shop/hooks.py", "def scrub(_, found): return {**found, 'by': 'scrub'}")
        place.write("app.py", "raise LookupError")
        place.run("app.py", options=("--before-trace", "shop.hooks:scrub"))
        (snapshot,) = place.snapshots(1)
        assert snapshot.attributes["by"] == "scrub"

    def test_signals(self, place: Place) -> None:
        """They are registered before the program's first line."""
        place.write(
            "app.py",
            """
            import os, signal, time
            os.kill(os.getpid(), signal.SIGABRT)
            while not os.path.isdir(os.environ["BCD_DIR"]):
                time.sleep(0.01)
            print("on")
            """,
        )
        assert place.run("app.py", options=("--hooks", "signals")).stdout == "on\n"
        (snapshot,) = place.snapshots(1)
        assert snapshot.reason.kind == "signal"

    def test_a_program_that_starts_bcd_itself(self, place: Place) -> None:
        """What it says holds."""
        place.write(
            "app.py", "import bcd; bcd.init(service='its own'); raise LookupError('its own')"
        )
        ran = place.run("app.py", options=("--service", "of the operator"))
        assert "[bcd]" not in ran.stderr
        (snapshot,) = place.snapshots(1)
        assert snapshot.attributes["service.name"] == "its own"

    def test_other_interpreters_of_the_process(self, place: Place) -> None:
        """Python imports site for each; bcd starts in none but the main one, and says nothing."""
        place.write(
            "app.py",
            """
            try:
                import _interpreters as interpreters
            except ImportError:
                import _xxsubinterpreters as interpreters
            number = interpreters.create()
            interpreters.run_string(number, "import sys; print('bcd' in sys.modules, flush=True)")
            interpreters.destroy(number)
            """,
        )
        assert place.run("app.py") == Ran(0, "False\n", "")


def candidates() -> list[str]:
    """Pythons of any version."""
    found = [shutil.which(f"python3.{minor}") for minor in range(6, 11)]
    brought = Path.home().glob(".pyenv/versions/*/bin/python")
    return [path for path in (*found, *map(str, brought)) if path]


def is_old(python: str) -> bool:
    """Whether bcd is not for it."""
    code = "import sys; sys.exit(sys.version_info >= (3, 11))"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    """It says so; as a child of the program it does not, whose output somebody may read."""
    old = [path for path in candidates() if is_old(path)]
    if not old:
        pytest.skip("there is no Python older than 3.11 here")
    for python in old:
        place = Place(tmp_path, python)
        ran = place.run("-c", "print('ran')")
        assert (ran.status, ran.stdout) == (0, "ran\n")
        assert ran.stderr == (
            f"[bcd] {python} runs without bcd: RuntimeError: Python 3.11 or later is needed\n"
        )
        parent = Place(tmp_path, sys.executable)
        code = f"import subprocess; subprocess.run([{python!r}, '-c', 'print(5)'])"
        assert parent.run("-c", code) == Ran(0, "5\n", "")
