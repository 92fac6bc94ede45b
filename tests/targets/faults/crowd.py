"""A thousand threads trace at once, in four ways.

Usage: crowd.py FOLDER KIND DEADLINE
Prints a JSON object: the names of the errors by way, how long a call took at most, and the log.
"""

import json
import sys
import threading
import time
from collections import Counter

import bcd
from bcd.engine import flush, trace
from bcd.tracer import TraceOptions
from common import TIMEOUT, make
from tests.leftovers import nothing_left

THREADS = 1000
folder, kind, deadline = sys.argv[1:]
options = TraceOptions(timeout=float(deadline))
WAYS = {
    "wait": {"options": options},
    "wait and detach": {"options": options, "detach": True},
    "do not wait": {"wait": False},
    "neither": {"wait": False, "detach": True},
}
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
tracer, lines = make(kind, folder)
names, seconds = {way: [] for way in WAYS}, []
start = threading.Barrier(THREADS)


def call(way):
    start.wait()
    begin = time.monotonic()
    result = trace(tracer, ValueError(way), **WAYS[way])
    seconds.append(time.monotonic() - begin)
    names[way].append(type(result.error).__name__)


threading.stack_size(256 * 1024)
with nothing_left():
    ways = list(WAYS) * (THREADS // len(WAYS))
    threads = [threading.Thread(target=call, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flush(TIMEOUT)
report = {way: Counter(kinds) for way, kinds in names.items()}
print(json.dumps({"errors": report, "longest": max(seconds), "lines": len(lines)}))
