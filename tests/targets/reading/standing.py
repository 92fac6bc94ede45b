"""Stands still with an exception, threads and tasks, and says where to find them.

Told to "freeze" it says who its copy is, and ends that when told to "release"; at the end of its
input, or told anything else, it goes on.
"""

import asyncio
import json
import os
import sys
import threading

gate = threading.Event()


class Cart:
    def __init__(self, items):
        self.items = items
        self.owner = {"name": "Ada", "tags": {"a", "b"}}
        self.total = sum(items)


def fails(depth, cart):
    if depth:
        return fails(depth - 1, cart)
    try:
        {}["missing"]
    except KeyError as error:
        error.add_note("a note")
        raise LookupError("standing", 1) from error


async def leaf(future, number):
    await future
    return number


async def main():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    tasks = [asyncio.create_task(leaf(future, n), name=f"leaf-{n}") for n in range(20)]
    gathered = asyncio.gather(*tasks)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stand()
    future.set_result(None)
    await gathered


def stand():
    threads = [threading.Thread(target=gate.wait, name=f"waiter-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        fails(20, Cart([1, 2, 3]))
    except LookupError as error:
        hints = {
            "int": id(int),
            "error": id(error),
            "hexversion": sys.hexversion,
            "executable": None,
        }
        print(json.dumps({"pid": os.getpid(), "hints": hints, "tid": os.getpid()}), flush=True)
        obey()
    gate.set()


def obey():
    frozen = None
    for line in sys.stdin:
        if line == "freeze\n":
            from bcd.freeze import freeze

            frozen = freeze(seconds=60)
            frozen.close()
            print(frozen.copy, flush=True)
        elif line == "release\n":
            frozen.release()
            print("null", flush=True)
        else:
            return


asyncio.run(main())
