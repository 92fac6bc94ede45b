"""What programs say by ``set_attribute``, under real servers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import flask as flask_itself
import pytest

from bcd.integrations import asgi, flask, wsgi
from bcd.scope import own_attributes
from bcd.scope.attributes import set_attribute
from tests.libraries import need

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.server

PROGRAMS = "tests/integrations/programs"
UVICORN = ["uvicorn", "--port", "0", "--app-dir", PROGRAMS, "attributes_program:asgi"]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", PROGRAMS, "attributes_program:wsgi"]
SERVERS = {
    "uvicorn": UVICORN,
    "uvicorn with h11": [*UVICORN, "--http", "h11", "--loop", "asyncio"],
    "gunicorn sync": GUNICORN,
    "gunicorn with a thread": [*GUNICORN, "--threads", "1", "--worker-class", "gthread"],
    "gunicorn with gevent": [*GUNICORN, "--worker-class", "gevent"],
}


@pytest.mark.parametrize("name", SERVERS)
def test_attributes_are_those_of_the_request(serve: Any, name: str) -> None:
    """None leaks into the next request of the connection, thread or worker (traps 11 and 15)."""
    if "gevent" in name:
        need("gevent")
    server = serve(SERVERS[name])
    for path in ("/fail", "/set/sencha/fail", "/fail"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        with contextlib.closing(connection):
            assert ask(connection, "/set/assam") == b"tea"
            ask(connection, path)
        assert server.request("GET", "/flush")[2] == b"flushed"
    documents = server.stop()
    found = [each["attributes"].get("shop.name") for each in documents]
    nobody = "nobody" if "uvicorn" in name else None
    assert found == [nobody, "sencha", nobody]
    assert documents[1]["attributes"]["shop.api_token"] == "[redacted]"  # noqa: S105 - the opposite
    assert "SECRET-TOKEN" not in json.dumps(documents)


def ask(connection: http.client.HTTPConnection, path: str) -> bytes:
    """Send a request; b"" where the answer breaks off."""
    connection.request("GET", path)
    try:
        return connection.getresponse().read()
    except (http.client.IncompleteRead, http.client.RemoteDisconnected):
        return b""


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


def of_list(_: Any, start_response: Any) -> list[bytes]:
    """Answer at once."""
    start_response("200 OK", [])
    set_attribute("item", "list")
    return [b"tea"]


def of_steps(_: Any, start_response: Any) -> Iterator[bytes]:
    """Answer in steps."""
    start_response("200 OK", [])
    yield b"te"
    set_attribute("item", "steps")
    yield b"a"


def of_file(environ: Any, start_response: Any) -> Iterable[bytes]:
    """Answer by a file, which the server sends in its own way."""
    start_response("200 OK", [])
    set_attribute("item", "file")
    body: Iterable[bytes] = environ["wsgi.file_wrapper"](BytesIO(b"tea"))
    return body


def of_failure(_: Any, __: Any) -> Iterable[bytes]:
    """Fail.

    Raises:
        Boom: Always.
    """
    set_attribute("item", "failure")
    raise Boom


def call_wsgi(app: Any) -> None:
    """Serve a request as a server does."""
    from wsgiref.util import FileWrapper, setup_testing_defaults  # for one test

    environ: dict[str, Any] = {"wsgi.file_wrapper": FileWrapper}
    setup_testing_defaults(environ)
    with contextlib.suppress(Boom):
        body = app(environ, lambda *_: None)
        list(body)
        getattr(body, "close", lambda: None)()


@pytest.mark.parametrize("app", [of_list, of_steps, of_file, of_failure])
@pytest.mark.parametrize("reraise", [True, False])
def test_a_request_leaves_nothing_in_its_thread(
    traced: Any, wanted: list[str], app: Any, *, reraise: bool
) -> None:
    """However it ends; until then hooks further up know what was said below them."""
    wanted.append("this test")
    call_wsgi(wsgi.BcdMiddleware(app, reraise=reraise))
    assert own_attributes() == {}
    inner = wsgi.BcdMiddleware(app)

    def outer(environ: Any, start_response: Any) -> Iterable[bytes]:
        body = inner(environ, start_response)
        list(body)
        raise Boom

    call_wsgi(wsgi.BcdMiddleware(outer))
    assert [found["item"] for found in traced.attributes if "item" in found] == [
        app.__name__.removeprefix("of_")
    ] * len(traced.attributes)
    assert own_attributes() == {}


def test_a_request_to_flask_leaves_nothing_in_its_thread(traced: Any, wanted: list[str]) -> None:
    """Its responses have a way of their own through the hook."""
    wanted.append("this test")
    app = flask_itself.Flask("shop")
    app.add_url_rule("/", "set", lambda: set_attribute("item", "flask") or "tea")
    flask.Bcd(app)
    call_wsgi(app)
    assert own_attributes() == {}
    assert traced.errors == []


@pytest.mark.parametrize("reraise", [True, False])
def test_an_asgi_request_leaves_nothing_in_its_context(
    traced: Any, wanted: list[str], *, reraise: bool
) -> None:
    """A test client, for one, serves all requests in one context."""
    wanted.append("this test")

    async def app(scope: Any, receive: Any, _: Any) -> None:
        set_attribute("item", scope["type"])
        await receive()
        raise Boom

    async def receive() -> dict[str, Any]:
        return {}

    async def main() -> None:
        for kind in ("websocket", "gopher", "lifespan"):
            scope = {"type": kind}
            with contextlib.suppress(Boom):
                await asgi.BcdMiddleware(app, reraise=reraise)(scope, receive, None)  # type: ignore[arg-type]  # unused
            assert own_attributes() == ({"item": kind} if kind == "gopher" else {})
            set_attribute("item", None)

    asyncio.run(main())
    assert [found["item"] for found in traced.attributes] == ["websocket", "lifespan"]
