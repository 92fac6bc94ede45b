"""Traces in the master of gunicorn as it is loaded, and then in each worker. For tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import bcd
from bcd.integrations.wsgi import BcdMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

bcd.update_config(bcd.GlobalConfig(rate_limit=0))
tracer = bcd.PythonTracer()
bcd.trace(tracer, ValueError(f"loaded by {os.getpid()}"))
# This one is under way while the workers are forked.
bcd.trace(tracer, ValueError(f"forked by {os.getpid()}"), detach=True)


def fails(_environ: object, _start_response: Callable[..., object]) -> list[bytes]:
    """Fail in a worker, once it has the slot free again."""
    bcd.flush()
    raise LookupError(f"served by {os.getpid()}")


app = BcdMiddleware(fails, tracer=tracer)  # type: ignore[arg-type]  # the barest of applications
