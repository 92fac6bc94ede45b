"""Learns its interpreter's layout alone, and again while the process does what is named.

Prints what differs, or why it was refused then.
"""

import gc
import json
import os
import sys
import threading
import tracemalloc

import truth

from bcd.ptrace.calibrate import calibrate
from bcd.ptrace.calibrate.interpreters import calibrate_interpreters
from bcd.ptrace.calibrate.search import Search
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.memory import LiveMemory

TIMES = 3
end = threading.Event()
own = LiveMemory(os.open("/proc/self/mem", os.O_RDONLY))


def members(layout):
    found = {}
    for group, held in vars(layout).items():
        parts = vars(held) if hasattr(held, "__dict__") else {"": held}
        found |= {f"{group}.{name}": value for name, value in parts.items()}
    return found


def learn():
    """The layout, and a word for what is wrong with it."""
    for _ in range(TIMES):
        try:
            again = members(calibrate(own))
        except CalibrationError as error:
            wrong.append(str(error))
            continue
        wrong.extend(f"{n}: {v} for {alone[n]}" for n, v in again.items() if v != alone[n])


def learn_interpreters():
    layout = calibrate(own)
    calibrate_interpreters(Search(own), layout.thread)
    learn()


def beside(work, number, learn=learn):
    """Learn while other threads work, which take turns often, so that it does not take long."""
    sys.setswitchinterval(0.0001)
    ready = threading.Semaphore(0)

    def runs():
        ready.release()
        work()

    threads = [threading.Thread(target=runs, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    learn()
    end.set()
    for thread in threads:
        thread.join()


def computes():
    while not end.is_set():
        sum(range(50))


def starts_others():
    while not end.is_set():
        thread = threading.Thread(target=len, args=((),))
        thread.start()
        thread.join()


def allocates():
    while not end.is_set():
        kept = [object() for _ in range(500)]
        del kept


def raises():
    while not end.is_set():
        try:
            raise LookupError
        except LookupError:
            end.is_set()


def in_thread():
    thread = threading.Thread(target=learn)
    thread.start()
    thread.join()


def in_handlers():
    try:
        {}["outer"]
    except KeyError:
        try:
            [][1]
        except IndexError:
            learn()


def in_generator():
    def inner():
        try:
            raise TypeError
        except TypeError:
            yield learn()

    def outer():
        yield from inner()

    list(outer())


def in_class_body():
    class Body:
        learnt = [learn() for _ in (1,)]


def in_del():
    class Odd:
        def __del__(self):
            learn()

    Odd()


def deep(depth=300):
    return deep(depth - 1) if depth else sorted([1], key=lambda _: learn())


def in_loop():
    import asyncio

    async def waits(future):
        await future

    async def main():
        future = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(waits(future)) for _ in range(30)]
        await asyncio.sleep(0)
        before = asyncio.get_running_loop(), asyncio.current_task()
        learn()
        if (asyncio.get_running_loop(), asyncio.current_task()) != before:
            wrong.append("another loop or task runs")
        future.set_result(None)
        await asyncio.gather(*tasks)

    asyncio.run(main())


def after_loop():
    import asyncio

    asyncio.run(asyncio.sleep(0))
    learn()


def beside_loop():
    import asyncio

    async def spins():
        while not end.is_set():
            await asyncio.sleep(0)

    beside(lambda: asyncio.run(spins()), 1)


def in_greenlet():
    import greenlet

    def switches(depth):
        if depth:
            return switches(depth - 1)
        greenlet.getcurrent().parent.switch()

    kept = [greenlet.greenlet(switches) for _ in range(10)]
    for number, each in enumerate(kept):
        each.switch(number)
    greenlet.greenlet(learn).switch()
    for each in kept:
        each.switch()
    learn()


def with_interpreters():
    if sys.version_info >= (3, 13):
        import _interpreters

        made = [_interpreters.create(kind) for kind in ("isolated", "legacy", "isolated")]
        run, destroy = _interpreters.run_string, _interpreters.destroy
    else:
        import _xxsubinterpreters

        made = [_xxsubinterpreters.create(isolated=way) for way in (True, False, True)]
        run, destroy = _xxsubinterpreters.run_string, _xxsubinterpreters.destroy
    for each in made:
        run(each, "import threading\nkept = [1]")
    learn()
    gate = os.pipe()
    stands = threading.Thread(target=run, args=(made[0], f"import os\nos.read({gate[0]}, 1)"))
    stands.start()
    learn()
    os.write(gate[1], b"x")
    stands.join()
    for each in made:
        destroy(each)


def with_interval(seconds):
    sys.setswitchinterval(seconds)
    learn()
    sys.setswitchinterval(0.0001)
    beside(computes, 2)


def with_garbage():
    gc.set_threshold(1, 1, 1)
    learn()


def with_tracemalloc():
    tracemalloc.start(5)
    learn()


def watched(how):
    truth.observe(how)
    learn()


def in_child():
    global own
    child = os.fork()
    if not child:
        own = LiveMemory(os.open("/proc/self/mem", os.O_RDONLY))
        learn()
        tell()
        os._exit(0)
    os.waitpid(child, 0)
    os._exit(0)


def with_context():
    import contextvars

    contextvars.copy_context().run(learn)


def tell():
    print(json.dumps(sorted(set(wrong))), flush=True)


WAYS = {
    "alone": learn,
    "threads that wait": lambda: beside(end.wait, 90),
    "threads that compute": lambda: beside(computes, 3),
    "threads beside new interpreters": lambda: beside(computes, 2, learn_interpreters),
    "threads that start others": lambda: beside(starts_others, 2),
    "threads that allocate": lambda: beside(allocates, 2),
    "threads that raise": lambda: beside(raises, 2),
    "another thread": in_thread,
    "handled exceptions": in_handlers,
    "a generator": in_generator,
    "a class body": in_class_body,
    "a finalizer": in_del,
    "a deep stack": deep,
    "a running loop": in_loop,
    "a loop that has ended": after_loop,
    "a loop in another thread": beside_loop,
    "greenlets": in_greenlet,
    "interpreters": with_interpreters,
    "a short switch interval": lambda: with_interval(0.000001),
    "a long switch interval": lambda: with_interval(3600),
    "garbage collection": with_garbage,
    "tracemalloc": with_tracemalloc,
    "settrace": lambda: watched("settrace"),
    "setprofile": lambda: watched("setprofile"),
    "monitoring": lambda: watched("monitoring"),
    "coverage": lambda: watched("coverage"),
    "a forked child": in_child,
    "a context": with_context,
}
wrong = []
alone = members(calibrate(own))
WAYS[sys.argv[1]]()
tell()
