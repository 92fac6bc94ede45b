"""A thousand frames of one function, and then the fault."""

import sys

import truth

import bcd

sys.setrecursionlimit(1500)


def deeper(depth):
    if depth == 999:
        return 1 / 0
    return deeper(depth + 1)


truth.often()


def run():
    try:
        deeper(0)
    except ZeroDivisionError as error:
        tracer = truth.Recorder()
        result = bcd.trace(tracer, error)
        truth.say(tracer, result, len(truth.traceback_truth(error.__traceback__)))


run()


def standing(depth):
    if depth:
        return standing(depth - 1)
    tracer = truth.Recorder(truth.threads_truth)
    truth.say(tracer, bcd.trace(tracer))

standing(900)
