"""Tasks that wait for each other in all the ways that asyncio knows."""

import asyncio
import contextlib
import functools
import sys
import types

import truth

import bcd


async def leaf(future, depth=0):
    marker = f"depth {depth}"
    if depth:
        await leaf(future, depth - 1)
    else:
        await future
    return marker


async def gathers(future):
    await asyncio.gather(
        asyncio.create_task(leaf(future), name="gathered-1"),
        asyncio.create_task(leaf(future, 2), name="gathered-2"),
    )


async def groups(future):
    async with asyncio.TaskGroup() as group:
        group.create_task(leaf(future), name="grouped-1")
        group.create_task(leaf(future, 1), name="grouped-2")


async def waits_for_task(future):
    task = asyncio.create_task(leaf(future), name="awaited")
    await task


async def waits_with_timeout(future):
    await asyncio.wait_for(leaf(future), 1000)


async def waits_for_first(future):
    tasks = [asyncio.create_task(leaf(future), name=f"of-wait-{n}") for n in range(2)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def shields(future):
    await asyncio.shield(asyncio.create_task(leaf(future), name="shielded"))


class Items:
    def __init__(self, future):
        self.future = future

    async def produce(self):
        yield 1
        await leaf(self.future)
        yield 2


async def iterates(future):
    collected = []
    async for item in Items(future).produce():
        collected.append(item)


async def comprehends(future):
    return [item async for item in Items(future).produce()]


class Manager:
    def __init__(self, future):
        self.future = future

    async def __aenter__(self):
        await leaf(self.future)

    async def __aexit__(self, *error):
        return None


async def enters(future):
    async with Manager(future) as entered:
        return entered


@contextlib.asynccontextmanager
async def managed(future):
    await leaf(future)
    yield 1


async def enters_generator(future):
    async with managed(future) as entered:
        return entered


class Awaitable:
    def __init__(self, future):
        self.future = future

    def __await__(self):
        result = yield from self.future.__await__()
        return result


class Wrapped:
    def __init__(self, future):
        self.future = future

    def __await__(self):
        return leaf(self.future).__await__()


async def awaits_awaitable(future):
    await Awaitable(future)


async def awaits_wrapped(future):
    await Wrapped(future)


@types.coroutine
def old_style(future):
    yield from leaf(future)


async def awaits_old_style(future):
    await old_style(future)


async def closes_generator(future):
    async def produce():
        try:
            yield 1
        finally:
            await leaf(future)

    generator = produce()
    await anext(generator)
    await generator.aclose()


async def sleeps():
    await asyncio.sleep(1000)


async def in_queue():
    await asyncio.Queue().get()


async def at_lock(lock):
    async with lock:
        return None


async def at_event(event):
    await event.wait()


async def times_out(future):
    async with asyncio.timeout(1000):
        await leaf(future, 1)


async def yields_forever():
    while True:
        await asyncio.sleep(0)


async def not_started():
    return 1


class Callable:
    async def __call__(self, future):
        await future


def scenarios(future, lock, event):
    yield gathers(future)
    yield groups(future)
    yield waits_for_task(future)
    yield waits_with_timeout(future)
    yield waits_for_first(future)
    yield shields(future)
    yield iterates(future)
    yield comprehends(future)
    yield enters(future)
    yield enters_generator(future)
    yield awaits_awaitable(future)
    yield awaits_wrapped(future)
    yield awaits_old_style(future)
    yield closes_generator(future)
    yield sleeps()
    yield in_queue()
    yield at_lock(lock)
    yield at_event(event)
    yield times_out(future)
    yield yields_forever()
    yield leaf(future, 20)
    yield Callable()(future)


def name_of(coroutine):
    return coroutine.__qualname__


async def deep_trace(depth):
    if depth:
        return await deep_trace(depth - 1)
    loop = asyncio.get_running_loop()
    tracer = truth.Recorder(functools.partial(truth.tasks_truth, loop))
    truth.say(tracer, bcd.trace(tracer))


async def main(eager):
    loop = asyncio.get_running_loop()
    if eager:
        loop.set_task_factory(asyncio.eager_task_factory)
    future, lock, event = loop.create_future(), asyncio.Lock(), asyncio.Event()
    await lock.acquire()
    tasks = [asyncio.create_task(c, name=name_of(c)) for c in scenarios(future, lock, event)]
    tasks.append(asyncio.create_task(leaf(loop.create_future())))
    for _ in range(10):
        await asyncio.sleep(0)
    tasks.append(asyncio.create_task(not_started(), name="not_started"))
    await asyncio.create_task(deep_trace(3), name="tracing")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


asyncio.run(main(sys.argv[2] == "eager"))
