"""``bcd.set_attribute`` in Celery tasks: for the task, and not for the next one of its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integrations.celery_workers import Worker
from tests.libraries import need
from tests.servers import REDIS, need_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.server

TASKS = [
    ("says", "tea"),
    ("fail", ""),
    ("says_in_loop", "coffee"),
    ("fail", ""),
    ("says_and_succeeds", "cocoa"),
    ("fail", ""),
    ("says_and_retries", "milk"),
]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent", "eventlet"])
def test_attributes_are_of_one_task(tmp_path: Path, pool: str) -> None:
    """They hold in tasks that it applies, event loops and their threads; a retry starts afresh."""
    need_server(REDIS)
    if pool in {"gevent", "eventlet"}:
        need(pool)
    worker = Worker(tmp_path / "worker", REDIS, pool, TRACED="1")
    try:
        worker.wait_until_ready()
        for number, (task, tenant) in enumerate(TASKS):
            worker.send(task, *filter(None, [tenant]), task_id=f"{task}-{number}")
            worker.outcome(f"{task}-{number}")
        worker.settle()
        notes = worker.notes()
    finally:
        worker.remove()
    said = [
        (note["attributes"].get("shop.tenant"), note["attributes"].get("shop.thread"))
        for note in notes
    ]
    assert said == [
        ("tea", None),
        (None, None),
        ("coffee", "coffee"),
        (None, None),
        (None, None),
        (None, None),
    ]
    assert [note["text"] for note in notes][-1] == "at last"
