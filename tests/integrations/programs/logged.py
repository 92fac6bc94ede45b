"""What the programs share that log errors: a way to fail, and bcd set up by the environment.

``TEST_HOOKS`` names the hooks of ``init``; without ``logging`` among them there is a handler.
"""

from __future__ import annotations

import logging
import os
from itertools import count

import bcd
from bcd.integrations.logging import BcdHandler

log = logging.getLogger("shop")
numbers = count(1)


def set_up() -> None:
    """Let all that is logged come to bcd, what the servers log too."""
    hooks = os.environ["TEST_HOOKS"].split(",")
    bcd.init(config=bcd.GlobalConfig(rate_limit=0), hooks=hooks)
    for name in ("gunicorn.error", "uvicorn", "django"):
        logging.getLogger(name).propagate = True
    if "logging" not in hooks:
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
