"""An application that registers for signals when WHERE says: at import, or when it starts."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from starlette.applications import Starlette

import bcd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WHERE = os.environ.get("WHERE", "")


class Tracer(bcd.PythonTracer):
    """The default tracer for the signals of a server."""

    def sigset(self) -> list[int]:
        """What ends a server, and what shows where it hangs."""
        return [signal.SIGINT, signal.SIGTERM, signal.SIGABRT]

    def set_sigchan(self, chan: object) -> None:
        """Nobody looks at it."""


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Say when the application is shut down as it should be."""
    if WHERE == "startup":
        bcd.register(Tracer())
    yield
    print("shut down")  # noqa: T201 - for the test


bcd.update_config(bcd.GlobalConfig(rate_limit=0))
if WHERE == "import":
    bcd.register(Tracer())
app = Starlette(lifespan=lifespan)
