"""Freezes itself and starts programs while signal handlers raise at any moment.

Usage: interrupted.py ROUNDS
Prints one JSON object: how often it was interrupted and what was left behind.
"""

import json
import os
import random
import signal
import sys

from bcd import _linux
from bcd.freeze import freeze


class Interrupted(BaseException):
    pass


armed = False
raised = 0


def handler(number, frame):
    global raised
    if armed:
        raised += 1
        raise Interrupted


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


def freeze_once():
    global armed
    memory = None
    try:
        armed = True
        memory = freeze(seconds=60)
        armed = False
        return True
    finally:
        armed = False
        if memory is not None:
            memory.release()


def release_once():
    """Be interrupted on the way into release, too; dropping the object is then enough."""
    global armed
    memory = freeze(seconds=60)
    try:
        armed = True
        memory.release()
    finally:
        armed = False


def spawn_once(null):
    global armed
    pid = None
    try:
        armed = True
        pid = _linux.Spawn(["/bin/sleep", "60"], descriptors={0: null, 1: null, 2: null}).start()
        armed = False
        return True
    finally:
        armed = False
        if pid is not None:
            _linux.kill_and_reap(pid)


def main():
    null = os.open(os.devnull, os.O_RDWR)
    signal.signal(signal.SIGALRM, handler)
    signal.signal(signal.SIGINT, handler)
    for _ in range(20):  # so that nothing is opened for the first time below
        freeze_once()
    before = descriptors()
    done = 0
    for turn in range(int(sys.argv[1])):
        one = (freeze_once, release_once, lambda: spawn_once(null))[turn % 3]
        delay = random.uniform(0.00001, 0.0012)
        signal.setitimer(signal.ITIMER_REAL, delay, 0.00008)
        try:
            one()
            done += 1
        except Interrupted:
            pass
        signal.setitimer(signal.ITIMER_REAL, 0)
    print(
        json.dumps(
            {
                "done": done,
                "raised": raised,
                "before": before,
                "after": descriptors(),
                "children": children(),
                "blocked": [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
            }
        )
    )


main()
