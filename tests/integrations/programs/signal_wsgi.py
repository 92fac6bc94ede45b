"""An application that registers for signals in its worker, or before the workers are forked."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import bcd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def register() -> None:
    """Register the default tracer for what ends a worker, and what it gets when it hangs."""
    tracer = bcd.PythonTracer()
    tracer.set_sigset(signal.SIGINT, signal.SIGTERM, signal.SIGABRT)
    bcd.register(tracer)


def hang(what: str) -> None:
    """Never come back."""
    while what:
        time.sleep(0.05)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer, or hang."""
    if environ["PATH_INFO"] == "/hang":
        hang("the supplier")
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]


if os.environ.get("WHERE") == "import":
    register()
