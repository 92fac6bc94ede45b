"""Several tasks, of which one fails and is traced.

Usage: caller.py FOLDER WAY
"""

import asyncio
import sys
import threading

import bcd
from bcd.engine.attempt import GATE
from bcd.integrations.asgi import BcdMiddleware

folder, way = sys.argv[1:]
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
limits = {"tasks": 3, "tasks_with_variables": 1} if way == "many tasks" else {}
tracer = bcd.PythonTracer(folder=folder, limits=limits)


async def waits():
    await asyncio.Event().wait()


async def fails():
    asked_for = "known"
    raise LookupError("no such card")


async def app(scope, receive, send):
    await fails()


async def by_hand(run):
    try:
        await fails()
    except LookupError as error:
        return run(error)


async def traced():
    if way in ("trace", "many tasks"):
        await by_hand(lambda error: bcd.trace(tracer, error))
    elif way == "detached":
        await by_hand(lambda error: bcd.trace(tracer, error, detach=True))
    elif way == "atrace":
        await (await by_hand(lambda error: bcd.atrace(tracer, error)))
    elif way == "atrace in its turn":
        slot = GATE.try_acquire()
        asyncio.get_running_loop().call_later(0.05, slot.give_back)
        await (await by_hand(lambda error: bcd.atrace(tracer, error)))
    elif way == "recover":
        with bcd.recover(tracer, reraise=False):
            await fails()
    elif way == "async recover":
        async with bcd.recover(tracer, reraise=False):
            await fails()
    elif way == "asgi":
        middleware = BcdMiddleware(app, tracer=tracer)
        try:
            await middleware({"type": "websocket", "path": "/"}, None, None)
        except LookupError:
            pass
    elif way == "not faulted":
        await by_hand(lambda error: bcd.trace(tracer, error, bcd.TraceOptions()))
    elif way == "another thread":
        thread = threading.Thread(target=bcd.trace, args=(tracer, LookupError("x")))
        thread.start()
        thread.join()
    elif way == "on behalf of another thread":
        await by_hand(lambda error: bcd.trace(tracer, error, thread=1))


async def main():
    count = 20 if way == "many tasks" else 4
    neighbours = [asyncio.create_task(waits(), name=f"waits-{n}") for n in range(count)]
    await asyncio.sleep(0)
    request = asyncio.create_task(traced(), name="request")
    neighbours += [asyncio.create_task(waits(), name=f"late-{n}") for n in range(4)]
    await request
    assert bcd.flush(30)
    for task in neighbours:
        task.cancel()


asyncio.run(main())
