"""What becomes of a server when every request fails, and of its other routes during a trace?

uvicorn with one worker (Starlette) and gunicorn with two (Flask); bare, bcd at its default rate
limit, and sentry-sdk, in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.load import Client, Load, ask_again, press
from tests.bench.peers import SENTRY
from tests.bench.tables import print_table, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = ("bare", "bcd", *(("sentry",) if SENTRY else ()))
ROUNDS = 5
SECONDS = 8
CONNECTIONS = 20
FAILING = "fail/10/nothing"
FAILURES = 20
PAUSE = 0.6
"""Seconds between failing requests; on busy processors a tracer, which is niced, takes as long."""
GOAL_RATE, GOAL_P99 = 0.97, 1.1


def uvicorn(port: int, log_level: str) -> list[str]:
    """How uvicorn is started, with one worker."""
    arguments = ["uvicorn", "tests.bench.server:app", "--port", str(port), "--no-access-log"]
    return [*arguments, "--log-level", log_level]


def gunicorn(port: int, log_level: str) -> list[str]:
    """How gunicorn is started, with two workers of its default kind."""
    arguments = ["gunicorn", "tests.bench.server:application", "--bind", f"127.0.0.1:{port}"]
    return [*arguments, "--workers", "2", "--log-level", log_level]


@contextlib.contextmanager
def served(  # noqa: PLR0913 - all but the first three are options, given by name
    by: Callable[[int, str], list[str]],
    kind: str,
    folder: str,
    *,
    quiet: bool,
    rate_limit: float = 3,
    heap: int = 0,
) -> Iterator[str]:
    """A server of its own; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *by(port, "critical" if quiet else "error")]
    settings = {"BENCH_KIND": kind, "BENCH_RATE_LIMIT": str(rate_limit), "BCD_DIR": folder}
    settings["BENCH_HEAP"] = str(heap)
    settings["BCD_LIMITS"] = "alike=200"  # all are counted
    settings["BENCH_QUIET"] = "1" if quiet else ""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, env={**os.environ, **settings}, stderr=log) as server,
    ):
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()


def wait_for(port: int) -> None:
    """Wait until a server listens; at most 20 s."""
    ends = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
        else:
            return


def storm(by: Callable[[int, str], list[str]], *, quiet: bool) -> None:
    """Let every request fail, and print what is left of the throughput.

    The goals are those with uvicorn's own log: without it a request takes 0.1 ms, and wrk, the
    server and the tracer have to share two processors.
    """
    found: dict[str, list[Load]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = {
            kind: stack.enter_context(served(by, kind, folder, quiet=quiet)) for kind in KINDS
        }
        for url in servers.values():
            press(url + FAILING, 1, CONNECTIONS)
        for _ in range(ROUNDS):
            for kind, url in servers.items():
                found[kind].append(press(url + FAILING, SECONDS, CONNECTIONS))
        written = len(list(Path(folder).iterdir()))
    logs = "no log" if quiet else "tracebacks logged"
    head = ["medians", "requests/s", "of bare", "goal", "p50 ms", "p99 ms", "of bare", "goal"]
    rows = [[kind, *cells(kind, found)] for kind in KINDS]
    print_table(
        f"{by.__name__}, every request fails, {CONNECTIONS} connections, {logs}", head, rows
    )
    print(f"  snapshots written meanwhile: {written}")


def cells(kind: str, found: dict[str, list[Load]]) -> list[str]:
    """The cells of one row; ratios are the medians of those within each round."""
    rounds = list(zip(found[kind], found["bare"], strict=True))
    rate = statistics.median(ours.rate / bare.rate for ours, bare in rounds)
    p99 = statistics.median(ours.p99 / bare.p99 for ours, bare in rounds)
    goals = ["", ""]
    if kind == "bcd":
        goals = [verdict(rate, GOAL_RATE, at_least=True), verdict(p99, GOAL_P99)]
    middle = Load(*(statistics.median(values) for values in zip(*found[kind], strict=True)))
    return [
        f"{middle.rate:.0f}",
        f"{rate:.3f}",
        goals[0],
        f"{middle.p50:.2f}",
        f"{middle.p99:.2f}",
        f"{p99:.2f}",
        goals[1],
    ]


def neighbours() -> None:
    """Measure another route while errors are traced one after the other."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            with served(uvicorn, kind, folder, quiet=True, rate_limit=0) as url:
                times = sorted(asyncio.run(pings_during_failures(url)))
            worst = statistics.median(times[-FAILURES:])
            percentile = times[len(times) * 99 // 100]
            rows.append([kind, f"{times[len(times) // 2]:.2f}", f"{percentile:.2f}"])
            rows[-1] += [f"{worst:.1f}", f"{times[-1]:.1f}"]
        written = len(list(Path(folder).iterdir()))
    head = ["ms", "p50", "p99", f"median of the worst {FAILURES}", "worst"]
    print_table(f"GET /ping while {FAILURES} requests fail, one each {PAUSE} s", head, rows)
    print(f"  errors that bcd traced: {written} of {FAILURES}, others came while a tracer ran")


async def pings_during_failures(url: str) -> list[float]:
    """The times of ``/ping`` in ms while requests fail now and then."""
    over = asyncio.Event()
    pings = asyncio.create_task(ask_again(url + "ping", over))
    for _ in range(FAILURES):
        await asyncio.sleep(PAUSE)
        failing = await Client.to(url + FAILING)
        await failing.get()
        failing.close()
    await asyncio.sleep(PAUSE)
    over.set()
    return await pings


if __name__ == "__main__":
    storm(uvicorn, quiet=False)
    storm(uvicorn, quiet=True)
    storm(gunicorn, quiet=False)
    neighbours()
