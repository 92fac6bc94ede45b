"""A tracer that notes how it was started and then behaves as it is told.

`tests/recording.py` installs it as an executable file of any name; beside that file lie

    NAME.do      what to do: one action a line, in this order, see `ACTIONS`
    NAME.runs/   what it noted: one JSON file a run

The note is written before the first action, again whenever something is added, and at the end,
so a run that is killed leaves one without an end. Only the standard library is used.
"""

import json
import os
import signal
import sys
import time

STARTED = time.monotonic()  # one clock for all processes of the machine
PROGRAM = os.path.abspath(sys.argv[0])


def descriptors():
    """Each open descriptor and what it leads to."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # that of the listing itself
            continue
    return found


def signals(field):
    """The numbers of the signals in a mask of /proc/self/status."""
    with open("/proc/self/status", encoding="ascii") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith(field))
    return [number for number in range(1, 65) if mask >> number - 1 & 1]


# Python itself ignores these two when it starts, so what was inherited cannot be told.
NOT_INHERITED = {signal.SIGPIPE, signal.SIGXFSZ}

NOTE = {
    "descriptors": descriptors(),  # first, before anything is opened
    "argv": sys.argv,
    "cwd": os.getcwd(),
    "environment": dict(os.environ),
    "pid": os.getpid(),
    "parent": os.getppid(),
    "group": os.getpgrp(),
    "blocked": signals("SigBlk"),
    "ignored": [n for n in signals("SigIgn") if n not in NOT_INHERITED],
    "children": [],
    "input": None,
    "started": STARTED,
    "ended": None,
}


def note(**added):
    """Write the note, whole or not at all."""
    NOTE.update(added)
    folder = f"{PROGRAM}.runs"
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{STARTED:020.9f}-{os.getpid()}.json")
    with open(f"{path}.new", "w", encoding="ascii") as file:
        json.dump(NOTE, file)
    os.rename(f"{path}.new", path)


def write(number, count):
    """Write N bytes to a descriptor."""
    piece = b"x" * 65536
    left = int(count)
    while left > 0:
        left -= os.write(int(number), piece[:left])


def say(number):
    """An action that writes a line to a descriptor."""
    return lambda *words: os.write(number, os.fsencode(" ".join(words) + "\n"))


def read():
    """Read the standard input to its end, and note it."""
    with open(0, "rb", closefd=False) as file:
        note(input=file.read().decode("latin-1"))


def fork(seconds):
    """Start a child that holds everything this process holds, for some seconds."""
    child = os.fork()
    if child == 0:
        time.sleep(float(seconds))
        os._exit(0)
    note(children=[*NOTE["children"], child])


def ignore(name):
    """Ignore a signal, as SIGTERM."""
    signal.signal(getattr(signal, name), signal.SIG_IGN)


def tell(fifo):
    """Let somebody who opens a FIFO for reading go on; waits for them."""
    os.close(os.open(fifo, os.O_WRONLY))


def wait(fifo):
    """Wait until somebody opens a FIFO for writing."""
    os.close(os.open(fifo, os.O_RDONLY))


def end(status=0):
    """Note the end, and end."""
    note(ended=time.monotonic())
    os._exit(int(status))


def die(name):
    """Note the end, and end by a signal, as SIGSEGV."""
    note(ended=time.monotonic())
    signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.kill(os.getpid(), getattr(signal, name))


ACTIONS = {
    "print": say(1),  # print WORDS: a line on the standard output
    "complain": say(2),  # complain WORDS: a line on the standard error
    "write": write,  # write DESCRIPTOR BYTES
    "read": read,
    "close": lambda number: os.close(int(number)),  # close DESCRIPTOR
    "sleep": lambda seconds: time.sleep(float(seconds)),  # sleep SECONDS
    "fork": fork,  # fork SECONDS
    "ignore": ignore,  # ignore SIGNAL
    "tell": tell,  # tell FIFO
    "wait": wait,  # wait FIFO
    "exit": end,  # exit STATUS
    "die": die,  # die SIGNAL
}


def main():
    note()
    with open(f"{PROGRAM}.do", encoding="utf-8", errors="surrogateescape") as file:
        actions = file.read().split("\n")
    for line in filter(None, actions):
        action, *words = line.split(" ")
        ACTIONS[action](*words)
    end()


main()
