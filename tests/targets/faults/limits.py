"""Traces itself at each limit of a resource, from nothing to enough.

Usage: limits.py FOLDER KIND (NOFILE|NPROC|AS) STEP
Prints two JSON lists: what became of each trace that was waited for, and of each detached one.
"""

import json
import resource
import sys
from pathlib import Path

import bcd
from bcd.engine import flush, trace
from common import TIMEOUT, make, told
from tests.leftovers import nothing_left

STEPS = 20
folder, kind, name, step = sys.argv[1:]
number = getattr(resource, f"RLIMIT_{name}")
soft, hard = resource.getrlimit(number)
bcd.update_config(bcd.GlobalConfig(rate_limit=0))
tracer, lines = make(kind, folder)
if name == "AS":
    trace(tracer)  # whatever that loads, the program has it before it grows
    first = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
else:
    first = 0
for detach in (False, True):
    found = []
    with nothing_left():
        for limit in range(first, first + STEPS * int(step), int(step)):
            lines.clear()
            resource.setrlimit(number, (limit, hard))
            try:
                result = trace(tracer, ValueError("x"), detach=detach)
                assert flush(TIMEOUT)
            finally:
                resource.setrlimit(number, (soft, hard))
            found.append({"limit": limit, "lines": list(lines), **told(result)})
    print(json.dumps(found))
