"""Tasks that wait in all the ways there are, each saying for what and who holds it."""

import asyncio
import concurrent.futures
import os
import re
import socket
import sys
import threading
import time

import truth

import bcd
from standstill import at, named

SECONDS = re.compile(r"[\d,.]+ s (left|more)")


class Scenes:
    """What each task does, and what it waits for then."""

    def __init__(self, loop):
        self.loop = loop
        self.lock, self.event, self.semaphore = asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(0)
        self.condition, self.locked_condition = asyncio.Condition(), asyncio.Condition(self.lock)
        self.let_go = asyncio.Lock()
        self.items, self.full, self.unfinished = asyncio.Queue(), asyncio.Queue(1), asyncio.Queue()
        self.full.put_nowait("item")
        self.unfinished.put_nowait("item")
        self.future = loop.create_future()
        self.end = threading.Event()
        self.at_work = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="pool")
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.told = {}

    def tell(self, words, holder=None):
        self.told[asyncio.current_task().get_name()] = [words, holder and hex(id(holder))]

    async def holds(self):
        self.holder = asyncio.current_task()
        async with self.lock:
            self.tell(at(self.future))
            await self.future

    async def waits_in_block(self):
        """Stands in the block of a lock, which its condition has let go."""
        lock = asyncio.Lock()
        condition = asyncio.Condition(lock)
        self.again = lock
        async with lock:
            self.tell(f"{at(condition)} to be notified")
            await condition.wait()

    async def takes_it(self):
        await self.again.acquire()
        self.tell(at(self.future))
        await self.future

    async def enters_it(self):
        self.tell(at(self.again))
        async with self.again:
            return

    async def enters_lock(self):
        self.tell(f"{at(self.lock)} held by task holds", self.holder)
        async with self.lock:
            return

    async def acquires_in_time(self):
        limit = ", for _ more at the most"
        if sys.version_info < (3, 12):
            inner = asyncio.create_task(self.lock.acquire(), name="inner")
            self.tell(f"task inner{limit}", inner)
            await asyncio.wait_for(inner, 1000)
        self.tell(f"{at(self.lock)} held by task holds{limit}", self.holder)
        await asyncio.wait_for(self.lock.acquire(), 1000)

    async def awaits_event(self):
        self.tell(f"{at(self.event)} to be set")
        await self.event.wait()

    async def awaits_event_in_time(self):
        self.tell(f"{at(self.event)} to be set, for _ more at the most")
        async with asyncio.timeout(1000), asyncio.timeout(None):
            await self.event.wait()

    async def is_notified(self):
        self.tell(f"{at(self.condition)} to be notified")
        async with self.condition:
            await self.condition.wait_for(self.event.is_set)

    async def passes(self):
        self.tell(at(self.semaphore))
        async with self.semaphore:
            return

    async def gets(self):
        self.tell(f"an item of {at(self.items)}")
        await self.items.get()

    async def puts(self):
        self.tell(f"room in {at(self.full)} of at most 1 items")
        await self.full.put("another")

    async def joins(self):
        self.tell(f"{at(self.unfinished)} to have its items done, 1 are not")
        await self.unfinished.join()

    async def sleeps(self):
        self.tell("a sleep of 1,000 s, _ left")
        await asyncio.sleep(1000)

    async def sleeps_for_ever(self):
        self.tell("a sleep without end")
        await asyncio.sleep(float("inf"))

    async def awaits_event_without_limit(self):
        self.tell(f"{at(self.event)} to be set")
        async with asyncio.timeout(float("inf")):
            await self.event.wait()

    async def completes(self):
        self.tell("the next of 1 futures, for _ more at the most")
        works = (self.event.wait(), asyncio.sleep(0))
        for each in asyncio.as_completed(works, timeout=1000):
            await each

    async def completes_without_limit(self):
        self.tell("the next of 2 futures")
        for each in asyncio.as_completed([self.event.wait(), self.event.wait()]):
            await each

    async def gathers(self):
        self.tell("gather of 3 tasks, 1 done")
        tasks = [asyncio.create_task(self.event.wait()) for _ in range(2)]
        await asyncio.gather(asyncio.create_task(asyncio.sleep(0)), *tasks)

    async def groups(self):
        async with asyncio.TaskGroup() as group:
            self.tell(f"2 tasks of {at(group)}")
            for _ in range(2):
                group.create_task(self.event.wait())
            group.create_task(asyncio.sleep(0))

    async def waits(self):
        self.tell("2 futures (ALL_COMPLETED), 1 of 2 done")
        await asyncio.wait([asyncio.create_task(c) for c in (self.event.wait(), asyncio.sleep(0))])

    async def waits_in_time(self):
        self.tell("1 futures (FIRST_COMPLETED), 0 of 1 done, for _ more at the most")
        tasks = [asyncio.create_task(self.event.wait())]
        await asyncio.wait(tasks, timeout=1000, return_when="FIRST_COMPLETED")

    async def awaits_task(self):
        task = asyncio.create_task(self.event.wait(), name="awaited")
        self.tell("task awaited", task)
        await task

    async def shields(self):
        task = asyncio.create_task(self.event.wait(), name="shielded")
        self.tell("task shielded", task)
        await asyncio.shield(task)

    def works(self):
        self.worker = threading.current_thread()
        self.at_work.set()
        self.end.wait()

    async def calls(self):
        call = self.loop.run_in_executor(self.pool, self.works)
        self.at_work.wait()
        self.tell(f"a call in {named(self.worker)}")
        await call

    async def calls_later(self):
        future = self.pool.submit(self.works)
        self.tell(f"a call that nobody has begun, {at(future)}")
        await asyncio.wrap_future(future)

    async def receives(self):
        self.tell(f"data of the socket of descriptor {self.near.fileno()}")
        await self.loop.sock_recv(self.near, 1)

    async def reads(self):
        near, far = socket.socketpair()
        self.kept = far
        reader, writer = await asyncio.open_connection(sock=near)
        self.tell(f"data of {at(reader)}, descriptor {near.fileno()}")
        await reader.readline()
        writer.close()

    async def serves(self):
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        self.tell(f"connections to {at(server)}")
        await server.serve_forever()

    async def awaits_process(self):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", "input()", stdin=asyncio.subprocess.PIPE
        )
        self.process = process
        self.tell(f"process {process.pid} to end")
        self.started.set()
        await process.wait()


ALL = [name for name in vars(Scenes) if not name.startswith("_") and name not in ("tell", "works")]


async def first_then_second(first, second, both):
    async with first:
        await both.wait()
        async with second:
            return


class Both:
    """A barrier, which asyncio has from 3.11 on, would do; this one is no class of asyncio's."""

    def __init__(self, loop):
        self.future, self.count = loop.create_future(), 0

    async def wait(self):
        self.count += 1
        if self.count == 2:
            self.future.set_result(None)
        await self.future


async def main():
    loop = asyncio.get_running_loop()
    scenes = Scenes(loop)
    scenes.started = asyncio.Event()
    tasks = [asyncio.create_task(getattr(scenes, name)(), name=name) for name in ALL]
    one, two, both = asyncio.Lock(), asyncio.Lock(), Both(loop)
    first = asyncio.create_task(first_then_second(one, two, both), name="first")
    second = asyncio.create_task(first_then_second(two, one, both), name="second")
    await scenes.started.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    scenes.told["first"] = [f"{at(two)} held by task second", hex(id(second))]
    scenes.told["second"] = [f"{at(one)} held by task first", hex(id(first))]
    tracer = truth.Recorder()
    before = time.monotonic()
    result = bcd.trace(tracer)
    truth.say(tracer, result, {"told": scenes.told, "seconds": time.monotonic() - before})
    scenes.process.kill()
    os._exit(0 if tasks else 1)


asyncio.run(main())
