"""A WSGI program whose tracer waits until another request lets it go on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import bcd
from bcd.integrations.wsgi import BcdMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FIFO = os.environ["TEST_FIFO"]


class WaitingTracer(bcd.PythonTracer):
    """Runs a program that reads no memory, so that each request has to wait for it."""

    finalize_memory = property()  # type: ignore[assignment]  # an attribute that is not there

    def finalize(self, options: list[str]) -> bcd.Command:  # noqa: ARG002 - a tracer's signature
        """Make the command."""
        return bcd.Command(argv=["/bin/sh", "-c", f"exec cat '{FIFO}'"])


def let_go() -> None:
    """Let the tracer end, once it is there."""
    while True:
        try:
            os.close(os.open(FIFO, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody has opened it to read
            time.sleep(0.001)
        else:
            return


def answer(path: str) -> bytes:
    """Work, let the tracer go, or fail."""
    if path == "/let-go":
        let_go()
    elif path != "/ping":
        raise LookupError(path)
    return b"done"


def program(
    environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Serve a request."""
    body = answer(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


app = BcdMiddleware(program, tracer=WaitingTracer())
