"""A process of three interpreters, each with a thread that stands still.

With the argument "busy", that of the one with a GIL of its own never stands still.
"""

import os
import sys
import threading

import truth

import bcd
from standstill import standing

WAITING = """
import os, threading
def waits_in_interpreter(number):
    os.write({ready}, b".")
    os.read({end}, 1)
other = threading.Thread(target=waits_in_interpreter, args=(1,), name="inner")
other.start()
waits_in_interpreter(2)
"""
WITH_TASKS = """
import asyncio, os
async def stands_in_task(event):
    os.write({ready}, b".")
    await event.wait()
async def main():
    await asyncio.create_task(stands_in_task(asyncio.Event()), name="task of another")
asyncio.run(main())
"""
BUSY = """
import os
def is_busy(number):
    os.write({ready}, b".")
    while True:
        number += 1
is_busy(0)
"""


def make(isolated):
    if sys.version_info >= (3, 13):
        import _interpreters as module

        return module, module.create("isolated" if isolated else "legacy")
    import _xxsubinterpreters as module

    return module, module.create(isolated=isolated)


def runs(made, code):
    module, number = made
    (getattr(module, "exec", None) or module.run_string)(number, code)


IS_BUSY = sys.argv[2:] == ["busy"]
CODE_OF_OWN = BUSY if IS_BUSY else WITH_TASKS
ready, telling = os.pipe()
ending, end = os.pipe()
shared, own = make(False), make(True)
threads = [
    threading.Thread(
        target=runs, args=(made, code.format(ready=telling, end=ending)), name=name, daemon=True
    )
    for made, code, name in ((shared, WAITING, "shared"), (own, CODE_OF_OWN, "own"))
]
for thread in threads:
    thread.start()
for _ in range(3):
    os.read(ready, 1)
standing(threads[:1] if IS_BUSY else threads)
tracer = truth.Recorder()
told = {
    "tids": {thread.name: thread.native_id for thread in threads},
    "ids": [int(shared[1]), int(own[1])],
    "data": f"data of file descriptor {ending}",
}
truth.say(tracer, bcd.trace(tracer), told)
os._exit(0)
