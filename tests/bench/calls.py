"""One request to an application in this very process, without a server or an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[[Any, dict[str, Any]], None]

__all__ = [
    "asgi_request",
    "call_asgi",
    "call_celery",
    "call_wsgi",
    "celery_request",
    "wsgi_request",
]


def asgi_request(path: str) -> dict[str, Any]:
    """A fresh scope; applications write into it."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1234),
    }


def wsgi_request(path: str) -> dict[str, Any]:
    """A fresh environ; applications write into it."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
    }


def celery_request(path: str) -> dict[str, Any]:
    """What comes with a task's message."""
    return {
        "id": path,
        "task": path,
        "root_id": path,
        "retries": 0,
        "hostname": "celery@localhost",
        "delivery_info": {"exchange": "", "routing_key": "celery", "redelivered": False},
        "is_eager": False,
        "ignore_result": True,
    }


def call_celery(run: Any, request: dict[str, Any]) -> None:
    """Run one task."""
    if run(request["id"], (), {}, request).info is not None:
        raise RuntimeError("the task has to succeed")


def call_asgi(app: Any, scope: dict[str, Any]) -> None:
    """Send one request; an error of the application is raised."""
    try:
        app(scope, _receive, _send).send(None)
    except StopIteration:
        return
    raise RuntimeError("the application has to answer without waiting")


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Any) -> None:
    return None


def call_wsgi(app: Any, environ: dict[str, Any]) -> None:
    """Send one request as a server does; an error of the application is raised."""
    body = app(environ, _start_response)
    try:
        for _ in body:
            pass
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def _start_response(_status: str, _headers: Any, _error: Any = None) -> Any:
    return None
