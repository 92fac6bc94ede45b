"""What values of the standard library are made of: names for the expressions of `values.py`."""

import array
import asyncio
import collections
import contextlib
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import http
import inspect
import io
import ipaddress
import itertools
import math
import operator
import os
import pathlib
import queue
import re
import signal
import sys
import threading
import types
import typing
import uuid
import weakref
import zoneinfo

D, F = decimal.Decimal, fractions.Fraction
Decimal, Fraction, UUID = decimal.Decimal, fractions.Fraction, uuid.UUID
PurePosixPath, IPv4Address, IPv6Address = pathlib.PurePosixPath, ipaddress.IPv4Address, ipaddress.IPv6Address
IPv4Network, IPv6Network = ipaddress.IPv4Network, ipaddress.IPv6Network
datetime_, date, time, delta, timezone = datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone
utc = timezone.utc
HOUR = timezone(delta(hours=1))
NAMED = timezone(delta(hours=-3, minutes=-30), "NST")
Path, PurePath, PureWindowsPath = pathlib.Path, pathlib.PurePosixPath, pathlib.PureWindowsPath
ip = ipaddress.ip_address
net = ipaddress.ip_network
deque, OrderedDict, defaultdict, Counter, ChainMap = collections.deque, collections.OrderedDict, collections.defaultdict, collections.Counter, collections.ChainMap
namespace = types.SimpleNamespace
partial = functools.partial
Optional, Union = typing.Optional, typing.Union


class Bare: ...


class Slotted:
    __slots__ = ("one",)


class Permission(enum.Flag):
    READ = 1
    WRITE = 2
    EXECUTE = 4


class Mask(enum.IntFlag):
    A = 1
    B = 2


@dataclasses.dataclass
class Account:
    owner: str
    balance: float = 0.0
    hidden: int = dataclasses.field(default=7, repr=False)


@dataclasses.dataclass(slots=True, frozen=True)
class Position:
    x: int
    y: object = None


@dataclasses.dataclass
class Deep(Account):
    inner: object = None


class SubDate(datetime.datetime): ...


class SubPath(type(pathlib.Path())): ...


class SubDeque(collections.deque): ...


class SubOrdered(collections.OrderedDict): ...


class SubSet(set): ...


class SubNamespace(types.SimpleNamespace): ...


class SubUUID(uuid.UUID): ...


class Outer:
    class Failure(Exception): ...

    class Kind(enum.Enum):
        A = "a"

    def method(self): ...

    @classmethod
    def made(cls): ...

    @staticmethod
    def still(): ...


bare = Bare()
slotted = Slotted()
outer = Outer()
dead = weakref.ref(Bare())
gc.collect()
kept = weakref.ref(bare)


def locked(lock, times=1):
    for _ in range(times):
        lock.acquire()
    return lock


def moved():
    held = OrderedDict(a=1, b=2, c=3)
    held.move_to_end("a")
    held["d"] = 4
    del held["b"]
    return held


def rotated():
    held = deque(range(90), 40)
    held.rotate(17)
    held.extendleft("abcdef")
    return held


def deque_cycle():
    held = deque([1])
    held.append(held)
    return held


def event(is_set):
    held = threading.Event()
    if is_set:
        held.set()
    return held


def thread(run, daemon=None, keep=None):
    gate = threading.Event()
    held = threading.Thread(target=gate.wait if keep else int, name=f"thread-{run}-{keep}", daemon=daemon)
    if run:
        held.start()
        threads.append((held, gate))
    if run and not keep:
        held.join()
    return held


threads = []


def end_threads():
    for held, gate in threads:
        gate.set()
        held.join()


def used_path():
    held = pathlib.Path("/a") / ".." / "b"
    str(held)
    return held


def joined_path():
    held = pathlib.Path("/a/./b//c").joinpath("d", "..")
    return held


def parent_path():
    return pathlib.Path("x/y/z").parent.parent / "w"


def asyncio_queue(*items, maxsize=0):
    held = asyncio.Queue(maxsize)
    for item in items:
        held.put_nowait(item)
    return held


def asyncio_locked():
    held = asyncio.Lock()
    run(held.acquire())
    return held


def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration:
        pass
    coroutine.close()


def asyncio_event():
    held = asyncio.Event()
    held.set()
    return held


loop = asyncio.new_event_loop()


def future(result=None, error=None, cancel=False):
    held = loop.create_future()
    if result is not None:
        held.set_result(result)
    if error is not None:
        held.set_exception(error)
        held.exception()
    if cancel:
        held.cancel()
    return held


async def sleeper():
    await loop.create_future()


async def finishes():
    return 7


def task(coroutine, name, steps=2):
    held = loop.create_task(coroutine, name=name)
    for _ in range(steps):
        loop.call_soon(loop.stop)
        loop.run_forever()
    tasks.append(held)
    return held


tasks = []


def end_tasks():
    for held in tasks:
        held.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()


def text_file():
    opened.append(open(__file__))
    return opened[-1]


def byte_file(mode="rb"):
    opened.append(open("/dev/null", mode))
    return opened[-1]


def raw_file(mode="rb"):
    opened.append(open("/dev/null", mode, 0))
    return opened[-1]


opened = []


def slotted_member():
    return Slotted.__dict__["one"]


def socket_kind():
    import socket

    return socket.AF_INET


def failure(*arguments, **attributes):
    held = Outer.Failure(*arguments)
    held.__dict__.update(attributes)
    return held


def end():
    """Leave nothing behind that would complain."""
    end_threads()
    end_tasks()
    for file in opened:
        file.close()
