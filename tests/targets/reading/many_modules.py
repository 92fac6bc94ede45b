"""A program with more modules than a container shows entries, asyncio and threading the last."""

import asyncio
import sys
import threading  # noqa: F401 - it shall be there
import types

import truth

import bcd

for number in range(6000):
    sys.modules[f"crowd.module_{number}"] = types.ModuleType(f"crowd.module_{number}")
for name in ("threading", "asyncio", "asyncio.tasks"):
    sys.modules[name] = sys.modules.pop(name)  # goes to the end


async def main():
    tracer = truth.Recorder()
    asyncio.current_task().set_name("the one task")
    result = bcd.trace(tracer)
    truth.say(tracer, result, list(sys.modules).index("asyncio.tasks"))


asyncio.run(main())
