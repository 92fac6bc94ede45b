"""An application that registers for signals in its worker, or before the workers are forked."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import bcd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Tracer(bcd.PythonTracer):
    """The default tracer for the signals of a worker."""

    def sigset(self) -> list[int]:
        """What ends a worker, and what the arbiter sends one that hangs."""
        return [signal.SIGINT, signal.SIGTERM, signal.SIGABRT]

    def set_sigchan(self, chan: object) -> None:
        """Nobody looks at it."""


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
    bcd.register(Tracer())
