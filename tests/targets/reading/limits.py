"""Traces itself once for each limit, with that one alone made small."""

import asyncio
import json
import sys
import threading

import truth

import bcd

truth.often()
SMALL = json.loads(sys.argv[2])
gate = threading.Event()


def fails(depth, big):
    text, items, nested = "t" * 50, list(range(30)), [[[[["deep"]]]]]
    sparse = dict.fromkeys(range(5000))
    for number in range(4999):
        del sparse[number]
    if depth:
        return fails(depth - 1, big)
    raise LookupError("m" * 60)


def raised():
    error = None
    for number in range(5):
        try:
            fails(8, [["x" * 30] * 9] * 9)
        except LookupError as found:
            found.__cause__, error = error, found
    return error


async def waits(future):
    mine = "of a task"
    await future


async def main():
    future = asyncio.get_running_loop().create_future()
    tasks = [asyncio.create_task(waits(future)) for _ in range(8)]
    tasks.append(asyncio.create_task(waits(future), name="k" * 250))
    await asyncio.sleep(0)
    for name, value in SMALL.items():
        tracer = truth.Recorder(limits={name: value, **({} if name == "deadline_ms" else {"deadline_ms": 20000})})
        truth.say(tracer, bcd.trace(tracer, raised()), name)
    future.set_result(None)
    await asyncio.gather(*tasks)


threads = [threading.Thread(target=gate.wait, daemon=True) for _ in range(4)]
threads.append(threading.Thread(target=gate.wait, daemon=True, name="t" * 250))
for thread in threads:
    thread.start()
asyncio.run(main())
gate.set()
