"""Traces itself within an ``except`` block: with the error, with another one, and with none."""

import sys
import threading

import truth

import bcd


def validate(card):
    checked = card[:4]
    raise ValueError(f"no such card: {checked}")


def traced(error):
    tracer = truth.Recorder()
    result = bcd.trace(tracer, error)
    truth.say(tracer, result, truth.handling_truth(sys.exception(), truth.chain_of(error)))


def pays(card):
    try:
        validate(card)
    except ValueError as invalid:
        traced(None)
        traced(invalid)
        traced(LookupError("another one"))
    traced(None)


def waits(number):
    try:
        raise OSError(number, "refused")
    except OSError:
        ready.release()
        gate.wait()


def many():
    """More threads than the limit admits exceptions of."""
    for number in range(5):
        threading.Thread(target=waits, args=(number,), daemon=True).start()
        ready.acquire()
    tracer = truth.Recorder(limits={"exceptions": 3})
    truth.say(tracer, bcd.trace(tracer), 3)


gate, ready = threading.Event(), threading.Semaphore(0)
truth.often()
pays("4111-1111")
many()
gate.set()
