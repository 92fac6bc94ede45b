"""Tasks on several loops, of anyio too where it is there, while one of them traces.

Arguments: the loop (asyncio, eager, python, debug, uvloop), and the way to be watched.
"""

import asyncio
import contextlib
import contextvars
import functools
import os
import sys
import threading

import truth

import bcd

LOOP, *WATCH = sys.argv[2:]
truth.observe(*WATCH)
anyio = None
if LOOP != "python":  # from 3.14 on anyio takes no tasks of asyncio's own Python class
    import anyio
    import anyio.from_thread
    import anyio.to_thread


async def leaf(future, *marks):
    mark = [*marks]
    truth.tell_handled()
    return await future


async def deep(future, depth, *, given=None):
    here = {"depth": depth, "given": given}
    if depth:
        return await deep(future, depth - 1, given=here["depth"])
    try:
        return await leaf(future, depth)
    finally:
        after = here


async def gathers(future):
    inner = asyncio.gather(leaf(future, 1), leaf(future, 2))
    return await asyncio.gather(inner, asyncio.shield(leaf(future, 3)), leaf(future, 4))


async def groups(future):
    async with asyncio.TaskGroup() as outer:
        async with asyncio.TaskGroup() as inner:
            inner.create_task(leaf(future, "inner"), name="in inner")
            outer.create_task(deep(future, 2), name="in outer")
            async with asyncio.timeout(None) as limit, asyncio.timeout(1000):
                await leaf(future, limit)


async def waits(future):
    tasks = [asyncio.create_task(deep(future, n)) for n in range(3)]
    done, pending = await asyncio.wait(tasks, timeout=1000)


async def completes(future):
    for each in asyncio.as_completed([leaf(future, n) for n in range(2)], timeout=1000):
        first = await each


async def waits_for(future):
    return await asyncio.wait_for(asyncio.shield(asyncio.wait_for(leaf(future), 500)), 1000)


async def handles(future):
    try:
        raise ValueError("handled")
    except ValueError as error:
        await leaf(future)


async def handled_before(future):
    try:
        {}["before"]
    except KeyError:
        pass
    await leaf(future)


async def handles_around(future):
    try:
        {}["around"]
    except KeyError:
        await handles(future)


async def handles_further_out(future):
    try:
        raise ValueError("further out") from OSError(2, "cause")
    except ValueError:
        await deep(future, 2)


async def finally_waits(future):
    try:
        {}["passes"]
    finally:
        await leaf(future)


async def handles_group(future):
    try:
        raise ExceptionGroup("handled", [ValueError(1)])
    except* ValueError as errors:
        await leaf(future)


async def generates(future):
    async def produce(depth):
        if depth:
            async for item in produce(depth - 1):
                yield item
            return
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(leaf, future, "callback")
            yield depth

    async with contextlib.aclosing(produce(2)) as opened:
        return {item: [x async for x in produce(1)] async for item in opened if await leaf(future)}


async def sends(future):
    async def echo():
        received = None
        while True:
            received = yield await leaf(future, received)

    started = echo()
    await started.asend(None)


async def throws(future):
    async def echo():
        try:
            yield 1
        except ValueError as error:
            await leaf(future, 2)

    started = echo()
    await anext(started)
    await started.athrow(ValueError("thrown"))


async def nexts(future):
    async def echo():
        yield await leaf(future, 1)

    await anext(echo(), "default")


class Service:
    def __init__(self, future):
        self.future = future
        self.lock = asyncio.Condition()

    def __await__(self):
        own = yield from leaf(self.future, "service").__await__()
        return own

    async def __aenter__(self):
        return await self

    async def __aexit__(self, *error):
        return None

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await self

    @staticmethod
    async def static(future):
        return await Service(future)

    async def condition(self):
        async with self.lock:
            await self.lock.wait_for(lambda: False)


async def enters(future):
    async with Service(future) as service:
        return service


async def iterates(future):
    async for item in Service(future):
        return item


async def conditions(future):
    await Service(future).condition()


async def bars(future):
    await asyncio.Barrier(2).wait()


async def runs_in_thread(future):
    await asyncio.to_thread(os.read, GATE, 1)


async def runs_in_executor(future):
    await asyncio.get_running_loop().run_in_executor(None, functools.partial(os.read, GATE, 1))


async def with_context(future):
    variable = contextvars.ContextVar("variable")
    variable.set(3)
    await asyncio.create_task(leaf(future), name="ünï €", context=contextvars.copy_context())


async def reads_stream(future):
    reader, writer = await asyncio.open_connection(sock=PAIR[0])
    await reader.readline()


async def runs_program(future):
    process = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
    CHILDREN.append(process)
    await process.wait()


async def anyio_group(future):
    async with anyio.create_task_group() as outer:
        outer.start_soon(leaf, future, "soon", name="soon")
        async with anyio.create_task_group() as inner:
            inner.start_soon(deep, future, 1)
            with anyio.CancelScope(shield=True) as scope, anyio.move_on_after(1000):
                async with anyio.create_task_group() as innermost:
                    innermost.start_soon(anyio.sleep_forever)


async def anyio_waits(future):
    event, lock = anyio.Event(), anyio.Lock()
    send, receive = anyio.create_memory_object_stream(0)
    async with anyio.create_task_group() as group, lock, send, receive:
        group.start_soon(event.wait)
        group.start_soon(lock.acquire)
        group.start_soon(receive.receive)
        group.start_soon(anyio.sleep, 1000)
        with anyio.fail_after(1000):
            await anyio.to_thread.run_sync(os.read, GATE, 1, abandon_on_cancel=True)


async def anyio_starts(future):
    async def service(value, *, task_status):
        await leaf(future)

    async with anyio.create_task_group() as group:
        await group.start(service, 1)


async def anyio_from_thread(future):
    def in_thread(kept):
        return anyio.from_thread.run(leaf, future, kept)

    await anyio.to_thread.run_sync(in_thread, "from a thread")


SCENARIOS = [
    gathers, groups, waits, completes, waits_for, handles, handled_before, handles_around,
    handles_further_out, finally_waits, handles_group, generates, sends, throws,
    nexts, enters, iterates, conditions, bars, runs_in_thread, runs_in_executor, with_context,
    reads_stream, runs_program, Service.static,
]  # fmt: skip
if anyio:
    SCENARIOS += [anyio_group, anyio_waits, anyio_starts, anyio_from_thread]


class Own(asyncio.Task):
    """A task of one's own, with attributes."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.started_by = "own"


async def not_started(future):
    return 1


async def traces(depth, future, loops, *, kept="kept"):
    own = [depth]
    if depth:
        return [await traces(n, future, loops) for n in (depth - 1,)]
    async for result in tracing(loops):
        return result


async def tracing(loops):
    tracer = truth.Recorder(limits=truth.ALL)
    try:
        await fails()
    except KeyError as error:
        tracer.record = functools.partial(truth.whole_truth, error, loops)
        truth.say(tracer, bcd.trace(tracer, error))
    yield 1


async def fails():
    await asyncio.sleep(0)
    return {}["missing"]


async def elsewhere(number, ready):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    tasks = [asyncio.create_task(deep(future, n), name=f"loop {number}: {n}") for n in range(3)]
    tasks = list(map(truth.is_let_go, tasks))
    tasks.append(Own(leaf(future), loop=loop, name="own"))
    for _ in range(5):
        await asyncio.sleep(0)
    loop.call_soon(os.read, GATE, 1)  # the loop stands still from here on
    ready.append((loop, tasks))
    await future


def make_loop():
    if LOOP == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    if LOOP == "python":
        loop.set_task_factory(lambda loop, coroutine, **named: asyncio.tasks._PyTask(coroutine, loop=loop, **named))
    if LOOP == "eager":
        loop.set_task_factory(asyncio.eager_task_factory)
    if LOOP != "uvloop":
        loop.set_debug(LOOP == "debug")
    truth.note_creators(loop)
    return loop


def run(coroutine):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(coroutine)


def _stands(tid):
    with contextlib.suppress(OSError), open(f"/proc/self/task/{tid}/syscall") as file:
        words = file.read().split()
        return words[1:2] == [hex(GATE)]
    return False


def _calls_back(tid):
    """Whether a thread waits for what it has asked the loop to do."""
    (ident,) = (thread.ident for thread in threading.enumerate() if thread.native_id == tid)
    frame = sys._current_frames()[ident]
    return frame.f_code.co_name == "wait" and "result" in (frame.f_back.f_code.co_name)


async def settled(ready):
    """All other threads stand in their reads, or wait for this loop."""
    while len(ready) < 2:
        await asyncio.sleep(0)
    expected = 6 if anyio else 4  # in executors, and the other loops
    while True:
        threads = [t.native_id for t in threading.enumerate() if t.name != "MainThread"]
        if sum(_stands(tid) or _calls_back(tid) for tid in threads) == expected:
            return
        await asyncio.sleep(0.001)


async def main():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    tasks = [truth.is_let_go(asyncio.create_task(f(future), name=f.__name__)) for f in SCENARIOS]
    ready = []
    for number in range(2):
        threading.Thread(target=run, args=(elsewhere(number, ready),), daemon=True).start()
    while len(CHILDREN) < 1:
        await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0)
    await settled(ready)
    tasks.append(truth.is_let_go(asyncio.create_task(not_started(future), name="not started")))
    loops = [loop, *(other for other, _ in ready)]
    await asyncio.create_task(traces(2, future, loops), name="tracing")
    os._exit(0)


import socket

GATE, KEPT_OPEN = os.pipe()
PAIR = socket.socketpair()
CHILDREN = []
run(main())
