"""What can go wrong with a trace costs the program nothing, and is said in one line."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bcd.store.files import FolderStore
from tests.integrations.conftest import PATIENCE, poll
from tests.recording import RecordingProgram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.server

UVICORN = ["uvicorn", "--port", "0", "--app-dir", "tests/integrations/programs"]
COMMAND = [*UVICORN, "faulty_program:app"]

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount and give away files")


def lines_of_bcd(server: Any) -> list[str]:
    """What bcd said on stderr."""
    return [line for line in server.lines if line.startswith("[bcd]")]


def a_file(folder: Path) -> None:
    """Put a file where the folder should be."""
    folder.write_text("")


def a_link(folder: Path) -> None:
    """Put a symbolic link where the folder should be."""
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


def of_somebody_else(folder: Path) -> None:
    """Let the folder be another user's."""
    folder.mkdir()
    os.chown(folder, 12345, 12345)


def shared(folder: Path) -> None:
    """Let everybody write to a folder that holds other things."""
    folder.mkdir()
    (folder / "letter.txt").write_text("")
    folder.chmod(0o777)


def full(folder: Path) -> None:
    """Let the folder be on a disk that is full; the mount ends with the test."""
    mount(folder, "size=64k,mode=700")


def read_only(folder: Path) -> None:
    """Let the folder be on a disk that cannot be written to; the mount ends with the test."""
    mount(folder, "ro,mode=700")


def mount(folder: Path, options: str) -> None:
    """Mount an empty disk."""
    folder.mkdir(0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no program", "/nowhere/tracer.py"),
        ("no interpreter", "/nowhere/python"),
        ("killed", "signal 9 (SIGKILL)"),
        ("silent", "tracer execution timed out"),
        ("free-threaded", "free-threaded build"),
    ],
)
def test_tracer(serve: Any, monkeypatch: pytest.MonkeyPatch, fault: str, said: str) -> None:
    """A tracer that is missing, dies or cannot work: the answer is the program's own."""
    monkeypatch.setenv("TEST_FAULT", fault)
    server = serve(COMMAND)
    check_answers(server, said)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (a_file, "Not a directory"),
        (a_link, "it is a symbolic link"),
        pytest.param(of_somebody_else, "belongs to user 12345", marks=as_root),
        (shared, "other users may write there"),
        pytest.param(full, "bytes are free", marks=as_root),
        pytest.param(read_only, "Read-only file system", marks=as_root),
    ],
)
def test_folder(
    serve: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make: Callable[[Path], None],
    said: str,
) -> None:
    """A folder that cannot be used: the answer is the program's own, the folder as it was."""
    monkeypatch.setenv("TEST_FAULT", "none")
    folder = tmp_path / "snapshots"
    make(folder)
    before = folder.lstat()
    try:
        check_answers(serve(COMMAND), said)
        assert (folder.lstat().st_mode, folder.lstat().st_uid) == (before.st_mode, before.st_uid)
    finally:
        if folder.is_mount():
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize(
    "fault",
    ["no program", "hanging", "hanging, live", pytest.param("full", marks=as_root)],
)
def test_storm(serve: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str) -> None:
    """Of 200 requests that fail at once each gets its own 500, while the tracer still hangs.

    One that reads the live process holds the request that it is about, and no other.
    """
    tracer = RecordingProgram(tmp_path)
    hanging = tracer.fifo()
    tracer.do(f"wait {hanging}")
    monkeypatch.setenv("TEST_FAULT", fault)
    monkeypatch.setenv("TEST_TRACER", tracer.path)
    folder = tmp_path / "snapshots"
    if fault == "full":
        full(folder)
    try:
        server = serve(COMMAND)
        let_go = partial(tracer.let_go, hanging) if "hanging" in fault else int
        answers = storm(server, "/fail/plain", int(fault == "hanging, live"), let_go)
        assert answers == [ANSWER] * STORM
        assert server.request("GET", "/ok")[2] == b"tea"
        assert server.stop() == []
    finally:
        if folder.is_mount():
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_storm_on_threads(serve: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same where each request has a thread: the tracer holds one of four."""
    tracer = RecordingProgram(tmp_path)
    hanging = tracer.fifo()
    tracer.do(f"wait {hanging}")
    monkeypatch.setenv("TEST_TRACER", tracer.path)
    gunicorn = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", "tests/integrations/programs"]
    bare, traced = (
        serve([*gunicorn, "--threads", "4", f"wsgi_program:{program}"], program)
        for program in ("bare", "traced")
    )
    answers = storm(traced, "/t/x/fail/7", 1, partial(tracer.let_go, hanging))
    assert answers == [bare.request("GET", "/t/x/fail/7")] * STORM


def storm(server: Any, path: str, held: int, let_go: Callable[[], object]) -> list[Any]:
    """Send requests all at once; let the tracer go on when all but those held have an answer."""
    with ThreadPoolExecutor(STORM) as clients:
        asked = [clients.submit(server.request, "GET", path) for _ in range(STORM)]
        answers = as_completed(asked, PATIENCE)
        first = [next(answers).result() for _ in range(STORM - held)]
        let_go()
        return [*first, *(answer.result() for answer in answers)]


def check_answers(server: Any, said: str) -> None:
    """The program answers as ever, one line says what went wrong, and nothing is left."""
    assert server.request("GET", "/fail/plain") == ANSWER
    assert server.request("GET", "/ok")[2] == b"tea"
    (line,) = poll(lambda: lines_of_bcd(server), "what bcd has to say")
    assert said in line
    poll(lambda: not children(server), "the tracer and the copy to be gone")
    assert server.stop() == []
    if server.folder.is_dir():
        assert FolderStore(str(server.folder)).listing().entries == ()
    assert lines_of_bcd(server) == [line]


CONTENT_TYPE = "text/plain; charset=utf-8"
ANSWER = (
    500,
    [("server", "uvicorn"), ("content-length", "21"), ("content-type", CONTENT_TYPE)],
    b"Internal Server Error",
)
STORM = 200


def children(server: Any) -> list[psutil.Process]:
    """Processes that the server started, copies of itself too."""
    return psutil.Process(server.process.pid).children(recursive=True)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/fail/mute", "faulty_program.Mute [its text could not be had: RuntimeError]"),
        ("/fail/long", "x" * 100),
        ("/fail/%FF%FE%00", "��"),
    ],
)
def test_odd_errors_are_traced(
    serve: Any, monkeypatch: pytest.MonkeyPatch, path: str, error: str
) -> None:
    """An error without a text, with 10 MB of it, or from a path that is no UTF-8."""
    monkeypatch.setenv("TEST_FAULT", "none")
    server = serve(COMMAND)

    assert server.request("GET", path)[2] == b"Internal Server Error"

    (snapshot,) = server.snapshots(1)
    assert snapshot["attributes"]["error"].startswith(error)
    assert snapshot["exception"]["list"][0]["frames"][-1]["function"] == "fail"
    assert len(snapshot["attributes"]["error"]) <= 16 * 1024
    assert lines_of_bcd(server) == []
