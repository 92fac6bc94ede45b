"""Threads that wait for each other in circles, and one that would with a time-out."""

import os
import threading

import truth

import bcd
from standstill import at, at_lock, named, standing

first, second = threading.Lock(), threading.RLock()
alone = threading.Lock()
patient, impatient = threading.Lock(), threading.Lock()
both = threading.Barrier(2)
patients = threading.Barrier(2)


def first_then_second():
    with first:
        both.wait()
        with second:
            pass


def second_then_first():
    with second:
        both.wait()
        with first:
            pass


def twice():
    with alone, alone:
        pass


def for_ever():
    with patient:
        patients.wait()
        with impatient:
            pass


def for_a_time():
    with impatient:
        patients.wait()
        patient.acquire(timeout=1000)


names = [first_then_second, second_then_first, twice, for_ever, for_a_time]
one, two, three, four, five = threads = [
    threading.Thread(target=target, name=target.__name__, daemon=True) for target in names
]
for thread in threads:
    thread.start()
standing(threads)
ring = {
    one: f"{named(one)} waits for {at(second)} held by {named(two)}",
    two: f"{named(two)} waits for {at_lock(first)} held by {named(one)}",
}
told = {
    "circles": [
        sorted(ring.values()),
        [f"{named(three)} waits for {at_lock(alone)} held by {named(three)}"],
    ],
    "patient": f"{at_lock(impatient)} held by {named(five)}",
}
tracer = truth.Recorder()
truth.say(tracer, bcd.trace(tracer), told)
os._exit(0)
