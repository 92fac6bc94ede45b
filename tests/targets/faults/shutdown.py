"""Ends, as programs end, while there are traces.

Usage: shutdown.py FOLDER KIND MOMENT
Prints what became of each trace that returned.
"""

import atexit
import os
import sys
import threading

import bcd
from bcd.engine import flush, trace
from bcd.tracer import TraceOptions
from common import TIMEOUT, make
from tests.leftovers import inventory

folder, kind, moment = sys.argv[1:]
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
tracer, _ = make(kind, folder, "cat; exec sleep 0.1")


def work(*ways):
    for way in ways:
        result = trace(tracer, ValueError("x"), TraceOptions(timeout=TIMEOUT), detach=way)
        os.write(1, f"{result.error}\n".encode())


def start_threads(daemon):
    for _ in range(3):
        threading.Thread(target=work, args=(False, False), daemon=daemon).start()
    while not inventory().processes:  # until a tracer runs
        os.sched_yield()


class Dropped:
    def __del__(self):
        work(True, False)


if moment == "daemon threads":
    start_threads(daemon=True)
elif moment == "threads":
    start_threads(daemon=False)
elif moment == "a handler of atexit":
    atexit.register(lambda: flush(TIMEOUT))
    atexit.register(work, True, False)
elif moment == "the last finalizers":
    sys.modules["dropped"] = Dropped()  # goes with its module, after threading is no more
