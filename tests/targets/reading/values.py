"""Values, given as expressions on standard input, each in a variable of one frame."""

import collections
import enum
import json
import sys
from typing import NamedTuple

import standard
import truth

import bcd


class Point(NamedTuple):
    x: object
    y: object


Pair = collections.namedtuple("Pair", "left right")
Lonely = collections.namedtuple("Lonely", "only")


class Color(enum.Enum):
    RED = 1
    GREEN = "green"
    MIXED = (1, "x")


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    HELLO = "hello"


class Flags(enum.Flag):
    ONE = 1
    TWO = 2


class Plain:
    class Nested:
        def method(self): ...

    def method(self): ...


def function(): ...


def local():
    def inner(): ...

    return inner


def deleted_from_dict():
    held = {number: str(number) for number in range(8)}
    for number in (0, 3, 7):
        del held[number]
    return held


def set_after_discards():
    held = set(range(9))
    held -= {0, 4, 8}
    return held


def list_cycle():
    cycle = [1]
    cycle.append(cycle)
    return cycle


def dict_cycle():
    cycle = {}
    cycle["self"] = cycle
    return cycle


def tuple_cycle():
    cycle = ([],)
    cycle[0].append(cycle)
    return cycle


def pair_cycle():
    cycle = ([], 1)
    cycle[0].append(cycle)
    return cycle


def mixed_cycle():
    first, second = [], {}
    first.append(second)
    second["back"] = first
    return first


def shifted_bytearray():
    data = bytearray(b"0123456789" * 3)
    del data[:7]
    return data


expressions = json.loads(sys.stdin.read())
inf, nan = float("inf"), float("nan")
space = dict({**vars(standard), **globals()}, infj=complex(0, inf), nanj=complex(0, nan))
values = [eval(expression, space) for expression in expressions]
source = ["def hold(values):"]
source += [f"    v{index} = values[{index}]" for index in range(len(values))]
source += ["    raise LookupError"]
exec("\n".join(source))
limits = {"variables": 5000, "depth": 20, "items": 60, "string": 3000, "value": 10**6, "deadline_ms": 30000}
try:
    hold(values)
except LookupError as error:
    tracer = truth.Recorder(lambda: [[truth.type_name(value), repr(value)] for value in values], limits=limits)
    truth.say(tracer, bcd.trace(tracer, error))
standard.end()
