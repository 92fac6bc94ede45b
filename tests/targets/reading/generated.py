"""Programs, given as sources on standard input, each in a file of its own, that end in errors.

Where a program calls ``halt``, the whole process is traced first.
"""

import builtins
import functools
import json
import os
import sys

import truth

import bcd

FOLDER = os.path.dirname(sys.argv[1])
truth.often()
truth.observe(*sys.argv[2:])
standard_output, sys.stdout = sys.stdout, sys.stderr


def trace(error=None):
    tracer = truth.Recorder(limits=truth.ALL)
    tracer.record = functools.partial(truth.whole_truth, error)
    result = bcd.trace(tracer, error)
    sys.stdout = standard_output
    truth.say(tracer, result)
    sys.stdout = sys.stderr


def halt():
    trace()
    raise SystemError("halted")


builtins.halt = halt



def run(path, source):
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    os.utime(path, (0, 0))
    exec(compile(source, path, "exec"), {"__name__": os.path.basename(path)})


found = []
for number, source in enumerate(json.load(sys.stdin)):
    try:
        run(os.path.join(FOLDER, f"program {number}.py"), source)
    except Exception as error:
        found.append(error.with_traceback(error.__traceback__.tb_next))
    else:
        raise SystemExit(f"raised nothing:\n{source}")
trace(ExceptionGroup("all", found))
