"""Traces itself with a tracer program of the test's."""

import os
import sys

import truth

import bcd


def fails(text):
    copied = [text]
    raise ValueError("fails")


def run(program, text):
    try:
        fails(text)
    except ValueError as error:
        tracer = truth.Recorder(program=program)
        truth.say(tracer, bcd.trace(tracer, error), True)


os.chdir(sys.argv[4])
os.environ["PYTHONPATH"] = sys.argv[4]
os.environ["PYTHONSTARTUP"] = os.path.join(sys.argv[4], "os.py")
run(sys.argv[2], sys.argv[3])
