"""Holds generators, coroutines and asynchronous generators in each state, and traces itself."""

import asyncio
import inspect

import truth

import bcd

KINDS = {"generator": "gi", "coroutine": "cr", "async_generator": "ag"}


def expected(thing):
    """What a snapshot has to show, by what ``inspect`` knows of its frame."""
    kind = type(thing).__name__
    frame = getattr(thing, f"{KINDS[kind]}_frame")
    if frame is None:
        state = "finished"
    elif running[-1] is thing:
        state = "running"
    elif frame.f_lasti < 0 or is_created(thing):
        state = "not started"
    else:
        state = f"suspended at line {frame.f_lineno}"
    return f"<{kind} object {thing.__qualname__} at {id(thing):#x}, {state}>"


def is_created(thing):
    if inspect.isgenerator(thing):
        return inspect.getgeneratorstate(thing) == inspect.GEN_CREATED
    if inspect.iscoroutine(thing):
        return inspect.getcoroutinestate(thing) == inspect.CORO_CREATED
    return thing not in started


def generates(until):
    for number in range(until):
        yield number


async def awaits(future):
    await asyncio.sleep(0)
    return await future


async def produces(future):
    yield 1
    await future
    yield 2


async def runs():
    yield traced(*holds)


def traced(*holders):
    tracer = truth.Recorder(lambda: [[name, expected(thing)] for name, thing in holders])
    truth.say(tracer, bcd.trace(tracer))


async def main():
    future = asyncio.get_running_loop().create_future()
    made, fresh, through = generates(2), generates(2), generates(0)
    next(made)
    list(through)
    delegating = (item for item in generates(1))
    next(delegating)
    waiting, unawaited, ended = awaits(future), awaits(future), asyncio.sleep(0)
    waiting.send(None)
    await ended
    yielded, stuck, untouched, closed = (produces(future) for _ in range(4))
    started.extend([yielded, stuck])
    await anext(yielded)
    await anext(stuck)
    step = anext(stuck)
    step.send(None)
    await closed.aclose()
    running.append(runs())
    itself = running[-1]
    held = dict(locals())
    names = ["made", "fresh", "through", "delegating", "waiting", "unawaited", "ended"]
    names += ["yielded", "stuck", "untouched", "closed", "itself"]
    holds.extend((name, held[name]) for name in names)
    del held, names
    await anext(itself)
    unawaited.close()
    waiting.close()
    future.cancel()
    step.close()


holds, running, started = [], [], []
asyncio.run(main())
