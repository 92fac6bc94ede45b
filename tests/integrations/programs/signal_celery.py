"""A Celery worker with one task that waits; registers when WHERE says."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from celery import Celery
from celery.signals import task_prerun, worker_ready

import bcd

WHERE = os.environ.get("WHERE", "")
app = Celery("signals", broker="memory://")
app.conf.worker_hijack_root_logger = False


def register() -> None:
    """Register the default tracer for what ends a worker, and what shows where it hangs."""
    tracer = bcd.PythonTracer()
    tracer.set_sigset(signal.SIGINT, signal.SIGTERM, signal.SIGABRT)
    bcd.register(tracer)


@app.task
def work() -> None:
    """Take as long as the test wants."""
    print("working", flush=True)  # noqa: T201 - for the test
    Path(os.environ["GATE"]).read_text()
    print("worked", flush=True)  # noqa: T201


@task_prerun.connect
def begin_child(**_: object) -> None:
    """Register in the child, after the pool has set its last handler there."""
    if WHERE == "child":
        register()


@worker_ready.connect
def begin(**_: object) -> None:
    """Send the one task."""
    if WHERE == "ready":
        register()
    work.delay()


if WHERE == "import":
    register()
