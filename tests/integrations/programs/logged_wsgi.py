"""Applications that log errors, raise them, or both; what the servers log reaches bcd too."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import flask

import bcd
from bcd.integrations.flask import Bcd
from bcd.integrations.logging import BcdHandler
from bcd.integrations.wsgi import BcdMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger("shop")
numbers = count(1)

bcd.init(config=bcd.GlobalConfig(rate_limit=0), hooks=os.environ["TEST_HOOKS"].split(","))
logging.getLogger("gunicorn.error").propagate = True
if "logging" not in os.environ["TEST_HOOKS"]:
    logging.getLogger().addHandler(BcdHandler())


def fail(*, logs: bool) -> None:
    """Fail anew."""
    bcd.flush()  # the slot is free then: an error that is seen twice would be traced twice
    try:
        raise LookupError(f"error {next(numbers)}")  # noqa: TRY301 - that is the point
    except LookupError:
        if logs:
            log.exception("logged")
        raise


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
