"""A program without bcd: a thread and a task wait within except blocks, until its input ends."""

import asyncio
import sys
import threading


def connects(host, token):
    raise ConnectionError(f"refused by {host}")


def retries():
    try:
        connects("shop.example", "tok_verysecret")
    except ConnectionError:
        gate.wait()


async def careless(future):
    try:
        {}["missing"]
    except KeyError:
        await future


async def waits(future):
    await future


async def main():
    future = asyncio.get_running_loop().create_future()
    tasks = [asyncio.create_task(kind(future), name=kind.__name__) for kind in (careless, waits)]
    await asyncio.sleep(0)
    threading.Thread(target=retries, name="retries").start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    gate.set()
    future.set_result(None)
    await asyncio.gather(*tasks)


gate = threading.Event()
asyncio.run(main())
