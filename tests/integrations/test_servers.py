"""Real servers, real requests, real snapshots."""

from __future__ import annotations

import contextlib
import http.client
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.server

PROGRAMS = "tests/integrations/programs"
UVICORN = ["uvicorn", "--port", "0", "--app-dir", PROGRAMS]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", PROGRAMS]
SERVERS = {
    "uvicorn": [*UVICORN, "asgi_program:{}"],
    "uvicorn with 2 workers": [*UVICORN, "--workers", "2", "asgi_program:{}"],
    "uvicorn with h11 and asyncio": [
        *UVICORN, "--http", "h11", "--loop", "asyncio", "asgi_program:{}",
    ],
    "gunicorn sync": [*GUNICORN, "wsgi_program:{}"],
    "gunicorn 2 x 4": [*GUNICORN, "--workers", "2", "--threads", "4", "wsgi_program:{}"],
    "gunicorn 2 x 4 preloaded": [
        *GUNICORN, "--workers", "2", "--threads", "4", "--preload", "wsgi_program:{}",
    ],
}  # fmt: skip
ONE_PROCESS = ["uvicorn", "gunicorn sync"]


def command(name: str, program: str = "traced") -> list[str]:
    """The command line of a server."""
    return [argument.format(program) for argument in SERVERS[name]]


@pytest.fixture(params=SERVERS)
def arguments(request: pytest.FixtureRequest) -> Sequence[str]:
    """The command line of each server in turn."""
    return command(request.param)


def test_one_error_gives_one_snapshot(serve: Any, arguments: Sequence[str]) -> None:
    """Good requests and 404s give none, an unhandled error exactly one, with all it needs."""
    server = serve(arguments)
    assert server.request("GET", "/ok")[0] == 200
    assert server.request("GET", "/missing")[0] == 404
    assert server.request("GET", "/nowhere?key=SECRET")[0] == 404
    assert server.request("GET", "/t/RAW-TENANT/fail/7?key=SECRET")[0] == 500
    server.snapshots(1)
    (snapshot,) = server.stop()
    attributes = snapshot["attributes"]
    assert attributes["error"].startswith(("deep 7", "('deep 7'"))
    assert attributes["exception.type"].endswith("program.Boom")
    assert snapshot["classifiers"] == [attributes["exception.type"]]
    assert attributes["http.request.method"] == "GET"
    assert attributes["http.route"] in {"/t/{tenant}/fail/{number}", "/t/<tenant>/fail/<number>"}
    assert attributes["url.path"] == "/t/RAW-TENANT/fail/7"
    assert attributes["bcd.suppressed"] == "0"
    assert attributes["code.function.name"].endswith("program.fail")
    error = snapshot["exception"]["list"][snapshot["exception"]["root"]]
    assert error["frames"][-1]["function"] == "fail"
    assert {"number", "tenant"} & {local["name"] for local in error["frames"][-1]["locals"]}
    assert sum(thread["faulted"] for thread in snapshot["threads"]) == 1


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn with h11 and asyncio", "gunicorn 2 x 4"])
def test_changes_no_byte_of_an_answer(serve: Any, name: str) -> None:
    """Status, headers and body are the same with and without bcd, whole or broken off."""
    paths = ["/ok", "/missing", "/t/x/fail/7", "/half", "/nowhere"]
    bare, traced = (
        [server.request(method, path) for path in paths for method in ("GET", "HEAD")]
        for server in (serve(command(name, program), program) for program in ("bare", "traced"))
    )
    assert traced == bare
    assert {status for status, _, _ in bare} >= {200, 404, 500}


@pytest.mark.parametrize("name", ["gunicorn sync", "gunicorn 2 x 4"])
def test_worker_that_ends_with_the_request_leaves_its_snapshot(serve: Any, name: str) -> None:
    """A worker at the end of its life does not take the trace with it (trap 2)."""
    arguments = command(name)
    server = serve([*arguments[:-1], "--max-requests", "1", arguments[-1]])
    assert server.request("GET", "/t/x/fail/7")[0] == 500
    (snapshot,) = server.snapshots(1)
    assert snapshot["attributes"]["url.path"] == "/t/x/fail/7"


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn with 2 workers", "gunicorn 2 x 4"])
def test_server_that_is_ended_while_a_tracer_runs_ends_as_ever(serve: Any, name: str) -> None:
    """SIGTERM right after the error: the same exit status, and the snapshot comes (trap 16)."""
    statuses = []
    for program in ("bare", "traced"):
        server = serve(command(name, program), program)
        assert server.request("GET", "/t/x/fail/7")[0] == 500
        server.stop()
        statuses.append(server.process.returncode)
    assert statuses[0] == statuses[1]
    assert len(server.snapshots(1)) == 1


@pytest.mark.parametrize("name", ONE_PROCESS)
def test_counts_what_the_limit_lets_pass(
    serve: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second snapshot tells how many errors came between it and the first."""
    monkeypatch.setenv("TEST_RATE_LIMIT", "0.2")
    server = serve(command(name))
    numbers = count(1)
    snapshots: list[dict[str, Any]] = []
    while len(snapshots) < 2:
        server.request("GET", f"/t/x/fail/{next(numbers)}")
        snapshots = server.snapshots(0)
    server.snapshots(2)
    first, second = (snapshot["attributes"] for snapshot in server.stop()[:2])
    assert first["url.path"] == "/t/x/fail/1"
    between = int(second["url.path"].rpartition("/")[2]) - 2
    assert between > 0
    assert (first["bcd.suppressed"], second["bcd.suppressed"]) == ("0", str(between))


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn with h11 and asyncio"])
def test_client_that_leaves_is_no_error(serve: Any, name: str) -> None:
    """A client that hangs up in the middle of a response gives no snapshot."""
    _leave(serve(command(name)))


def test_client_that_leaves_gunicorn_is_no_error(serve: Any) -> None:
    """The same for a WSGI server, whose body is closed by it."""
    arguments = command("gunicorn sync")
    _leave(serve([*arguments[:-1], "--threads", "2", arguments[-1]]))


def _leave(server: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/drip")
        assert connection.getresponse().read(4) == b"drip"
    assert server.request("GET", "/was-dropped")[2] == b"dropped"
    assert server.stop() == []


def test_traces_before_and_after_the_fork_of_workers(serve: Any) -> None:
    """Master and workers each trace in their own name, each error once (rules 1 and 24; trap 1)."""
    gunicorn = [*GUNICORN, "--workers", "3", "--preload", "preload_program:app"]
    server = serve(gunicorn)
    server.snapshots(2)
    for served in range(4):
        assert server.request("GET", "/")[0] == 500
        server.snapshots(3 + served)
    snapshots = server.stop()

    told = [each["exception"]["list"][0]["message"].split(" by ") for each in snapshots]
    assert [each["process"]["pid"] for each in snapshots] == [int(pid) for _, pid in told]
    assert sorted(what for what, _ in told) == ["forked", "loaded", *["served"] * 4]
    masters = {pid for what, pid in told if what != "served"}
    assert masters == {str(server.process.pid)}
    assert masters.isdisjoint(pid for what, pid in told if what == "served")
