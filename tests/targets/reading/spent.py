"""A chain of three whose first two have so many values that none are left for the last."""

import truth

import bcd


def first():
    data = [list(range(9)) for _ in range(9)]
    raise LookupError("first", [1, 2])


def second():
    data = [list(range(9)) for _ in range(9)]
    try:
        first()
    except LookupError as error:
        raise ValueError("second") from error


def third():
    data = [list(range(9)) for _ in range(9)]
    try:
        second()
    except ValueError:
        raise TypeError("third")


truth.often()
try:
    third()
except TypeError as error:
    tracer = truth.Recorder(limits={"values": 60}, record=lambda: truth.exception_truth(error))
    truth.say(tracer, bcd.trace(tracer, error))
