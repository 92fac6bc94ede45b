"""Kills its tracer at random moments, and looks each time at what is left.

Usage: killed_tracer.py FOLDER SEED COUNT
Prints JSON: how many tracers were killed, how many were not in time, and how far the program
got meanwhile.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import bcd
from bcd.engine import flush, trace
from common import TIMEOUT, make
from tests.leftovers import nothing_left

folder, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
tracer, lines = make("bcd", folder)
dice = random.Random(seed)
steps, running = 0, True


def go_on():
    global steps
    while running:
        steps += 1
        time.sleep(0.0001)


def children():
    lists = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return {int(child) for each in lists for child in each.split()}


def is_tracer(pid):
    try:
        return b"ptrace" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return False


def take(wait):
    """One trace whose tracer is killed after some seconds; returns what became of it."""
    lines.clear()
    with nothing_left():
        before = steps
        assert trace(tracer, LookupError("x"), detach=True).ok
        found = [pid for pid in children() if is_tracer(pid)]
        if wait is not None:
            time.sleep(wait)
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert flush(TIMEOUT)
    if steps == before:
        time.sleep(0.01)
    assert steps > before
    return "\n".join(lines)


threading.Thread(target=go_on, daemon=True).start()
began = time.monotonic()
assert take(None) == ""
usual = time.monotonic() - began
said = [take(dice.uniform(0, 0.9) * usual) for _ in range(count)]
assert take(None) == "", "the slot is free, and the next one works"
running = False
killed = sum("SIGKILL" in each for each in said)
print(json.dumps({"killed": killed, "whole": said.count(""), "others": [each for each in said if each and "SIGKILL" not in each]}))
