"""Traces itself where something is missing that programs take for granted.

Usage: surroundings.py FOLDER KIND ANSWER MISSING...
Missing is a number of a standard stream, "folder" or "null". Writes two JSON objects to the file
ANSWER: what became of a trace that was waited for, and of a detached one.
"""

import json
import os
import sys
import tempfile

import bcd
from bcd.engine import flush, trace
from common import TIMEOUT, make, told
from tests.leftovers import nothing_left

folder, kind, answer, *missing = sys.argv[1:]
low = os.open(answer, os.O_WRONLY | os.O_CREAT)
os.dup2(low, 100)
os.close(low)
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
tracer, lines = make(kind, folder)
for thing in missing:
    if thing == "folder":
        os.chdir(tempfile.mkdtemp())
        os.rmdir(os.getcwd())
    elif thing == "null":
        os.unlink("/dev/null")
    else:
        os.close(int(thing))
for detach in (False, True):
    lines.clear()
    with nothing_left():
        result = trace(tracer, ValueError("x"), detach=detach)
        assert flush(TIMEOUT)
    report = {**told(result), "lines": lines}
    os.write(100, json.dumps(report).encode() + b"\n")
os._exit(0)  # streams that are closed cannot be flushed
