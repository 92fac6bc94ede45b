"""Errors that an application or its server logs, with the middleware on: each traced once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integrations.celery_workers import Worker
from tests.libraries import need
from tests.servers import REDIS, need_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.server

PROGRAMS = "tests/integrations/programs"
UVICORN = ["uvicorn", "--port", "0", "--app-dir", PROGRAMS]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", PROGRAMS]
SERVERS = {
    "uvicorn, starlette": [*UVICORN, "logged_asgi:starlette"],
    "uvicorn, asgi": [*UVICORN, "--loop", "asyncio", "--http", "h11", "logged_asgi:asgi"],
    "uvicorn, inside": [*UVICORN, "logged_asgi:inside"],
    "gunicorn with uvicorn": [*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "logged_asgi:asgi"],
    "gunicorn, wsgi": [*GUNICORN, "logged_wsgi:wsgi"],
    "gunicorn, flask": [*GUNICORN, "--threads", "4", "logged_wsgi:flask_app"],
    "gunicorn, preloaded flask": [*GUNICORN, "--preload", "logged_wsgi:flask_app"],
    "uvicorn, django": [*UVICORN, "logged_django:asgi"],
    "gunicorn, django": [*GUNICORN, "logged_django:wsgi"],
    "gunicorn, gevent": [*GUNICORN, "-k", "gevent", "logged_wsgi:wsgi"],
}
DETACHED = {"uvicorn, starlette", "uvicorn, django"}  # they serve requests in other contexts
PAGES = ["/raises", "/both", "/thread", "/handles"]


@pytest.mark.parametrize("hooks", ["excepthook,threading,asyncio", "logging,asyncio"])
@pytest.mark.parametrize("name", SERVERS)
def test_each_error_once(
    serve: Any, name: str, hooks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whom it is seen first makes no difference; the snapshot says which request it was.

    Where it can: a thread or a task that the request started, as Starlette's middleware base does,
    does not know it.
    """
    if "gevent" in name:
        need("gevent")
    monkeypatch.setenv("TEST_HOOKS", hooks)
    server = serve(SERVERS[name])
    pages = [*PAGES, "/body"] if "logged_wsgi" in SERVERS[name][-1] else PAGES
    asked = [page for page in pages for _ in range(2)]
    statuses = [server.request("GET", page)[0] for page in asked]
    assert statuses == [200 if page in {"/handles", "/body"} else 500 for page in asked]
    said = [snapshot["attributes"] for snapshot in server.stop()]
    messages = [attributes["exception.message"] for attributes in said]
    assert messages == [f"error {number}" for number in range(1, len(asked) + 1)]
    assert {attributes["bcd.suppressed"] for attributes in said} == {"0"}
    for page, attributes in zip(asked, said, strict=True):
        assert ("log.message" in attributes) == (page != "/raises")
        if page in {"/raises", "/body"} or not (page == "/thread" or name in DETACHED):
            assert attributes["url.path"] == page


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_each_error_of_a_task_once(tmp_path: Path, pool: str) -> None:
    """Celery logs what a task raises, in the process of its pool or in the worker."""
    need_server(REDIS)
    worker = Worker(tmp_path / "worker", REDIS, pool, LOGGED="1")
    try:
        worker.wait_until_ready()
        for task in ("fail", "logs", "logs_and_fails", "expects"):
            worker.send(task)
            worker.outcome(task)
        worker.settle()
        worker.stop()
        said = [note["attributes"] for note in worker.notes()]
    finally:
        worker.remove()
    assert [attributes["messaging.message.id"] for attributes in said] == [
        "fail",
        "logs",
        "logs_and_fails",
    ]
    assert [attributes.get("log.message") for attributes in said] == [
        None,
        "handled",
        "raised again",
    ]
    assert {attributes["celery.task_name"] for attributes in said} == {
        "celery_program.fail",
        "celery_program.logs",
        "celery_program.logs_and_fails",
    }
