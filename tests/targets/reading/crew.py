"""Threads of all kinds, each standing in a read that never ends, while one of them traces."""

import _thread
import asyncio
import concurrent.futures
import contextlib
import ctypes
import functools
import os
import sys
import threading
import time

import truth

import bcd

GATE, KEPT_OPEN = os.pipe()
MANY = 40
expected = []
truth.observe(*sys.argv[2:])


def stand():
    os.read(GATE, 1)


def standing(tid):
    """Whether a thread is in that very system call, by what the kernel says of it."""
    try:
        with open(f"/proc/self/task/{tid}/syscall") as file:
            return file.read().split()[1:2] == [hex(GATE)]
    except OSError:
        return False


def start(thread):
    thread.start()
    expected.append(thread.native_id)
    return thread


def deep(depth, *rest):
    here = depth * [depth]
    if depth:
        return deep(depth - 1, *rest, depth)
    return stand()


def in_generators(number):
    def inner():
        yield number
        yield (lambda found: stand())(number)

    def outer():
        result = yield from inner()

    return [item for item in outer()]


def in_comprehension(items):
    return {key: [stand() for part in (key, item) if part] for key, item in items.items()}


def in_class_body():
    outer = "free"

    class Body:
        own = outer
        item = "hidden by the comprehension"
        stood = [stand() for item in (1, 2)]


def at_module_level():
    source = "value = [1]\nitem = 'hidden'\nfound = [(stand(), item) for item in value]\n"
    exec(compile(source, "<a module>", "exec"), {"__name__": "made", "stand": stand})


def under_c():
    return sorted([3, 1, 2], key=lambda item: max(map(lambda part: stand(), [item])))


def in_del():
    class Odd:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            kept = self.name
            stand()

    odd = Odd("deleted")
    del odd


def in_handler():
    try:
        raise ValueError("handled")
    except ValueError as error:
        try:
            {}["inner"]
        finally:
            stand()


def handled_before():
    try:
        {}["before"]
    except KeyError:
        pass
    stand()


def in_handlers_in_generators():
    def inner():
        try:
            raise TypeError("in the generator") from OSError(2, "cause")
        except TypeError:
            yield stand()

    def outer():
        yield from inner()

    try:
        {}["around"]
    except KeyError:
        next(outer())


def in_generator_below_handler():
    def plain():
        yield stand()

    try:
        raise ExceptionGroup("handled", [ValueError(1), KeyError(2)])
    except* ValueError:
        next(plain())


def in_exit():
    class Managed:
        def __enter__(self):
            return self

        def __exit__(self, kind, error, traceback):
            stand()

    with Managed():
        deep(3, 1 / 0)


def in_finally():
    try:
        {}["passes"]
    finally:
        stand()


def in_context():
    @contextlib.contextmanager
    def managed(name):
        yield name
        stand()

    with managed("a") as given, contextlib.ExitStack() as stack:
        stack.callback(len, ())


def unstarted_generator():
    kept = (number for number in range(3))
    other = (lambda: (yield))()
    next(other)
    stand()


def closures(a):
    b = [a]

    def inner():
        nonlocal a
        a += 1
        stand()
        return b

    inner()


class Odd(threading.Thread):
    """With a name that is made when it is asked for."""

    def run(self):
        self.stood = None
        stand()


def raw(known):
    if known:
        threading.current_thread()  # threading gives it a name now
    truth.natives[_thread.get_ident()] = threading.get_native_id()
    expected.append(threading.get_native_id())
    stand()


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def of_c(argument):
    raw(False)
    return 0


def in_loop():
    async def main():
        own = "in the loop"
        stand()

    asyncio.run(main())


def rename():
    threading.current_thread().name = "renamed later"
    stand()


for function, *arguments in (
    (deep, 0), (deep, 300), (in_generators, 1), (in_comprehension, {"a": 1, "b": 2}), (in_class_body,),
    (at_module_level,), (under_c,), (in_del,), (in_handler,), (in_context,),
    (handled_before,), (in_handlers_in_generators,), (in_generator_below_handler,), (in_exit,), (in_finally,), (unstarted_generator,),
    (closures, 1), (in_loop,), (rename,),
):  # fmt: skip
    start(threading.Thread(target=function, args=arguments, name=function.__name__, daemon=True))
for name in ("", "twice", "twice", "ümläut 日本 😀", "x" * 90, "new\nline", "sur\udc80rogate"):
    start(Odd(name=name, daemon=len(name) != 5))
for number in range(MANY):
    start(threading.Thread(target=deep, args=(number,), daemon=number % 2 == 0))
start(threading.Timer(0, stand))
pool = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="pool")
futures = [pool.submit(deep, number) for number in range(2)]
expected += [thread.native_id for thread in pool._threads]
already = len(expected)
_thread.start_new_thread(raw, (False,))
_thread.start_new_thread(raw, (True,))
handle = ctypes.c_ulong()
ctypes.CDLL(None).pthread_create(ctypes.byref(handle), None, of_c, None)
while len(expected) < already + 3 or not all(map(standing, expected)):
    time.sleep(0.001)


def fails():
    tracer = truth.Recorder(limits=truth.ALL)
    try:
        {}["missing"]
    except KeyError as error:
        tracer.record = functools.partial(truth.whole_truth, error)
        result = bcd.trace(tracer, error)
    return tracer, result


class Tracing:
    item = "hidden by the comprehension"
    traced = [fails() for item in (1,)]


truth.say(*Tracing.traced[0])
os._exit(0)  # the others stand for ever
