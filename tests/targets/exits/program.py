"""Ends in one way or another while a trace is under way.

Usage: program.py FOLDER WAY [SECONDS-OF-THE-LAST-WAIT]. A slow tracer waits at FOLDER/fifo and then makes FOLDER/done.
"""

import asyncio
import atexit
import os
import signal
import sys
import threading
import time

import bcd
from bcd.engine import background
from bcd.launch import Running
from bcd.tracer import Command, TraceOptions
from bcd.tracers._options import OptionList

folder, way, *patience = sys.argv[1:]
background.EXIT_SECONDS = float(*patience or [2])
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
bcd.trace  # noqa: B018 - loaded here, for nothing can be imported when the modules go
quick = bcd.PythonTracer(folder=f"{folder}/kept")


class LiveTracer(OptionList):
    """Waits for a line of a FIFO."""

    def default_trace_options(self):
        return TraceOptions(timeout=60.0)

    def logf(self, level, format, *args):
        sys.stderr.write(f"{format % args}\n")

    def set_log_level(self, level):
        pass

    def finalize(self, options):
        return Command(argv=["/bin/sh", "-c", f"read line < {folder}/fifo; echo > {folder}/done"])


class FrozenTracer(LiveTracer):
    """The same on a frozen copy, which has to be there until the end and is ended then."""

    def finalize_memory(self, options, memory, error, started):
        script = (
            "read first; read told; copy=${told##*\\\"copy\\\": }; copy=${copy%\\}}; "
            f"read line < {folder}/fifo; grep -q . /proc/$copy/maps && echo > {folder}/done"
            "; kill -9 $copy"
        )
        return Command(argv=["/bin/sh", "-c", script], stdin=b"\n")


def say(text):
    os.write(1, f"{text}\n".encode())


def trace(tracer=quick, **options):
    result = bcd.trace(tracer, ValueError("x"), **options)
    say(result.error or "traced")


class Dropped:
    def __del__(self):
        trace(detach=self.detach)


def once_ready():
    say("ready")
    signal.pause()


if way == "detached":
    trace(detach=True)
elif way == "detached, os._exit":
    trace(detach=True)
    os._exit(3)
elif way == "slow":
    trace(FrozenTracer(), detach=True)
elif way == "slow in atexit":
    atexit.register(trace, FrozenTracer(), detach=True)
elif way == "slow and live in atexit":
    atexit.register(trace, LiveTracer(), detach=True)
elif way == "slow and awaited":

    async def main():
        awaiting = asyncio.create_task(bcd.atrace(FrozenTracer()))
        await asyncio.sleep(0)  # to the start of the tracer
        awaiting.cancel()

    asyncio.run(main())
elif way == "in its turn":
    bcd.update_config(bcd.GlobalConfig(rate_limit=1000))
    trace()

    async def main():
        awaiting = asyncio.create_task(bcd.atrace(quick))
        await asyncio.sleep(0)
        awaiting.cancel()

    asyncio.run(main())
elif way == "atexit":
    atexit.register(trace, detach=True)
    atexit.register(trace)
elif way == "atexit without threading":
    # Nothing that the program loaded knows that the interpreter ends.
    sys.modules.pop("threading")
    atexit.register(trace, detach=True)
elif way == "finalizer":
    sys.modules["dropped"] = dropped = Dropped()
    dropped.detach = True
elif way == "finalizer that waits":
    sys.modules["dropped"] = dropped = Dropped()
    dropped.detach = False
elif way == "daemon threads":

    def work():
        while True:
            bcd.trace(quick, ValueError("x"))

    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    while not os.path.exists(f"{folder}/kept") or not os.listdir(f"{folder}/kept"):
        time.sleep(0.01)
elif way == "in the middle of a start":
    freezing, ending = threading.Event(), threading.Event()

    class LateTracer(FrozenTracer):
        """Is still being started when the process ends, and starts no second time."""

        def finalize_memory(self, options, memory, error, started):
            memories.append(memory)
            return Command(argv=["/bin/true"])

    def start(running):
        freezing.set()
        ending.wait(1)
        say(f"copy {memories[-1].copy}")
        starting(running)

    memories, starting, Running.start = [], Running.start, start

    def work():
        bcd.trace(LateTracer())
        say(f"second: {bcd.trace(LateTracer()).error}")

    threading.Thread(target=work, daemon=True).start()
    freezing.wait()
elif way == "signal":
    trace(FrozenTracer(), detach=True)
    once_ready()
elif way == "handled signal":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    threading.Timer(0.2, say, ["ready"]).start()
    trace(LiveTracer())
