"""A program without bcd: two threads at work, three tasks; it answers each line on its input.

Usage: service.py. Prints "ready" once all of it stands.
"""

import asyncio
import sys
import threading


def works(card_token):
    turns = 0
    while True:
        turns += 1


async def waits(order):
    await asyncio.Event().wait()


async def serve():
    tasks = [asyncio.create_task(waits(number), name=f"waits-{number}") for number in range(3)]
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print("heard", line.strip(), flush=True)
    return tasks


threading.Thread(target=works, args=("tok_verysecret",), name="worker", daemon=True).start()
asyncio.run(serve())
