"""``bcd.integrations.celery`` in real workers on Redis and RabbitMQ, of all pools."""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.integrations.celery_workers import Worker, a_virtual_host
from tests.libraries import need
from tests.servers import RABBITMQ, REDIS, need_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.server

WORKERS = [
    ("prefork", "redis"),
    ("prefork", "rabbitmq"),
    ("threads", "rabbitmq"),
    ("solo", "redis"),
    ("gevent", "rabbitmq"),
    ("eventlet", "redis"),
]
LOCAL = "<locals>.LocalBoom"
PASSWORD = "correct horse battery"  # noqa: S105 - of nobody

# A task → what of it is traced: the type of the error, and the function that raised it.
ALONE: dict[str, list[str]] = {
    "succeed": [],
    "fail": ["Boom in deeper"],
    "fail_with": ["Boom in fail_with"],
    "fail_again": ["Boom in fail_again"],
    "expects": [],
    "is_ignored": [],
    "is_rejected": [],
    "succeeds_later": [],
    "never_succeeds": ["Boom in deeper"],
    "gives_up": ["MaxRetriesExceededError in retry"],
    "retried_for": ["Boom in deeper"],
    "unpicklable": [f"unpicklable.{LOCAL} in unpicklable"],
    "nearly_picklable": [f"nearly_picklable.{LOCAL} in nearly_picklable"],
    "returns_no_json": ["EncodeError in default"],
    "acknowledged_late": ["Boom in deeper"],
    "applies": [],
    "calls": [],
    "sends_chain": [],
    "sends_group": [],
    "sends_chords": [],
    "sends_errbacks": [],
    "is_seen": ["Boom in deeper"],
}
# A task → those that it sends, with the same.
OTHERS: dict[str, dict[str, list[str]]] = {
    "fail_again": {"once-more": ["Boom in fail_again"]},
    "applies": {"applied": ["Boom in deeper"]},
    "sends_chain": {"chain-1": [], "chain-2": ["Boom in deeper"], "chain-3": []},
    "sends_group": {"group-1": ["Boom in deeper"], "group-2": ["Boom in fail_with"]},
    "sends_chords": {
        "header-1": [],
        "header-2": ["Boom in deeper"],
        "body-of-failures": [],  # it has not run, so Celery notes its failure without a signal
        "header-3": [],
        "body-that-fails": ["Boom in fail_with"],
    },
    "sends_errbacks": {
        "called-back": ["Boom in deeper"],  # Celery catches and logs what this errback raises
        "sent-back": ["Boom in deeper"],
        "errback": ["Boom in deeper"],
    },
}
IN_PROCESSES = {
    "takes_long": ["SoftTimeLimitExceeded in soft_timeout_sighandler"],
    "handled_badly": ["LookupError in on_failure"],
    "takes_far_too_long": [],
    "exits": [],
    "is_killed": [],
    "leaves": [],
}


def expected_of(pool: str) -> dict[str, list[str]]:
    """What is traced of all tasks that a pool can run."""
    expected = ALONE | (IN_PROCESSES if pool == "prefork" else {})
    for others in OTHERS.values():
        expected |= others
    return expected


def run_all(worker: Worker, pool: str) -> None:
    """Let all these tasks fail, one after the other."""
    for name in ALONE:
        run(worker, name)
    worker.settle()
    for name in IN_PROCESSES if pool == "prefork" else ():
        run(worker, name)


def run(worker: Worker, name: str) -> None:
    """Run one task, and those that it sends."""
    arguments = {"fail_with": ["SECRET", {"key": "SECRET"}], "is_seen": [PASSWORD, "teapot"]}
    worker.send(name, *arguments.get(name, []), countdown=0.1 if name == "fail" else None)
    if name == "fail_again":
        worker.send(name, task_id="once-more")
    for task in [name, *OTHERS.get(name, ())]:
        if task not in {"applied", "is_ignored", "is_rejected"}:  # have none
            worker.outcome(task)


class Workers:
    """Those that were started, each of which has run all tasks."""

    def __init__(self, folder: Path, virtual_host: str) -> None:
        self._folder = folder
        self._virtual_host = virtual_host
        self._all: list[Worker] = []
        self._started: dict[tuple[str, str, bool], Future[Worker]] = {}

    def get(self, pool: str, broker: str, *, traced: bool = True) -> Worker:
        """One with or without bcd."""
        if pool in {"gevent", "eventlet"}:
            need(pool)
        if (pool, broker, traced) not in self._started:
            keys = [(pool, broker, True), (pool, broker, False)]
            with ThreadPoolExecutor() as threads:
                self._started |= {key: threads.submit(self._start, key) for key in keys}
        return self._started[pool, broker, traced].result()

    def _start(self, key: tuple[str, str, bool]) -> Worker:
        pool, broker, traced = key
        url = REDIS if broker == "redis" else self._virtual_host
        folder = self._folder / f"{pool}-{broker}-{traced}"
        worker = Worker(folder, url, pool, **({"TRACED": "1"} if traced else {}))
        self._all.append(worker)
        worker.wait_until_ready()
        run_all(worker, pool)
        return worker

    def remove(self) -> None:
        """End them all."""
        for worker in self._all:
            worker.remove()


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Workers for all tests of this file, started when they are asked for."""
    need_server(REDIS)
    need_server(RABBITMQ)
    with a_virtual_host() as url:
        started = Workers(tmp_path_factory.mktemp("workers"), url)
        yield started
        started.remove()


def notes_of(worker: Worker, task: str) -> list[dict[str, Any]]:
    """What was traced of a task."""
    return [note for note in worker.notes() if note["attributes"]["messaging.message.id"] == task]


@pytest.mark.parametrize(
    ("pool", "broker", "task"),
    [(pool, broker, task) for pool, broker in WORKERS for task in expected_of(pool)],
)
def test_what_is_traced(workers: Workers, pool: str, broker: str, task: str) -> None:
    """What nobody expects, once, and nothing else (traps 7, 12 and 15)."""
    notes = notes_of(workers.get(pool, broker), task)
    found = [f"{note['type']} in {note['functions'][-1]}" for note in notes]
    assert found == expected_of(pool)[task]


@pytest.mark.parametrize(("pool", "broker"), WORKERS)
class TestWorker:
    def test_traces_where_the_task_ran(self, workers: Workers, pool: str, broker: str) -> None:
        """In the process of the pool, with the frames of the task and what is known of it."""
        worker = workers.get(pool, broker)
        notes = worker.notes()
        pids = {note["pid"] for note in notes}
        assert (worker.process.pid in pids) == (pool != "prefork")
        for note in notes:
            attributes = note["attributes"]
            assert note["functions"][0] == "trace_task"
            assert attributes["bcd.integration"] == "celery"
            assert attributes["celery.task_name"].startswith("celery_program.")
            inner = attributes["messaging.message.id"] == "applied"
            assert attributes.get("messaging.destination.name") == (None if inner else worker.name)
            assert ("@" in attributes["celery.hostname"]) is not inner
            assert "SECRET" not in str(note)
        retried = {"never_succeeds", "gives_up", "retried_for"}
        assert retried == {
            note["attributes"]["messaging.message.id"]
            for note in notes
            if note["attributes"]["celery.retries"] == "1"
        }

    def test_snapshot(self, workers: Workers, pool: str, broker: str) -> None:
        """It shows the task's frames and variables, without secrets."""
        worker = workers.get(pool, broker)
        (note,) = notes_of(worker, "is_seen")
        (snapshot,) = worker.snapshots(1)
        assert snapshot["process"]["pid"] == note["pid"]
        assert snapshot["classifiers"] == ["celery_program.Boom"]
        assert note["attributes"].items() <= snapshot["attributes"].items()
        frames = snapshot["exception"]["list"][snapshot["exception"]["root"]]["frames"]
        assert [frame["function"] for frame in frames][-2:] == ["is_seen", "deeper"]
        variables = {variable["name"]: variable["value"] for variable in frames[-2]["locals"]}
        assert (variables["item"], variables["password"]) == ("'teapot'", "[redacted]")
        assert PASSWORD not in str(snapshot)

    def test_says_little(self, workers: Workers, pool: str, broker: str) -> None:
        """Failures that the worker reports are a line each, a hard time limit too (trap 7)."""
        lost = {
            "handled_badly": "LookupError: handler",
            "takes_far_too_long": "TimeLimitExceeded: TimeLimitExceeded(1,)",
            "exits": "WorkerLostError: Worker exited prematurely: exitcode 3",
            "is_killed": "WorkerLostError: Worker exited prematurely: signal 9 (SIGKILL)",
            "leaves": "WorkerLostError: Worker exited prematurely: exitcode 4",
        }
        said = workers.get(pool, broker).said_by_bcd()
        assert len(said) == (len(lost) if pool == "prefork" else 0), said
        for line, (task, text) in zip(said, lost.items(), strict=False):
            assert line.startswith(f"celery: task celery_program.{task}[{task}] left nothing")
            assert text in line


@pytest.mark.parametrize(("pool", "broker"), WORKERS)
def test_changes_no_outcome(workers: Workers, pool: str, broker: str) -> None:
    """State, result, traceback, log, queue and exit status are as without bcd (traps 7 and 10)."""
    both = traced, bare = [workers.get(pool, broker, traced=traced) for traced in (True, False)]
    for task in expected_of(pool):
        assert outcome_of(traced, task) == outcome_of(bare, task)
    assert traced.waiting() == bare.waiting() == 0
    with ThreadPoolExecutor() as threads:
        assert list(threads.map(Worker.stop, both)) == [0, 0]
    assert log_of(traced) == log_of(bare)


def outcome_of(worker: Worker, task: str) -> object:
    """What is stored of a task, as far as it does not differ from run to run."""
    meta = worker.meta(task)
    if meta is not None:
        meta["date_done"] = meta["worker"] = meta["queue"] = ""
    return without_chance(worker, str(meta))


def log_of(worker: Worker) -> list[str]:
    """What a worker said, in no particular order, for it has two processes."""
    lines = worker.all_lines()
    start = next(n for n, line in enumerate(lines) if line.endswith(" ready."))
    lines = [line for line in lines[start:] if "[bcd]" not in line]
    return sorted(without_chance(worker, line) for line in lines)


def without_chance(worker: Worker, text: str) -> str:
    """A text without what differs from run to run."""
    text = text.replace(worker.name, "NAME")
    return re.sub(
        r"0x\w+|pid:\d+|Job: \d+|in [\d.e-]+s|\w{32}|(?<=Worker-)\d+|\w+(-\w+){4}", "…", text
    )
