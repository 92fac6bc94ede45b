"""More tasks than the table of a set shows in its first 4,096 slots."""

import asyncio
import sys

import truth

import bcd

truth.often()


async def wait(gate):
    await gate.wait()


async def main(count):
    gate = asyncio.Event()
    tasks = [asyncio.create_task(wait(gate)) for _ in range(count)]
    await asyncio.sleep(0)
    tracer = truth.Recorder()
    result = bcd.trace(tracer)
    gate.set()
    await asyncio.gather(*tasks)
    truth.say(tracer, result, sorted([hex(id(asyncio.current_task())), *(hex(id(task)) for task in tasks)]))


asyncio.run(main(int(sys.argv[2])))
