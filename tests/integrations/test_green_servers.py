"""Servers whose requests are greenlets of one thread."""

from __future__ import annotations

import contextlib
import http.client
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.libraries import need

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.server

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", "tests/integrations/programs"]
GEVENT = [*GUNICORN, "--worker-class", "gevent"]
SERVERS = {
    "gevent": [*GEVENT, "{}"],
    "gevent, preloaded": [*GEVENT, "--preload", "{}"],
    "eventlet": ["tests.integrations.programs.eventlet_server", "{}"],
}


@pytest.fixture(params=SERVERS)
def arguments(request: pytest.FixtureRequest) -> Sequence[str]:
    """The command line of each server in turn, without the program."""
    need(request.param.partition(",")[0])
    return SERVERS[request.param]


def start(serve: Any, arguments: Sequence[str], program: str) -> Any:
    """Start a server on a program."""
    return serve([argument.format(program) for argument in arguments])


def test_others_are_served_while_a_tracer_runs(
    serve: Any, arguments: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request waits for its tracer, which waits for another request of the same thread."""
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    monkeypatch.setenv("TEST_FIFO", fifo)
    server = start(serve, arguments, "green_program:app")
    failing = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(failing):
        failing.request("GET", "/fail")
        assert server.request("GET", "/let-go")[2] == b"done"
        assert failing.getresponse().status == 500
    check_end(server, 0)


def test_one_snapshot_for_each_turn(serve: Any, arguments: Sequence[str]) -> None:
    """Of a crowd that fails at once one is traced, and each has the program's own answer."""
    server = start(serve, arguments, "wsgi_program:traced")
    crowd = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in range(20)]
    for number, connection in enumerate(crowd):
        connection.request("GET", f"/t/x/fail/{number}")
    for connection in crowd:
        with contextlib.closing(connection):
            assert connection.getresponse().status == 500
    assert server.request("GET", "/ok")[2] == b"tea"
    (snapshot,) = server.snapshots(1)
    error = snapshot["exception"]["list"][snapshot["exception"]["root"]]
    assert error["frames"][-1]["function"] == "fail"
    (faulted,) = [thread for thread in snapshot["threads"] if thread["faulted"]]
    assert "fail" not in {frame["function"] for frame in faulted["frames"]}, "it has ended"
    assert faulted["frames"]
    check_end(server, 1)


def test_server_that_is_ended_while_a_tracer_runs(serve: Any, arguments: Sequence[str]) -> None:
    """It ends at once, and the snapshot comes."""
    server = start(serve, arguments, "wsgi_program:traced")
    assert server.request("GET", "/t/x/fail/7")[0] == 500
    check_end(server, None)
    assert len(server.snapshots(1)) == 1


def check_end(server: Any, snapshots: int | None) -> None:
    """SIGTERM ends it with status 0, nothing is left, and bcd said nothing of trouble."""
    left = server.stop()
    assert server.process.returncode == 0
    assert snapshots in (None, len(left))
    counted = "counted, and no snapshot tells of them"  # as it has to say of what it let pass
    said = "\n".join(line for line in server.lines if counted not in line)
    for trouble in ("[bcd]", "LoopExit", "Exception ignored"):
        assert trouble not in said
