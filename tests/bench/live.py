"""How long does an error that is traced hold a live worker?

uvicorn with one worker that holds 100 MB of objects; bare, bcd and sentry-sdk, asked in turn.
Starlette answers before the error reaches the server, which then ends the connection: until then
the worker serves nobody else. Each error of bcd's worker is traced, and the next request waits
for the end of that tracer, as it would at the default rate limit.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from tests.bench.storm import FAILING, KINDS, served, uvicorn
from tests.bench.tables import print_table, verdict

HEAP = 100  # MB
ROUNDS = 100
_OTHERS = 20
"""Requests that succeed before each one that fails: what they write to needs no copying then."""
_LONGEST_TRACER = 10.0  # seconds
GOAL_HELD = 3.0  # ms


class Times(NamedTuple):
    """ms until the answer to a request had come, and until its connection was over."""

    answered: float
    over: float


def ask(port: int, path: str) -> Times:
    """Send one request on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = f"GET /{path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()
        start = time.perf_counter()
        connection.sendall(request)
        connection.recv(65536)
        answered = time.perf_counter()
        while connection.recv(65536):
            continue
        over = time.perf_counter()
    return Times((answered - start) * 1000, (over - start) * 1000)


def fail(kind: str, port: int, folder: str) -> Times:
    """Send a request that fails, after others, and wait for the snapshot of it."""
    for _ in range(_OTHERS):
        ask(port, "ping")
    before = len(snapshots(folder))
    times = ask(port, FAILING)
    ends = time.monotonic() + _LONGEST_TRACER
    while kind == "bcd" and len(snapshots(folder)) == before and time.monotonic() < ends:
        time.sleep(0.01)
    return times


def live() -> None:
    """Measure, and print the table."""
    found: dict[str, list[Times]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        ports = {
            kind: int(stack.enter_context(serving(kind, folder)).rpartition(":")[2].strip("/"))
            for kind in KINDS
        }
        for number in range(ROUNDS + 1):
            for kind, port in ports.items():
                times = fail(kind, port, folder)
                found[kind] += [times] if number else []  # the first one loads what it needs
        lost = ROUNDS + 1 - len(snapshots(folder))
    rows = [[kind, *cells(found[kind], found["bare"], kind)] for kind in KINDS]
    head = ["ms", "answered", "p99", "over", "p99", "added", "p99", "goal"]
    print_table(f"A request that fails in a live worker of uvicorn, {HEAP} MB", head, rows)
    print(f"  snapshots that bcd did not write: {lost}")


def serving(kind: str, folder: str) -> contextlib.AbstractContextManager[str]:
    """A server whose errors are all traced."""
    return served(uvicorn, kind, folder, quiet=True, rate_limit=0, heap=HEAP)


def snapshots(folder: str) -> list[Path]:
    """The snapshots written so far."""
    return list(Path(folder).glob("*.bcd.json*"))


def cells(ours: list[Times], bare: list[Times], kind: str) -> list[str]:
    """The cells of one row: medians and 99th percentiles, and what is added to the bare ones."""
    answered, over = ([times[which] for times in ours] for which in (0, 1))
    middle = statistics.median(over) - statistics.median(times.over for times in bare)
    late = percentile(over) - percentile([times.over for times in bare])
    shown = [statistics.median(answered), percentile(answered)]
    shown += [statistics.median(over), percentile(over)]
    added = ["", "", ""] if kind == "bare" else [f"{middle:+.2f}", f"{late:+.2f}", ""]
    if kind == "bcd":
        added[2] = verdict(middle, GOAL_HELD)
    return [*(f"{value:.2f}" for value in shown), *added]


def percentile(values: list[float]) -> float:
    """The 99th."""
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    live()
