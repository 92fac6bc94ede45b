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


def register() -> None:
    """Register the default tracer for what ends a server, and what shows where it hangs."""
    tracer = bcd.PythonTracer()
    tracer.set_sigset(signal.SIGINT, signal.SIGTERM, signal.SIGABRT)
    bcd.register(tracer)


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Say when the application is shut down as it should be."""
    if WHERE == "startup":
        register()
    yield
    print("shut down")  # noqa: T201 - for the test


bcd.update_config(bcd.GlobalConfig(rate_limit=0))
if WHERE == "import":
    register()
app = Starlette(lifespan=lifespan)
