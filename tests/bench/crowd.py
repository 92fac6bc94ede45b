"""A process with threads, tasks and a heap, of which pictures are taken; see picture.py."""

from __future__ import annotations

import argparse
import asyncio
import resource
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import bcd
from bcd.tracers import default_tracer
from tests.bench.worker import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAMES_OF_ERROR = 10


class Spinner:
    """A thread that runs whenever it may, and knows how long it was not let.

    Attributes:
        longest: Seconds between two moments in which it ran, the longest since the start.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._running = True
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        last = time.perf_counter()
        while self._running:
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    def stop(self) -> float:
        """End the thread; returns the longest gap in ms."""
        self._running = False
        self._thread.join()
        return self.longest * 1000


class Crowd:
    """What there is to see.

    Args:
        threads: How many wait, the main one not counted.
        frames: Depth of each one's stack.
        tasks: How many asyncio tasks wait.
        heap: MB of small objects.
    """

    def __init__(self, threads: int, frames: int, tasks: int, heap: int) -> None:
        self._ballast = [b"%400d" % number for number in range(heap * 1_000_000 // 448)]
        self._stays = threading.Event()
        self._spinner: Spinner | None = None
        for number in range(threads):
            threading.Thread(target=self._stand, args=(frames, number), daemon=True).start()
        ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self._wait(tasks, ready),), daemon=True).start()
        ready.wait()

    def _stand(self, frames: int, number: int) -> None:
        label, numbers = f"frame {frames} of {number}", [number, frames]
        if frames <= 1:
            self._stays.wait()
        else:
            self._stand(frames - 1, number)
        del label, numbers

    async def _wait(self, tasks: int, ready: threading.Event) -> None:
        gate = asyncio.Event()
        made = [asyncio.create_task(_order(gate, number)) for number in range(tasks)]
        await asyncio.sleep(0)
        ready.set()
        await asyncio.gather(*made)

    def answer(self, ask: str, **settings: Any) -> Any:
        """Do what is asked by the name of a method."""
        return getattr(self, ask)(**settings)

    def spin(self) -> float:
        """Start the spinner; returns MB in memory at the most until now."""
        self._spinner = Spinner()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def rest(self) -> float:
        """Stop the spinner; returns the longest gap in ms."""
        assert self._spinner is not None
        return self._spinner.stop()

    def trace(self) -> dict[str, Any]:
        """Let bcd trace an error; returns the path, and the wall time and time held in ms."""
        try:
            _descend(_FRAMES_OF_ERROR - 1)
        except ValueError as error:
            result = bcd.trace(default_tracer(), error)
            result.raise_for_error()
        path = result.stdout.decode().strip()
        return {"path": path, "wall": result.duration * 1000, "held": result.held * 1000}

    def spent(self) -> float:
        """Milliseconds of processor time that the tracers took until now."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (usage.ru_utime + usage.ru_stime) * 1000


def _descend(frames: int) -> None:
    """Fail under so many frames, each with a few variables."""
    cart, total = {"owner": "ada", "lines": [("sencha", frames), ("teapot", 1)]}, frames * 9.5
    if frames <= 1:
        raise ValueError(f"no rate for {cart['owner']}, who owes {total}")
    _descend(frames - 1)


async def _order(gate: asyncio.Event, number: int) -> None:
    customer = f"customer {number}"
    await _pay(gate, number)
    del customer


async def _pay(gate: asyncio.Event, amount: int) -> None:
    with _receipt(amount) as receipt:
        await gate.wait()
        del receipt


@contextmanager
def _receipt(number: int) -> Iterator[str]:
    yield f"receipt {number}"


def main() -> None:
    """Stand there and answer."""
    parser = argparse.ArgumentParser()
    for name in ("threads", "frames", "tasks", "heap"):
        parser.add_argument(f"--{name}", type=int)
    bcd.update_config(bcd.GlobalConfig(rate_limit=0))
    serve(Crowd(**vars(parser.parse_args())).answer)


if __name__ == "__main__":
    main()
