"""Registers a tracer that tells of each trace on its standard output, then does as it is told.

Arguments: what to do, then the signals. Variables: SCRIPT, what the tracer runs; RESEND.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time

from bcd import Command, GlobalConfig, PythonTracer, TraceOptions
from bcd import register, unregister, update_config
from bcd.launch import Running
from bcd.tracers._log import StderrLog
from bcd.tracers._options import OptionList


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Tracer(StderrLog, OptionList):
    def __init__(self, *sigs):
        OptionList.__init__(self)
        StderrLog.__init__(self)
        self.sigs, self.chan, self.traces = sigs, None, 0

    def default_trace_options(self):
        return TraceOptions(faulted=True, timeout=60)

    def finalize(self, options):
        self.traces += 1
        say("traced", os.getpid(), *options)
        return Command(argv=["/bin/sh", "-c", os.environ.get("SCRIPT", "exit 0")])

    def sigset(self):
        return list(self.sigs)

    def set_sigchan(self, chan):
        self.chan = chan


def linger():
    """In short pieces: a signal that comes just before a sleep does not end it."""
    for _ in range(2400):  # two minutes, should the test be gone
        time.sleep(0.05)


def sleep():
    say("ready")
    linger()


def fault():
    say("ready")
    ctypes.string_at(0)


def sent_then_fault():
    say("ready")
    while not tracer.traces:
        time.sleep(0.001)
    ctypes.string_at(0)


def abort():
    say("ready")
    os.abort()


def exit_now():
    """End as soon as a trace runs and another one is queued."""
    say("ready")
    while not tracer.traces or tracer.chan.empty():
        time.sleep(0.001)
    sys.exit(5)


class SlowToStart(PythonTracer):
    memory = None

    def finalize_memory(self, options, memory, error, started):
        self.memory = memory
        return super().finalize_memory(options, memory, error, started)


def exit_in_start():
    """End while the copy is made and its tracer is not started yet."""
    slow = SlowToStart(folder=os.environ["FOLDER"])
    slow.set_sigset(signal.SIGUSR1)
    starting, frozen = Running.start, threading.Event()

    def start(running):
        say("frozen", slow.memory.copy)
        frozen.set()
        time.sleep(0.3)  # as where another thread has the GIL
        starting(running)

    Running.start = start
    register(slow)
    say("ready")
    frozen.wait()
    sys.exit(5)


def fork():
    """The child's signal is the child's, also where the parent's trace is under way."""
    child = os.fork()
    if child == 0:
        sleep()
    say("child", child)
    os.waitpid(child, 0)
    sleep()


def fork_in_trace():
    """The child has neither the thread that traces nor what waits for it."""
    say("ready")
    while tracer.traces < 1 or tracer.chan.empty():
        time.sleep(0.001)
    if os.fork() == 0:
        os.environ["SCRIPT"] = "exit 0"
        say("child", os.getpid(), tracer.chan.qsize())
        linger()
    os.wait()


def pool():
    """A child of multiprocessing traces; its parent has no part in it."""
    process = multiprocessing.get_context("fork").Process(target=sleep)
    process.start()
    say("child", process.pid)
    process.join()
    say("ended", process.exitcode)


async def wait():
    say("ready")
    while True:
        await asyncio.sleep(0.05)


def asyncio_run():
    asyncio.run(wait())


async def _with_handler(*, after):
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(sigs[0], lambda: (say("callback"), done.set()))
    if after:
        register(tracer)
    say("ready")
    await done.wait()
    loop.remove_signal_handler(sigs[0])


def asyncio_before():
    asyncio.run(_with_handler(after=False))


def asyncio_after():
    unregister(tracer)
    asyncio.run(_with_handler(after=True))
    time.sleep(0.2)


def registered_in_run():
    async def main():
        register(tracer)
        await wait()

    unregister(tracer)
    asyncio.run(main())


what, *names = sys.argv[1:]
sigs = [signal.Signals[name] for name in names]
tracer = Tracer(*sigs)
update_config(GlobalConfig(rate_limit=0, resend_signal="RESEND" in os.environ))
if sigs:
    register(tracer)
globals()[what]()
