"""A small service that traces an error of its own, as another user and in a sandbox.

Usage: program.py FOLDER USER-ID REFUSED,REFUSED... HOW ("-" for none)
Prints one JSON object. `seccomp` is a neighbour's module.
"""

import asyncio
import ctypes
import json
import os
import resource
import sys
import threading
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "freeze"))

import seccomp

import bcd
import bcd.freeze


def deep(depth, card_token):
    remaining = depth
    if not remaining:
        raise LookupError("no such card") from ZeroDivisionError("division by zero")
    return deep(depth - 1, card_token)


async def waits():
    await asyncio.Event().wait()


LATE = """
import sys, time
time.sleep(0.4)
program = PROGRAM
exec(compile(open(program).read(), program, "exec"), {"__name__": "__main__", "__file__": program})
"""


def prepare(how, folder):
    """What is to be odd about this process; returns what its tracer is to be given."""
    if how == "large":
        bcd.freeze.freeze.__kwdefaults__["limit"] = 1
    if how == "narrow":
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + (32 << 20), size + (32 << 20)))
    if how == "late":
        program = Path(folder).parent / "late.py"
        real = Path(bcd.__file__).parent / "ptrace" / "__main__.py"
        program.write_text(LATE.replace("PROGRAM", repr(str(real))))
        return {"program": program}
    return {}


async def main(folder, user, refused, how):
    parked = threading.Event()
    threading.Thread(target=parked.wait, name="parked", daemon=True).start()
    tasks = [asyncio.create_task(waits(), name=f"waits-{number}") for number in range(3)]
    await asyncio.sleep(0)
    tracer, trace = bcd.PythonTracer(folder=folder, **prepare(how, folder)), bcd.trace
    if user != "-":
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    if refused != "-":
        seccomp.install(refused.split(","))
    try:
        deep(4, "tok_verysecret")
    except LookupError as error:
        result = trace(tracer, error)
    for task in tasks:
        task.cancel()
    parked.set()
    # Root alone could attach, and its parent would stand still.
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0) if user != "-" else None
    return {
        "error": result.error and str(result.error),
        "path": os.fsdecode(result.stdout).rstrip("\n"),
        "uid": os.getuid(),
        "ptrace": ptrace,
        "children": children() if "openat" not in refused and how != "no-proc" else None,
        "pid": os.getpid(),
    }


def children():
    """Everything that was started and is still there."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            stat = Path(f"/proc/{entry}/stat").read_bytes()
        except (OSError, ValueError):
            continue
        if entry.isdigit() and int(stat.rpartition(b")")[2].split()[1]) == os.getpid():
            found.append(int(entry))
    return found


print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
