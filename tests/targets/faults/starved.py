"""Traces itself with a tracer that a busy machine keeps waiting. Usage: starved.py FOLDER

Without an argument it is that tracer. Prints the path of the snapshot.
"""

import os
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DEADLINE_MS = 500


def read():
    sys.path.append(REPOSITORY)
    from bcd.ptrace import main
    from bcd.ptrace.document import Document

    def read_late(document, read_urgent=Document.read_urgent):
        time.sleep(DEADLINE_MS * 1.5 / 1000)
        read_urgent(document)

    Document.read_urgent = read_late
    return main.main([], f"{REPOSITORY}/bcd/", "0")


def trace(folder):
    import bcd

    tracer = bcd.PythonTracer(folder=folder, program=__file__, limits={"deadline_ms": DEADLINE_MS})
    kept = "a value"
    result = bcd.trace(tracer, LookupError(kept))
    result.raise_for_error()
    return result.stdout.decode()


if len(sys.argv) == 1:
    sys.exit(read())
print(trace(sys.argv[1]), end="")
