"""Applications that log errors, raise them, or both; what the servers log reaches bcd too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import flask
from logged import fail, log, set_up

from bcd.integrations.flask import Bcd
from bcd.integrations.wsgi import BcdMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

set_up()


def raises() -> str:
    """Leave it to Flask or the server to log."""
    fail(logs=False)
    raise AssertionError


def both() -> str:
    """Log on the way."""
    fail(logs=True)
    raise AssertionError


def thread() -> str:
    """Log in another thread, from which the error comes back."""
    with ThreadPoolExecutor() as pool:
        pool.submit(fail, logs=True).result()
    raise AssertionError


def handles() -> str:
    """Log and go on."""
    try:
        fail(logs=True)
    except LookupError:
        log.exception("logged again")
    return "handled"


def body() -> Iterator[bytes]:
    """Log and fail in the middle of a body."""
    yield b"half"
    fail(logs=True)


PAGES: dict[str, Callable[[], Any]] = {
    f"/{function.__name__}": function for function in (raises, both, thread, handles, body)
}


def program(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve a request without any framework."""
    answer = PAGES[environ["PATH_INFO"]]()
    start_response("200 OK", [])
    return [answer.encode()] if isinstance(answer, str) else answer


wsgi = BcdMiddleware(program)
flask_app = flask.Flask("logged")
for path, function in PAGES.items():
    flask_app.add_url_rule(path, path, function)
Bcd(flask_app)
