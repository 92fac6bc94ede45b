"""Freezes itself as another user and in a sandbox, and lets a tracer read an old value.

Usage: sandboxed.py USER-ID,DUMPABLE REFUSED,REFUSED...   ("-" for none)
Prints one JSON object.
"""

import ctypes
import json
import os
import sys

import seccomp

from bcd import _linux
from bcd.errors import FreezeError
from bcd.freeze import freeze

READER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
attached = libc.ptrace(16, int(sys.argv[2]), 0, 0)
sys.stdout.write(os.pread(3, 8, int(sys.argv[1])).decode() + f" {os.getuid()} {attached}")
"""


def reachable(path):
    """Whether every user may start the program."""
    path = os.path.realpath(path)
    folders = [path[:i] or "/" for i, letter in enumerate(path) if letter == "/"]
    return all(os.stat(each).st_mode & 1 for each in [*folders, path])


def read_as_tracer(interpreter, memory, address):
    end, other_end = _linux.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    target = str(memory.copy or os.getpid())
    argv = [interpreter, "-I", "-S", "-c", READER, str(address), target]
    table = {0: null, 1: other_end, 2: 2, 3: memory.descriptor}
    tracer = _linux.Spawn(argv, descriptors=table).start()
    memory.close()
    _linux.close(other_end)
    with open(end, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(tracer, 0)
    os.close(null)
    return answer


def main():
    user, refused = sys.argv[1], sys.argv[2]
    interpreter = next(filter(reachable, [sys.executable, "/usr/bin/python3"]))
    value = ctypes.create_string_buffer(b"ORIGINAL", 8)
    if user != "-":
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
    if refused != "-":
        seccomp.install(refused.split(","))
    report = {"uid": os.getuid(), "dumpable_before": dumpable}
    before = len(os.listdir("/proc/self/fd")) if "openat" not in refused else 0
    try:
        memory = freeze(seconds=20)
    except FreezeError as error:
        report["error"] = str(error)
    else:
        report.update(mode=memory.mode, notes=list(memory.notes))
        value.raw = b"CHANGED!"
        report["answer"] = read_as_tracer(interpreter, memory, ctypes.addressof(value))
        memory.release()
        report["left"] = len(os.listdir("/proc/self/fd")) - before
    report["dumpable_after"] = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
    print(json.dumps(report))


main()
