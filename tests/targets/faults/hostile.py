"""Traces itself with values that would take much memory. Usage: hostile.py FOLDER KIND

Prints JSON: MiB that the tracer had in memory at the most, and the path of the snapshot.
"""

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path

import bcd

FACE = "\U0001f600"  # four bytes in memory, twelve in JSON
folder, kind = sys.argv[1:]
limits = {"values": 10**6, "file_bytes": 3 * 10**7, "deadline_ms": 5000} if kind == "beyond" else {}
tracer = bcd.PythonTracer(folder=folder, limits=limits)


class Watch:
    """Looks at the tracer while it runs."""

    def __init__(self):
        self.peak = 0
        self.stop = False
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        while not self.stop:
            for path in Path("/proc/self/task").glob("*/children"):
                try:
                    for child in path.read_text().split():
                        self.note(Path(f"/proc/{child}"))
                except OSError:  # it has ended
                    continue
            time.sleep(0.001)

    def note(self, process):
        if b"ptrace" in (process / "cmdline").read_bytes():  # before, it is the program's memory
            for line in (process / "status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    self.peak = max(self.peak, int(line.split()[1]) // 1024)


def report(error):
    watch = Watch()
    result = bcd.trace(tracer, error)
    watch.stop = True
    watch.thread.join()
    result.raise_for_error()
    print(json.dumps({"peak": watch.peak, "path": result.stdout.decode().strip()}))


def strings():
    text, data = FACE * 10_000_000, b"x" * 40_000_000
    raise LookupError(FACE * 1_000_000)


def containers():
    numbers, names, kinds = list(range(5_000_000)), dict.fromkeys(range(500_000)), set(range(500_000))
    raise LookupError(numbers)


def values(depth=120):
    lines = [f"    v{number} = [FACE * 190 + str(depth * 100 + {number})] * 6" for number in range(60)]
    source = ["def deep(depth):", *lines, "    if depth: return deep(depth - 1)", "    raise LookupError"]
    space = {"FACE": FACE}
    exec("\n".join(source), space)
    space["deep"](depth)


def threads():
    gate = threading.Event()

    def stand(depth):
        held = [depth] * 5
        stand(depth - 1) if depth else gate.wait()

    threading.stack_size(1 << 18)
    for _ in range(1000):
        threading.Thread(target=stand, args=(10,), daemon=True).start()
    raise LookupError("so many threads")


async def wait(future):
    await future


async def tasks():
    future = asyncio.get_running_loop().create_future()
    waiting = [asyncio.create_task(wait(future)) for _ in range(100_000)]
    await asyncio.sleep(0)
    report(None)
    sys.stdout.flush()
    os._exit(0)


if kind == "tasks":
    asyncio.run(tasks())
try:
    {"strings": strings, "containers": containers, "values": values, "beyond": values, "threads": threads}[kind]()
except LookupError as error:
    report(error)
sys.stdout.flush()
os._exit(0)
