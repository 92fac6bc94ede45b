"""Tasks of anyio, and of uvloop's event loop, that wait in ways of their own."""

import os
import sys

import anyio
import truth

import bcd
from standstill import at


class Scenes:
    def __init__(self):
        self.lock, self.event, self.semaphore = anyio.Lock(), anyio.Event(), anyio.Semaphore(0)
        self.send, self.receive = anyio.create_memory_object_stream(0)
        self.told = {}

    def tell(self, words, holder=None):
        name = anyio.get_current_task().name
        self.told[name] = [words, holder and hex(holder.id)]

    async def holds(self):
        await self.lock.acquire()
        self.holder = anyio.get_current_task()
        self.tell("a sleep of 1,000 s" + LEFT)
        await anyio.sleep(1000)

    async def enters_lock(self):
        self.tell(f"{at(self.lock)} held by task holds", self.holder)
        async with self.lock:
            return

    async def awaits_event(self):
        self.tell(f"{at(self.event)} to be set")
        await self.event.wait()

    async def passes(self):
        self.tell(at(self.semaphore))
        await self.semaphore.acquire()

    async def receives(self):
        self.tell(f"an item of {at(self.receive)}")
        await self.receive.receive()

    async def groups(self):
        async with anyio.create_task_group() as group:
            self.tell(f"2 tasks of {at(group)}")
            for number in range(2):
                group.start_soon(anyio.sleep, 1000 + number)


LEFT = "" if sys.argv[2] == "uvloop" else ", _ left"


async def main():
    scenes = Scenes()
    names = ["holds", "enters_lock", "awaits_event", "passes", "receives", "groups"]
    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(getattr(scenes, name), name=name)
            await anyio.wait_all_tasks_blocked()
        tracer = truth.Recorder()
        truth.say(tracer, bcd.trace(tracer), scenes.told)
        os._exit(0)


anyio.run(main, backend_options={"use_uvloop": sys.argv[2] == "uvloop"})
