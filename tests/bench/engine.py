"""What does the engine cost: an error that finds the slot taken, and a trace beside its tracer?

The tracer is ``/bin/true``, so that what is left is the engine. It is run by bcd, by
``os.posix_spawn`` with ``os.waitpid``, which is the least that can be done, and by
``subprocess.run``, in turn and in one process.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING

import bcd
from bcd.engine import flush, trace
from bcd.engine.attempt import GATE
from bcd.integrations._capture import Capture
from bcd.tracer import Command
from tests.bench.rounds import added, interleave, quiet
from tests.bench.tables import print_table, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

TRUE = "/bin/true"
ROUNDS = 400
ERRORS = 200
"""A round of errors that find the slot taken."""
GOAL_BUSY = 10.0  # µs
GOAL_ADDED = 1.0  # ms


class TrueTracer(bcd.BTTracer):
    """Runs a program that does nothing."""

    def finalize(self, _options: list[str]) -> Command:
        """Run it without the options."""
        return Command(argv=[TRUE])


class ThisRequest:
    """An occasion of its own for each error, as in a storm of failing requests."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self._number = next(self.numbers)

    def scope(self) -> int:
        """No two are the same."""
        return self._number

    def client_gone(self) -> bool:
        """Nobody has hung up."""
        return False

    def attributes(self, _error: BaseException) -> dict[str, str]:
        """Not asked for, as the slot is taken."""
        raise AssertionError


# ---------------------------------------------------------------- errors that find the slot taken


def taken() -> None:
    """Measure what an error costs while another trace runs."""
    tracer = TrueTracer()
    capture = Capture("bench", tracer)
    cases: dict[str, Callable[[], float]] = {
        "trace(wait=False)": partial(each, lambda error: trace(tracer, error, wait=False)),
        "Capture.take": partial(each, lambda error: capture.take(error, ThisRequest())),
        "an empty call (included above)": partial(each, lambda _error: None),
    }
    slot = GATE.try_acquire()
    assert slot is not None
    with quiet():
        interleave(cases, 20)
        found = interleave(cases, ROUNDS)
    slot.give_back()
    rows = []
    for name, times in found.items():
        middle = statistics.median(times)
        goal = "" if "empty" in name else verdict(round(middle, 2), GOAL_BUSY)
        rows.append([name, f"{middle:.2f}", f"{min(times):.2f}", goal])
    print_table("An error that finds the slot taken", ["µs", "median", "least", "goal"], rows)


def each(take: Callable[[BaseException], object]) -> float:
    """Time of one error in µs, the mean over a round."""
    errors = [ValueError(str(number)) for number in range(ERRORS)]
    start = perf_counter_ns()
    for error in errors:
        take(error)
    return (perf_counter_ns() - start) / ERRORS / 1000


# ---------------------------------------------------------------- traces


def traced() -> None:
    """Measure what a trace adds to the time that its tracer takes anyhow."""
    bcd.update_config(bcd.GlobalConfig(rate_limit=0))
    tracer, error = TrueTracer(), ValueError("x")
    cases: dict[str, Callable[[], float]] = {
        "os.posix_spawn, os.waitpid": partial(milliseconds, spawn),
        "trace()": partial(milliseconds, lambda: trace(tracer, error).raise_for_error()),
        "subprocess.run, outputs kept": partial(milliseconds, run),
        "trace(detach=True), until it returns": partial(detached, tracer, error),
    }
    interleave(cases, 20)
    found = interleave(cases, ROUNDS)
    bare = found["os.posix_spawn, os.waitpid"]
    rows = []
    for name, times in found.items():
        middle, least = added(times, bare)
        times_as_long = f"{statistics.median(times) / statistics.median(bare):.2f}"
        goal = verdict(round(middle, 2), GOAL_ADDED) if name == "trace()" else ""
        figures = [f"{statistics.median(times):.2f}", f"{middle:+.2f}", f"{least:+.2f}"]
        rows.append([name, *figures, times_as_long, goal])
    head = ["ms", "median", "added", "(of minima)", "ratio", "goal"]
    print_table(f"A trace whose tracer is {TRUE}", head, rows)


def milliseconds(call: Callable[[], object]) -> float:
    """Time of one call in ms."""
    start = perf_counter_ns()
    call()
    return (perf_counter_ns() - start) / 1e6


def spawn() -> None:
    """Run the program with the least that has to be done."""
    pid = os.posix_spawn(TRUE, [TRUE], os.environ)
    os.waitpid(pid, 0)


def run() -> None:
    """Run the program as the standard library does, with the streams that a tracer gets."""
    subprocess.run([TRUE], stdin=subprocess.DEVNULL, capture_output=True, check=True)


def detached(tracer: bcd.BTTracer, error: BaseException) -> float:
    """Time in ms until a detached trace returns; the next one has to wait for its end."""
    took = milliseconds(lambda: trace(tracer, error, detach=True).raise_for_error())
    flush(60)
    return took


if __name__ == "__main__":
    taken()
    traced()
