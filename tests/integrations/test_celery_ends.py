"""Celery workers whose processes end, or whose tasks run out of time, while a tracer works."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.integrations.celery_workers import Worker
from tests.integrations.conftest import poll
from tests.servers import REDIS, need_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., Worker]

pytestmark = pytest.mark.server


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A FIFO at which tracers wait; none does so any more when the test is over."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    yield path
    with contextlib.suppress(OSError):
        while True:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def let_go(gate: Path) -> None:
    """Let the tracers go on that wait at a gate, or come there."""
    os.close(os.open(gate, os.O_WRONLY))


@pytest.fixture
def start(tmp_path: Path, gate: Path) -> Iterator[Start]:
    """Start a worker, with a tracer that waits at the gate."""
    need_server(REDIS)
    workers = []

    def start(pool: str, tracer: str, *arguments: str) -> Worker:
        live = tmp_path / "live"
        live.write_text(f"#!/bin/sh\nread line < {gate}\n")
        live.chmod(0o700)
        environment = {"TRACED": "1", "TRACER": tracer, "GATE": str(gate)}
        worker = Worker(
            tmp_path / "worker", REDIS, pool, *arguments, LIVE_TRACER=str(live), **environment
        )
        workers.append(worker)
        worker.wait_until_ready()
        return worker

    yield start
    for worker in workers:
        worker.remove()


def test_process_that_ends_leaves_its_snapshot(start: Start, gate: Path) -> None:
    """With ``max_tasks_per_child=1`` the process is gone before its tracer begins (trap 2).

    The one that follows it has a slot of its own, though it was forked by a process that has
    none to give (trap 1).
    """
    worker = start("prefork", "late", "--max-tasks-per-child", "1")
    for number in (1, 2):
        worker.send("fail", f"{number}", task_id=f"fail-{number}")
        worker.outcome(f"fail-{number}")
        pid = poll(lambda: worker.notes()[number - 1 :], "the error")[0]["pid"]  # noqa: B023 - now
        poll(lambda: not psutil.pid_exists(pid), "its end")  # noqa: B023 - likewise
    let_go(gate)
    snapshots = worker.snapshots(2)
    pids = [note["pid"] for note in worker.notes()]
    assert len({worker.process.pid, *pids}) == 3
    assert {snapshot["process"]["pid"] for snapshot in snapshots} == set(pids)
    told = [each["exception"]["list"][0]["message"] for each in snapshots]
    assert sorted(told) == ["1", "2"]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_warm_shutdown_waits_for_no_tracer(start: Start, gate: Path, pool: str) -> None:
    """SIGTERM during a trace: the status is 0 as ever, and the snapshot still comes (trap 16)."""
    worker = start(pool, "late")
    worker.send("fail")
    worker.outcome("fail")
    poll(worker.notes, "the error")
    assert worker.stop() == 0
    assert worker.snapshots() == []
    let_go(gate)
    log = gate.with_name("gate.log")
    poll(lambda: "status" in log.read_text(), "the tracer's end")
    assert len(worker.snapshots()) == 1, log.read_text()


def test_time_limit_during_a_trace(start: Start, gate: Path) -> None:
    """A tracer of the living process is waited for; the soft limit that strikes then (trap 3).

    The task had failed before, by an error of its own, and that is its outcome.
    """
    worker = start("prefork", "live")
    worker.send("fails_in_time")
    poll(lambda: "Soft time limit" in str(worker.lines), "the limit")
    worker.settle()
    result = worker.outcome("fails_in_time")["result"]
    assert (result["exc_type"], result["exc_message"]) == ("Boom", ["in time"])
    log = "\n".join(worker.lines)
    assert "raised unexpected: Boom('in time')" in log
    assert "Signal handler" not in log
    worker.send("fail")  # the slot is free again
    let_go(gate)
    worker.settle()
    assert len(worker.notes()) == 2
