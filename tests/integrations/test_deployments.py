"""Frameworks under the servers that they are deployed with: answers, snapshots, exits."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.recording import RecordingProgram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
PROGRAMS = "tests/integrations/programs"
UVICORN = ["uvicorn", "--port", "0", "--app-dir", PROGRAMS]
HYPERCORN = ["hypercorn", "--bind", "127.0.0.1:0"]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", PROGRAMS]
UVICORN_WORKERS = [*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker"]


@dataclass
class Deployment:
    """A server with a program: the arguments have ``{}`` for ``bare`` or ``traced``."""

    arguments: Sequence[str]
    hook: Mapping[str, str] = field(default_factory=dict)
    route: str = "/t/{tenant}/fail/{number}"

    def start(self, serve: Any, program: str, **environment: str) -> Any:
        """Start the server."""
        hook = {"TEST_HOOK": "none"} if program == "bare" else self.hook
        arguments = [argument.format(program) for argument in self.arguments]
        return serve(arguments, program, **hook, **environment)


def django(*arguments: str, hook: str = "middleware") -> Deployment:
    """A server with the Django project."""
    return Deployment(arguments, {"TEST_HOOK": hook}, "t/<tenant>/fail/<number>")


DEPLOYMENTS = {
    "FastAPI, uvicorn": Deployment([*UVICORN, "fastapi_program:{}"]),
    "FastAPI, hypercorn": Deployment([*HYPERCORN, f"{PROGRAMS}/fastapi_program:{{}}"]),
    "FastAPI, hypercorn with 2 workers": Deployment(
        [*HYPERCORN, "--workers", "2", f"{PROGRAMS}/fastapi_program:{{}}"]
    ),
    "FastAPI, gunicorn": Deployment([*UVICORN_WORKERS, "--workers", "2", "fastapi_program:{}"]),
    "Flask, gunicorn preloaded": Deployment(
        [*GUNICORN, "--workers", "4", "--preload", "wsgi_program:{}"],
        route="/t/<tenant>/fail/<number>",
    ),
    "Django, uvicorn": django(*UVICORN, "django_program:asgi"),
    "Django, uvicorn with 2 workers": django(
        *UVICORN, "--workers", "2", "django_program:asgi", hook="setup"
    ),
    "Django, hypercorn": django(*HYPERCORN, f"{PROGRAMS}/django_program:asgi", hook="init"),
    "Django, gunicorn sync": django(*GUNICORN, "--workers", "4", "django_program:wsgi"),
    "Django, gunicorn preloaded with threads": django(
        *GUNICORN, "--workers", "2", "--threads", "4", "--preload", "django_program:wsgi",
        hook="init",
    ),
    "Django, gunicorn with uvicorn": django(*UVICORN_WORKERS, "django_program:asgi"),
}  # fmt: skip
FAIL = "/t/RAW/fail/7"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_deployment(serve: Any, name: str) -> None:
    """Each answer is what it is without bcd; errors give one snapshot each, others none."""
    deployment = DEPLOYMENTS[name]
    bare, traced = (deployment.start(serve, program) for program in ("bare", "traced"))
    for path in ("/ok", "/missing", "/nowhere?key=SECRET", f"{FAIL}?key=SECRET", "/half"):
        for method in ("GET", "HEAD"):
            expected = bare.request(method, path)
            assert traced.request(method, path) == expected
            assert expected[0] == STATUS.get(path, 500) or method == "HEAD"
    traced.snapshots(1)
    snapshots = {
        (each["http.request.method"], each["url.path"]): each
        for each in (snapshot["attributes"] for snapshot in traced.stop())
    }
    assert len(snapshots) == len(traced.snapshots(0)), "one for each"
    assert {path for _, path in snapshots} <= {FAIL, "/half"}
    first = snapshots["GET", FAIL]
    assert first["exception.type"].endswith("program.Boom")
    assert first["http.route"] == deployment.route
    assert first["bcd.suppressed"] == "0"
    assert bare.stop() == []


STATUS = {"/ok": 200, "/missing": 404, "/nowhere?key=SECRET": 404, "/half": 200}


@pytest.mark.parametrize("name", ["Django, gunicorn sync", "Django, uvicorn"])
def test_errors_of_a_database(serve: Any, name: str, tmp_path: Path) -> None:
    """A request that is a transaction is rolled back as ever; the error is Django's own."""
    homes = [tmp_path / "home of bare", tmp_path / "home of traced"]
    for home in homes:
        home.mkdir()
    bare, traced = (
        DEPLOYMENTS[name].start(serve, program, HOME=str(home), TEST_RATE_LIMIT="0")
        for program, home in zip(("bare", "traced"), homes, strict=True)
    )
    for how, status in [("badly", 500), ("once", 200), ("twice", 500)]:
        answers = [server.request("GET", f"/sell/{how}") for server in (bare, traced)]
        assert answers[0] == answers[1]
        assert answers[0][0] == status
    assert traced.request("GET", "/sell/count")[2] == b"1"
    expected = {
        ("django_program.Boom",),
        ("django.db.utils.IntegrityError", "sqlite3.IntegrityError"),
    }
    while expected != (found := {types_of(snapshot) for snapshot in traced.snapshots(1)}):
        assert found < expected
        traced.request("GET", "/sell/twice")


def types_of(snapshot: Mapping[str, Any]) -> tuple[str, ...]:
    """The types of an error and its causes."""
    return tuple(sorted(error["type"] for error in snapshot["exception"]["list"]))


@pytest.mark.parametrize("name", ["FastAPI, uvicorn", "FastAPI, hypercorn"])
@pytest.mark.parametrize("when", ["early", "late"])
def test_websocket(serve: Any, name: str, when: str) -> None:
    """A websocket that fails before or after it was accepted ends as it does without bcd."""
    bare, traced = (DEPLOYMENTS[name].start(serve, program) for program in ("bare", "traced"))
    assert talk(traced.port, f"/ws/{when}") == talk(bare.port, f"/ws/{when}")
    (snapshot,) = traced.snapshots(1)
    assert snapshot["attributes"]["http.route"] == "/ws/{when}"
    assert len(traced.stop()) == 1


def talk(port: int, path: str) -> list[bytes]:
    """Ask for a websocket, and tell all that the server says, without the date."""
    lines = [
        f"GET {path} HTTP/1.1", "Host: tea.example", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGVhIHRlYSB0ZWEgdGVhIQ==",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        with connection.makefile("rb") as answer:
            return [line for line in answer if not line.lower().startswith(b"date:")]


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn"])
def test_application_that_does_not_start(name: str, tmp_path: Path) -> None:
    """The server ends as it does without bcd, with a snapshot of the reason."""
    app = "fastapi_program:{}" if name == "uvicorn" else f"{PROGRAMS}/fastapi_program:{{}}"
    statuses = []
    for program in ("bare", "traced"):
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                *(UVICORN if name == "uvicorn" else HYPERCORN),
                app.format(program),
            ],
            env=os.environ | {"TEST_CLOSED": program, "BCD_DIR": str(tmp_path / program)},
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=False,
        )
        statuses.append(ended.returncode)
    assert statuses[0] == statuses[1]
    assert len([*(tmp_path / "traced").glob("*.bcd.json*")]) == 1


@pytest.mark.parametrize(("how", "snapshots"), [("badly", 1), ("wrongly", 0)])
def test_management_command(tmp_path: Path, how: str, snapshots: int) -> None:
    """A command of Django that fails prints and exits as ever; one used wrongly is no error."""
    bare, traced = (
        subprocess.run(
            [sys.executable, f"{PROGRAMS}/django_command.py", how, program],
            env=os.environ | {"BCD_DIR": str(tmp_path)},
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=False,
        )
        for program in ("bare", "traced")
    )
    assert bare.returncode == 1
    assert vars(traced) == vars(bare) | {"args": traced.args}
    assert len([*tmp_path.glob("*.bcd.json*")]) == snapshots


LEAVING = [
    "FastAPI, uvicorn",
    "FastAPI, hypercorn",
    "Django, uvicorn",
    "Django, gunicorn preloaded with threads",
]


@pytest.mark.parametrize("name", LEAVING)
def test_client_that_leaves(serve: Any, name: str) -> None:
    """A client that hangs up in the middle of a response gives no snapshot."""
    deployment = DEPLOYMENTS[name]
    one_worker = [*deployment.arguments[:-1], "--workers", "1", deployment.arguments[-1]]
    server = replace(deployment, arguments=one_worker).start(serve, "traced")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/drip")
        assert connection.getresponse().read(4) == b"drip"
    assert server.request("GET", "/was-dropped")[2] == b"dropped"
    assert server.stop() == []


ENDING = ["Django, gunicorn sync", "Django, gunicorn with uvicorn", "FastAPI, gunicorn"]


@pytest.mark.parametrize("name", ENDING)
def test_worker_that_ends_with_the_request_leaves_its_snapshot(serve: Any, name: str) -> None:
    """A worker at the end of its life does not take the trace with it (trap 2)."""
    deployment = DEPLOYMENTS[name]
    ending = [*deployment.arguments[:-1], "--max-requests", "1", deployment.arguments[-1]]
    server = replace(deployment, arguments=ending).start(serve, "traced")
    assert server.request("GET", FAIL)[0] == 500
    (snapshot,) = server.snapshots(1)
    assert snapshot["attributes"]["url.path"] == FAIL


@pytest.fixture
def slow_tracer(tmp_path: Path) -> RecordingProgram:
    """A tracer that cannot work on a frozen copy, and is never done."""
    folder = tmp_path / "tracer"
    folder.mkdir()
    program = RecordingProgram(folder)
    program.do(f"wait {program.fifo()}")
    return program


def test_worker_outlives_a_slow_tracer(serve: Any, slow_tracer: RecordingProgram) -> None:
    """A worker of gunicorn that waits for a tracer is not killed by ``--timeout`` (trap 3)."""
    server = serve(
        [*GUNICORN, "--timeout", "3", "wsgi_program:traced"], TEST_TRACER=slow_tracer.path
    )
    worker = server.request("GET", "/pid")
    assert server.request("GET", FAIL)[0] == 500
    assert server.request("GET", "/pid") == worker
    (run,) = slow_tracer.runs()
    assert run.ended is None, "it was killed in time"
    assert not any("TIMEOUT" in line for line in server.lines)
