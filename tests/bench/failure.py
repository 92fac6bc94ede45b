"""How long does a traced error hold the request, and what does one cost that is not traced?

Every variant has a process of its own, as sentry-sdk patches the frameworks and a heap of
500 MB is not to be had twice; they are asked in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcd
from bcd.integrations import asgi
from bcd.integrations.flask import Bcd
from tests.bench.apps import flask_app, objects_of, prepare, starlette_app
from tests.bench.calls import asgi_request, call_asgi, call_wsgi, wsgi_request
from tests.bench.peers import SENTRY, start_sentry
from tests.bench.rounds import added, interleave, quiet
from tests.bench.tables import print_table, verdict
from tests.bench.worker import Worker, serve

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 12
GOAL_HELD = 3.0  # ms
GOAL_PASSED = 10.0  # µs
SCENES = {
    "Starlette, 10 frames": ("starlette", 10, "nothing"),
    "Starlette, 50 frames": ("starlette", 50, "nothing"),
    "Starlette, 200 frames": ("starlette", 200, "nothing"),
    "a 100,000-entry dict": ("starlette", 10, "dict"),
    "a 10 MB string": ("starlette", 10, "string"),
    "a __repr__ of 1 s": ("starlette", 10, "slow"),
    "Flask, 10 frames": ("flask", 10, "nothing"),
    "Flask, 200 frames": ("flask", 200, "nothing"),
}
_OTHERS = 50
"""Requests that succeed before each one that fails; after an earlier trace the first to write
to a page pays for that, and at the default rate limit it would not be the traced error."""


# ---------------------------------------------------------------- the process that fails


class Failing:
    """Applications of one variant in this process.

    Args:
        kind: ``bare``, ``bcd`` or ``sentry``.
        heap: MB of small objects that the process holds.
    """

    def __init__(self, kind: str, heap: int) -> None:
        self._ballast = objects_of(heap)
        if kind == "sentry":
            start_sentry()
        self._starlette: Any = starlette_app()
        self._flask: Any = flask_app()
        if kind == "bcd":
            bcd.update_config(bcd.GlobalConfig(rate_limit=0))
            self._starlette = asgi.BcdMiddleware(self._starlette)
            Bcd(self._flask)

    def fail(self, framework: str, frames: int, what: str) -> dict[str, float]:
        """Send one request that fails.

        Returns:
            Milliseconds until its error or answer came out, the processor time of this process
            until then, and the processor time of the tracer.
        """
        prepare(what)
        for _ in range(_OTHERS):
            call_asgi(self._starlette, asgi_request("/ping"))
        path = f"/fail/{frames}/{what}"
        send = self._ask_flask if framework == "flask" else self._ask_starlette
        cpu, wall = time.process_time(), time.perf_counter()
        send(path)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        before = _cpu_of_children()
        bcd.flush(60)
        tracer = _cpu_of_children() - before
        return {"wall": wall * 1e3, "cpu": cpu * 1e3, "tracer": tracer * 1e3}

    def _ask_starlette(self, path: str) -> None:
        with contextlib.suppress(ValueError):
            call_asgi(self._starlette, asgi_request(path))

    def _ask_flask(self, path: str) -> None:
        call_wsgi(self._flask, wsgi_request(path))


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# ---------------------------------------------------------------- errors that are traced


def traced() -> None:
    """Measure the errors that are traced, by depth and by what a variable holds."""
    kinds = ["bare", "bcd", *(["sentry"] if SENTRY else [])]
    rows = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        workers = {kind: stack.enter_context(failing(kind, 50, folder)) for kind in kinds}
        for title, scene in SCENES.items():
            found = in_turn(workers, scene)
            rows.append([title, *cells(found)])
        lost = len(rows) + (len(rows) - 1) * ROUNDS + 1 - len(list(Path(folder).iterdir()))
    print_held("A traced error holds the request (Starlette, 50 MB)", rows)
    print(f"  snapshots that bcd did not write: {lost}")


def by_heap() -> None:
    """Measure the same error in processes of different size."""
    rows = []
    for heap in (100, 500):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            workers = {
                kind: stack.enter_context(failing(kind, heap, folder))
                for kind in ("bare", "bcd", *(["sentry"] if SENTRY else []))
            }
            found = in_turn(workers, SCENES["Starlette, 10 frames"])
            rows.append([f"{heap} MB of heap, 10 frames", *cells(found, judged=heap <= 100)])
    print_held("The same by the size of the process", rows)


def failing(kind: str, heap: int, folder: str) -> Worker:
    """A process to fail in."""
    return Worker("tests.bench.failure", "--kind", kind, "--heap", str(heap), folder=folder)


def in_turn(
    workers: dict[str, Worker], scene: tuple[str, int, str]
) -> dict[str, dict[str, list[float]]]:
    """Let each process fail in turn; the first time does not count."""
    framework, frames, what = scene
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(2 if what == "slow" else ROUNDS + 1):
        for kind, worker in workers.items():
            times = worker.ask(framework=framework, frames=frames, what=what)
            for name, value in times.items() if number else ():
                found[kind][name].append(value)
    return found


def cells(found: dict[str, dict[str, list[float]]], *, judged: bool = True) -> list[str]:
    """The cells of one row."""
    middle = {
        kind: {name: statistics.median(values) for name, values in times.items()}
        for kind, times in found.items()
    }
    ours, least = middle["bcd"]["wall"], min(found["bcd"]["wall"])
    sentry = middle.get("sentry")
    return [
        f"{middle['bare']['wall']:.2f}",
        f"{ours:.2f}",
        f"{least:.2f}",
        f"{middle['bcd']['cpu']:.2f}",
        f"{middle['bcd']['tracer']:.0f}",
        f"{sentry['wall']:.1f}" if sentry else "-",
        f"{sentry['cpu']:.1f}" if sentry else "-",
        f"{ours / sentry['wall']:.3f}" if sentry else "-",
        verdict(ours, GOAL_HELD) if judged else "",
    ]


def print_held(title: str, rows: list[list[str]]) -> None:
    """Print a table of :func:`cells`."""
    head = ["ms, medians", "bare", "bcd", "(least)", "cpu", "tracer's", "sentry", "cpu"]
    print_table(title, [*head, "bcd/sentry", "goal"], rows)
    if not SENTRY:
        print("  sentry-sdk is not installed and was skipped")


# ---------------------------------------------------------------- errors that the limit lets pass


def passed() -> None:
    """Measure what is added to an error that is only counted."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Worker("tests.bench.failure", "--kind", "passed", folder=folder) as worker,
    ):
        for title in ("Starlette, 10 frames", "Starlette, 200 frames", "Flask, 10 frames"):
            framework, frames, _ = SCENES[title]
            middle, least = worker.ask(framework=framework, frames=frames)
            goal = verdict(middle, GOAL_PASSED)
            rows.append([title, f"{middle:+.1f}", f"{least:+.1f}", goal])
    head = ["µs added", "median", "(of minima)", "goal"]
    print_table("An error that the rate limit lets pass", head, rows)


class Passing:
    """Applications in this process whose errors the limit lets pass."""

    def __init__(self) -> None:
        bcd.update_config(bcd.GlobalConfig(rate_limit=3600))
        inner, guarded = starlette_app(), flask_app()
        Bcd(guarded)
        self._asgi = {"bare": inner, "bcd": asgi.BcdMiddleware(inner)}
        self._wsgi = {"bare": flask_app(), "bcd": guarded}
        _fail_asgi(self._asgi["bcd"], 1)  # the one that is traced
        bcd.flush(60)

    def measure(self, framework: str, frames: int) -> tuple[float, float]:
        """What bcd adds, in µs: the median and the difference of the minima."""
        apps, send = (self._wsgi, _fail_wsgi) if framework == "flask" else (self._asgi, _fail_asgi)
        cases = {name: partial(_microseconds, send, app, frames) for name, app in apps.items()}
        with quiet():
            found = interleave(cases, 400)
        return added(found["bcd"], found["bare"])


def _microseconds(send: Callable[[Any, int], None], app: Any, frames: int) -> float:
    start = time.perf_counter_ns()
    for _ in range(10):
        send(app, frames)
    return (time.perf_counter_ns() - start) / 10 / 1000


def _fail_asgi(app: Any, frames: int) -> None:
    with contextlib.suppress(ValueError):
        call_asgi(app, asgi_request(f"/fail/{frames}/nothing"))


def _fail_wsgi(app: Any, frames: int) -> None:
    call_wsgi(app, wsgi_request(f"/fail/{frames}/nothing"))


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind")
    parser.add_argument("--heap", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.kind == "passed":
        serve(Passing().measure)
    elif chosen.kind:
        serve(Failing(chosen.kind, chosen.heap).fail)
    else:
        traced()
        by_heap()
        passed()


if __name__ == "__main__":
    main()
