"""Holds a process as the tracer does, until its input ends.

Usage: holder.py REPOSITORY PID. Prints "held", or why not; at the end for how long, in ms.
"""

import sys

sys.path.append(sys.argv[1])

from bcd.ptrace.attach import Hold, NotHeld

try:
    hold = Hold(int(sys.argv[2]), 60)
except NotHeld as refusal:
    sys.exit(str(refusal))
print("held", flush=True)
sys.stdin.read()
print(hold.release())
