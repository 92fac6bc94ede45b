"""Forks while it traces.

Usage: program.py FOLDER WAY. Prints one JSON object.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

FOREVER = 60  # seconds after which a child that hangs is ended by SIGALRM
in_child = []
# Registered before all of bcd's, so that it runs first in a child.
os.register_at_fork(after_in_child=lambda: [step() for step in in_child])

import bcd
from bcd.engine.attempt import GATE
from bcd.integrations._suppressed import Suppressed
from bcd.launch import Running
from bcd.tracer import Command, TraceOptions
from bcd.tracers._options import OptionList

folder, way = sys.argv[1], sys.argv[2]
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
default = bcd.PythonTracer(folder=f"{folder}/kept")
suppressed = Suppressed()


class LiveTracer(OptionList):
    """Prints whose tracer it is; a slow one waits for a line first."""

    def __init__(self, script="echo $PPID", stdin=None):
        super().__init__()
        self.script, self.stdin = script, stdin

    def default_trace_options(self):
        return TraceOptions(timeout=FOREVER)

    def logf(self, level, format, *args):
        sys.stderr.write(f"{format % args}\n")

    def set_log_level(self, level):
        pass

    def finalize(self, options):
        return Command(argv=["/bin/sh", "-c", self.script], stdin=self.stdin)


class FrozenTracer(LiveTracer):
    """The same on a frozen copy."""

    def finalize_memory(self, options, memory, error, started):
        return self.finalize(options)


def descriptors():
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add((int(name), os.readlink(f"/proc/self/fd/{name}")))
        except FileNotFoundError:  # the one that lists them
            pass
    return found


def children():
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += (task / "children").read_text().split()
        except FileNotFoundError:  # a thread that has ended meanwhile
            pass
    return found


def forked(work):
    """Fork; the child's status is 0 if the work is done in time and says True."""
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(FOREVER)
    status = 1
    try:
        status = 0 if work() else 1
    finally:
        os._exit(status)


def ends(pids):
    return [os.waitpid(pid, 0)[1] for pid in pids]


def traces_itself(tracer):
    result = bcd.trace(tracer, ValueError("x"))
    return result.ok and int(result.stdout) == os.getpid()


def crowd():
    """Four threads trace while 200 children are forked, of which each traces once."""
    before = descriptors()
    over = threading.Event()

    def work(kind):
        while not over.is_set():
            bcd.trace(kind(), ValueError("x"))
            suppressed.note("kind")

    kinds = (LiveTracer, FrozenTracer) * 2
    threads = [threading.Thread(target=work, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()

    def once(number):
        suppressed.note("kind")
        kind = FrozenTracer if number % 2 else LiveTracer
        # What the parent's tracers had open is closed; what the program opened is not touched.
        return (
            traces_itself(kind()) and descriptors() <= before and not children()
            and suppressed.take("kind") == 1
        )

    statuses = []
    for number in range(200):
        statuses += ends([forked(lambda: once(number))])
    over.set()
    for thread in threads:
        thread.join()
    left = descriptors() - before
    return {"failed": [s for s in statuses if s], "left": len(left), "children": children()}


def with_a_slow_trace(kind, work):
    """Do work while a tracer waits for a line."""
    ours, theirs = os.pipe()
    slow = kind("read line; echo $PPID", ours)
    thread = threading.Thread(target=bcd.trace, args=(slow,))
    thread.start()
    while not children() or GATE.is_open():
        time.sleep(0.005)
    done = work()
    os.close(theirs)
    thread.join()
    return done


def during_a_trace():
    statuses = []
    for kind in (LiveTracer, FrozenTracer):
        once = lambda: ends([forked(lambda: traces_itself(LiveTracer()) and not children())])
        statuses += with_a_slow_trace(kind, once)
    return {"failed": [s for s in statuses if s], "children": children()}


def during_a_freeze():
    """Another thread has made the copy, and no tracer yet."""
    frozen, forked_by_then = threading.Event(), threading.Event()

    def start(running):
        frozen.set()
        forked_by_then.wait(FOREVER)
        starting(running)

    starting, Running.start = Running.start, start
    thread = threading.Thread(target=bcd.trace, args=(FrozenTracer(),))
    thread.start()
    frozen.wait(FOREVER)
    Running.start = starting
    held = [path for _, path in descriptors() if path.endswith("/mem")]
    free = lambda: not [path for _, path in descriptors() if path.endswith("/mem")]
    statuses = ends([forked(lambda: free() and traces_itself(FrozenTracer()))])
    forked_by_then.set()
    thread.join()
    return {"failed": [s for s in statuses if s], "held": len(held), "children": children()}


def during_the_limit():
    bcd.update_config(bcd.GlobalConfig(rate_limit=1000))
    bcd.trace(LiveTracer())
    waiting = threading.Thread(target=bcd.trace, args=(LiveTracer(),), daemon=True)
    waiting.start()
    while not GATE.queue:
        time.sleep(0.005)
    (status,) = ends([forked(lambda: traces_itself(LiveTracer()))])
    return {"failed": [status] if status else []}


def handlers_in_any_order():
    """An at-fork handler that stands before those of bcd traces in the child."""
    results = []

    def at_fork():
        signal.alarm(FOREVER)
        suppressed.note("kind")
        results.append(bcd.trace(LiveTracer()))
        results.append(bcd.trace(LiveTracer("sleep 0.3; exit 7"), detach=True))

    def judge():
        own, started = results
        return (
            started.ok and own.ok and int(own.stdout) == os.getpid() and bcd.flush(FOREVER)
            and suppressed.take("kind") == 1 and not children()
        )

    statuses = []
    in_child.append(at_fork)
    forking = threading.Thread(target=lambda: statuses.extend(ends([forked(judge)])))

    def work():
        with suppressed._lock:  # of another thread than the one that forks
            forking.start()
            forking.join()

    with_a_slow_trace(FrozenTracer, work)
    return {"failed": [s for s in statuses if s], "forked": len(statuses)}


def in_the_thread_with_the_lock():
    """A finalizer or a signal handler may fork in the middle of a count."""

    def work():
        suppressed.note("kind")
        return suppressed.take("kind") == 1

    with suppressed._lock:
        pid = os.fork()
        if not pid:
            signal.alarm(FOREVER)
            suppressed.note("of the child")
    if not pid:
        os._exit(0 if work() else 1)
    return {"failed": [s for s in ends([pid]) if s]}


def detached_in_the_parent():
    """The parent's detached trace is the parent's alone."""
    ours, theirs = os.pipe()
    bcd.trace(LiveTracer("read line; exit 3", ours), detach=True)
    (status,) = ends([forked(lambda: bcd.flush(0) and traces_itself(LiveTracer()))])
    assert not bcd.flush(0)
    os.close(theirs)
    return {"failed": [status] if status else [], "flushed": bcd.flush(FOREVER)}


@bcd.recover(default)
def fails(number):
    raise LookupError(f"task {number} of {os.getpid()}")


def fails_detached(number):
    bcd.trace(default, LookupError(f"task {number} of {os.getpid()}"), detach=True)


def slow_and_live():
    done = f"{folder}/done"
    bcd.trace(LiveTracer(f"sleep 0.5; echo > {done}"), detach=True)


def workers(method, function):
    """Each task has a process of its own, which ends without atexit."""
    context = multiprocessing.get_context(method)
    with context.Pool(3, maxtasksperchild=1) as pool:
        results = [pool.apply_async(function, (number,)) for number in range(6)]
        for result in results:
            result.wait(FOREVER)
        failed = [not result.successful() for result in results]
        pool.close()
        pool.join()
    return {"raised": sum(failed)}


def last_wait(method):
    process = multiprocessing.get_context(method).Process(target=slow_and_live)
    process.start()
    process.join()
    return {"done": os.path.exists(f"{folder}/done"), "status": process.exitcode}


WAYS = {
    "crowd": crowd,
    "during a trace": during_a_trace,
    "during a freeze": during_a_freeze,
    "during the limit": during_the_limit,
    "handlers in any order": handlers_in_any_order,
    "in the thread with the lock": in_the_thread_with_the_lock,
    "detached in the parent": detached_in_the_parent,
    "workers": lambda: workers(sys.argv[3], fails),
    "workers, detached": lambda: workers(sys.argv[3], fails_detached),
    "last wait": lambda: last_wait(sys.argv[3]),
}

if __name__ == "__main__":
    print(json.dumps(WAYS[way]()))
