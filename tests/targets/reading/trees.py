"""Trees of tasks, given on standard input, each as ``[way, [children]]``; one more task traces.

The ways are those in which a task can wait for others: all of its children are made by it, and
those that it does not wait for yet are let go.
"""

import asyncio
import contextlib
import functools
import json
import os
import sys

import truth

import bcd


async def leaf(future, children):
    own = "leaf"
    truth.tell_handled()
    await future


async def deep(future, children, depth=2):
    here = [depth]
    return await (deep(future, children, depth - 1) if depth else gathers(future, children))


def made(future, children):
    return [run(future, child) for child in children]


def tasks_of(future, children):
    return [asyncio.create_task(each) for each in made(future, children)]


async def gathers(future, children):
    truth.tell_handled()
    await (asyncio.gather(*made(future, children)) if children else future)


async def gathers_tasks(future, children):
    tasks = tasks_of(future, children)
    await asyncio.gather(*tasks, future, return_exceptions=True)


async def groups(future, children):
    async with asyncio.TaskGroup() as group:
        for each in made(future, children):
            group.create_task(each)
        if not children:
            await future


async def awaits_last(future, children):
    *others, last = tasks_of(future, children) or [None]
    for each in others:
        truth.is_let_go(each)
    await (last or future)


async def shields(future, children):
    *others, last = tasks_of(future, children) or [future]
    for each in others:
        truth.is_let_go(each)
    await asyncio.shield(last)


async def waits(future, children):
    await asyncio.wait([*tasks_of(future, children), future], timeout=len(children) or None)


async def limits(future, children):
    async with asyncio.timeout(1000) as limit:
        await gathers(future, children)


async def completes(future, children):
    for each in asyncio.as_completed([*made(future, children), future]):
        await each


async def generates(future, children):
    async def produce():
        yield len(children)
        await gathers(future, children)
        yield 2

    async with contextlib.aclosing(produce()) as items:
        kept = [item async for item in items]


async def handles(future, children):
    try:
        raise LookupError(len(children))
    except LookupError as error:
        await gathers(future, children)


async def cleans_up(future, children):
    try:
        {}["missing"]
    finally:
        await gathers(future, children)


async def enters(future, children):
    @contextlib.asynccontextmanager
    async def managed():
        await groups(future, children)
        yield children

    async with managed() as kept:
        return kept


class Awaitable:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __await__(self):
        result = yield from gathers(*self.arguments).__await__()
        return result


async def awaits_object(future, children):
    await Awaitable(future, children)


WAYS = {
    each.__name__: each
    for each in (
        leaf, deep, gathers, gathers_tasks, groups, awaits_last, shields, waits, limits, completes,
        generates, handles, cleans_up, enters, awaits_object,
    )
}  # fmt: skip


def run(future, tree):
    way, children = tree
    return WAYS[way](future, children)


async def main(trees):
    loop = asyncio.get_running_loop()
    truth.note_creators(loop)
    future = loop.create_future()
    roots = [truth.is_let_go(asyncio.create_task(run(future, tree))) for tree in trees]
    for _ in range(60):
        await asyncio.sleep(0)
    tracer = truth.Recorder(functools.partial(truth.whole_truth, None, [loop]), limits=truth.ALL)
    truth.say(tracer, bcd.trace(tracer))
    os._exit(0 if roots else 1)


asyncio.run(main(json.load(sys.stdin)))
