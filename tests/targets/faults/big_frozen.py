"""Traces itself on a frozen copy and is killed while it is read. Usage: big_frozen.py FOLDER"""

import os
import signal
import sys
from pathlib import Path

import bcd
from bcd.engine import trace


def fails(depth, numbers):
    words = {str(number): [number] * 5 for number in numbers}
    if depth:
        return fails(depth - 1, numbers)
    raise LookupError("the program ends")


try:
    fails(50, range(8))
except LookupError as error:
    tracer = bcd.PythonTracer(folder=sys.argv[1], limits={"deadline_ms": 20000})
    assert trace(tracer, error, detach=True).ok
lists = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
print(*(child for each in lists for child in each.split()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
