"""Awaits traces on one kind of event loop, through AnyIO.

Usage: loops.py asyncio|uvloop|trio live|frozen. Prints a JSON object: scenario → what came of it.
"""

import json
import os
import sys
import threading
import time

import anyio

import bcd
from bcd.engine.attempt import GATE
from bcd.integrations.asgi import BcdMiddleware
from bcd.tracer import Command, TraceOptions
from bcd.tracers._options import OptionList

FOREVER = 30  # seconds that nothing here takes
loop, kind = sys.argv[1:]
bcd.update_config(bcd.GlobalConfig(rate_limit=0))


class LiveTracer(OptionList):
    """Runs a small program of the shell."""

    def __init__(self, script, stdin=None):
        super().__init__()
        self.script, self.stdin = script, stdin
        self.given, self.lines = [], []

    def default_trace_options(self):
        return TraceOptions(faulted=True, timeout=FOREVER)

    def logf(self, level, format, *args):
        self.lines.append(format % args)

    def set_log_level(self, level):
        pass

    def add_caller_task(self, task, options=None):
        return self.add_options("--caller-task", str(task), options=options)

    def finalize(self, options):
        self.given.append(options)
        return Command(argv=["/bin/sh", "-c", self.script], stdin=self.stdin)


class FrozenTracer(LiveTracer):
    """The same on a frozen copy."""

    def finalize_memory(self, options, memory, error, started):
        return self.finalize(options)


Tracer = {"live": LiveTracer, "frozen": FrozenTracer}[kind]


class Slow:
    """A tracer that waits until it is let go."""

    def __init__(self, kind=Tracer, script="read line; echo done"):
        self.ours, self.theirs = os.pipe()
        self.tracer = kind(script, self.ours)

    def let_go(self):
        os.close(self.theirs)

    def runs(self):
        return bool(self.tracer.given)


async def until(condition):
    ends = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < ends
        await anyio.sleep(0)


async def beside(work, meanwhile):
    """What a task gets while another one runs on the same loop."""
    results = []

    async def task():
        results.append(await work())

    async with anyio.create_task_group() as group:
        group.start_soon(task)
        await meanwhile()
    return results[0]


async def result():
    told = await bcd.atrace(Tracer("echo path; echo said >&2; exit 3"))
    return [told.exit_status, told.stdout.decode(), type(told.error).__name__]


async def loop_goes_on():
    slow = Slow()

    async def meanwhile():
        await until(slow.runs)
        slow.let_go()

    return (await beside(lambda: bcd.atrace(slow.tracer), meanwhile)).stdout.decode()


async def loop_goes_on_before_its_turn():
    slot = GATE.try_acquire()

    async def meanwhile():
        await until(lambda: len(GATE.queue) == 2)
        slot.give_back()

    return (await beside(lambda: bcd.atrace(Tracer("echo path")), meanwhile)).stdout.decode()


async def detached():
    slow = Slow()
    told = await bcd.atrace(slow.tracer, detach=True)
    early = not bcd.flush(0)
    slow.let_go()
    return [told.ok, slow.runs(), early, bcd.flush(FOREVER)]


async def cancelled():
    slow = Slow(script="read line; exit 3")
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(bcd.atrace, slow.tracer)
            await until(slow.runs)
            scope.cancel()
    early = not bcd.flush(0)
    slow.let_go()
    return [scope.cancel_called, early, bcd.flush(FOREVER), len(slow.tracer.lines)]


async def recovered():
    """Live always, for frozen memory is not awaited there."""
    tracer = LiveTracer("exit 0")
    async with bcd.recover(tracer, reraise=False):
        raise ValueError("boom")
    blamed = ["--fault-thread", str(threading.get_native_id())]
    if loop != "trio":
        import asyncio

        blamed += ["--caller-task", str(id(asyncio.current_task()))]
    return tracer.given == [[*blamed, "--kv", "error:boom"]]


async def hooked():
    """The hooks wait too, and a cancellation does not take the place of the error."""
    slow = Slow(LiveTracer)

    async def fails(scope, receive, send):
        raise LookupError("boom")

    app = BcdMiddleware(fails, tracer=slow.tracer)
    seen = []

    async def serve():
        try:
            await app({"type": "websocket", "path": "/"}, None, None)
        except LookupError as error:
            seen.append(str(error))

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(serve)
            await until(slow.runs)
            early = list(seen)
            scope.cancel()
    slow.let_go()
    return [early, seen, bcd.flush(FOREVER)]


async def main():
    scenarios = (
        result, loop_goes_on, loop_goes_on_before_its_turn, detached, cancelled, recovered, hooked,
    )
    return {scenario.__name__: await scenario() for scenario in scenarios}


options = {"use_uvloop": True} if loop == "uvloop" else {}
backend = "trio" if loop == "trio" else "asyncio"
print(json.dumps(anyio.run(main, backend=backend, backend_options=options)))
