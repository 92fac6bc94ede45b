"""``bcd run`` with the commands that services are started by; nothing of them knows bcd."""

from __future__ import annotations

import signal
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integrations.celery_workers import Worker
from tests.libraries import need
from tests.servers import REDIS, need_server

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.server

SCRIPTS = Path(sysconfig.get_path("scripts"))
BCD = [str(SCRIPTS / "bcd"), "run", "--rate-limit", "0", "--service", "shop", "--"]
PROGRAMS = "tests/integrations/programs"
UVICORN = ["uvicorn", "--port", "0", "--app-dir", PROGRAMS]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", PROGRAMS, "--no-control-socket"]
UVICORN_WORKERS = [*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker"]
FLASK = ["flask", "--app", f"{PROGRAMS}/plain_program.py:flask_app", "run", "--port", "0"]

COLONS, BRACES = "/t/<tenant>/fail", "/t/{tenant}/fail"
COMMANDS = {
    "gunicorn -w 4": ([*GUNICORN, "-w", "4", "plain_program:flask_app"], COLONS),
    "gunicorn --preload": ([*GUNICORN, "-w", "2", "--preload", "plain_program:flask_app"], COLONS),
    "gunicorn --threads": ([*GUNICORN, "--threads", "2", "plain_program:raw_wsgi"], None),
    "gunicorn -k gevent": ([*GUNICORN, "-k", "gevent", "plain_program:flask_app"], COLONS),
    "gunicorn, uvicorn": ([*UVICORN_WORKERS, "-w", "2", "plain_program:starlette_app"], BRACES),
    "gunicorn, uvicorn, no framework": ([*UVICORN_WORKERS, "plain_program:raw_asgi"], None),
    "uvicorn": ([*UVICORN, "plain_program:starlette_app"], BRACES),
    "uvicorn, FastAPI": ([*UVICORN, "plain_program:fastapi_app"], BRACES),
    "uvicorn --workers 2": ([*UVICORN, "--workers", "2", "plain_program:fastapi_app"], BRACES),
    "uvicorn, no framework": ([*UVICORN, "plain_program:raw_asgi"], None),
    "uvicorn, WSGI": ([*UVICORN, "--interface", "wsgi", "plain_program:flask_app"], COLONS),
    "hypercorn": (
        ["hypercorn", "--bind", "127.0.0.1:0", f"{PROGRAMS}/plain_program:fastapi_app"], BRACES,
    ),
    "flask run": (FLASK, COLONS),
    "flask run --debug": ([*FLASK[:3], "--debug", *FLASK[3:]], COLONS),
}  # fmt: skip


def script(arguments: Sequence[str]) -> list[str]:
    """The command as a user has it: by its script."""
    return [str(SCRIPTS / arguments[0]), *arguments[1:]]


@pytest.mark.parametrize("name", COMMANDS)
def test_web_servers(serve: Any, name: str) -> None:
    """Answers and exit status are as without bcd, and an error gives one snapshot."""
    if "gevent" in name:
        need("gevent")
    arguments, route = COMMANDS[name]
    bare = serve(script(arguments), "bare", ())
    traced = serve(script(arguments), "traced", BCD)
    for path, status in [("/ok", 200), ("/nowhere", None), ("/t/tea/fail", 500)]:
        if path == "/nowhere" and route is None:
            continue
        expected, found = bare.request("GET", path), traced.request("GET", path)
        assert without_secret(found) == without_secret(expected)
        assert status in (None, expected[0])
    traced.snapshots(1)
    (snapshot,) = traced.stop()
    attributes = snapshot["attributes"]
    assert attributes["exception.type"].endswith("Boom")
    assert attributes.get("http.route") == route
    assert attributes["url.path"] == "/t/tea/fail"
    assert attributes["service.name"] == "shop"
    error = snapshot["exception"]["list"][snapshot["exception"]["root"]]
    assert {local["name"] for local in error["frames"][-1]["locals"]} == {"tenant"}
    assert bare.stop() == []
    assert traced.process.returncode == bare.process.returncode
    assert [line for line in traced.lines if line.startswith("[bcd]")] == []


def without_secret(answer: tuple[int, list[tuple[str, str]], bytes]) -> tuple[object, ...]:
    """An answer without what the debugger makes anew each time."""
    status, headers, body = answer
    if b"Werkzeug Debugger" in body:
        return status, [name for name, _ in headers], b"Boom: deep in tea" in body
    return answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_signals_reach_the_program(serve: Any, number: signal.Signals) -> None:
    """It is the process that was started, and ends as it does without bcd."""
    arguments = COMMANDS["uvicorn"][0]
    statuses = []
    for folder, program in (("bare", ()), ("traced", BCD)):
        server = serve(script(arguments), folder, program)
        server.process.send_signal(number)
        statuses.append(server.process.wait(60))
    assert statuses[0] == statuses[1]


class RunWorker(Worker):
    """A worker that is started by ``bcd run``, as its script."""

    launcher = (*BCD, str(SCRIPTS / "celery"))


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_celery(tmp_path: Path, pool: str) -> None:
    """A task that fails is traced in the process that runs it."""
    need_server(REDIS)
    worker = RunWorker(tmp_path / "worker", REDIS, pool)
    try:
        worker.wait_until_ready()
        worker.send("succeed")
        worker.send("fail")
        assert worker.outcome("succeed")["status"] == "SUCCESS"
        assert worker.outcome("fail")["status"] == "FAILURE"
        (snapshot,) = worker.snapshots(1)
    finally:
        worker.remove()
    assert snapshot["attributes"]["celery.task_name"] == "celery_program.fail"
    assert snapshot["attributes"]["service.name"] == "shop"
    assert worker.said_by_bcd() == []


def test_django(serve: Any) -> None:
    """Its hook needs no line in MIDDLEWARE."""
    need("django")
    arguments = [*GUNICORN, "-w", "2", "django_program:wsgi"]
    server = serve(script(arguments), program=BCD, TEST_HOOK="none")
    assert server.request("GET", "/ok")[0] == 200
    assert server.request("GET", "/t/tea/fail/7")[0] == 500
    server.snapshots(1)
    (snapshot,) = server.stop()
    assert snapshot["attributes"]["http.route"] == "t/<tenant>/fail/<number>"
    assert snapshot["attributes"]["bcd.integration"] == "django"


def test_instrumented_by_hand_too(serve: Any) -> None:
    """One snapshot, and what the program says holds."""
    arguments = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", PROGRAMS, "wsgi_program:traced"]
    server = serve(script(arguments), program=BCD)
    assert server.request("GET", "/t/tea/fail/7")[0] == 500
    server.snapshots(1)
    (snapshot,) = server.stop()
    assert snapshot["attributes"]["bcd.integration"] == "flask"
