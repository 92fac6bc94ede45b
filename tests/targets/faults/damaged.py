"""Has the tracer read a process whose memory makes no sense in places, once for each seed.

Each time the target freezes itself, its copy is damaged, and the tracer process reads that.

Usage: damaged.py KIND FIRST LAST FOLDER, by the interpreter to be tested
Prints a JSON line for each seed: what was damaged, what came of it.
"""

import asyncio  # before calibration, which otherwise stands in for it
import contextlib
import gzip
import json
import math
import os
import random
import subprocess
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.append(REPOSITORY)

from bcd.ptrace.bounds import Limits
from bcd.ptrace.calibrate import calibrate
from bcd.ptrace.memory import PAGE, LiveMemory, Memory
from bcd.ptrace.objects import Objects
from bcd.ptrace.redact import Redactor
from bcd.ptrace.stacks import Frames, Stacks
from bcd.ptrace.target import Target

WORD = 8
STANDING = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "reading", "standing.py")
TRACER = os.path.join(REPOSITORY, "bcd", "ptrace", "__main__.py")
PRESENT = 1 << 63  # in /proc/PID/pagemap, see the kernel's admin-guide/mm/pagemap.rst


class RecordingMemory(Memory):
    """Remembers which words are read."""

    def __init__(self, descriptor):
        super().__init__(descriptor)
        self.seen = {}

    def word(self, address):
        self.seen[address // WORD * WORD] = None
        return super().word(address)

    def read(self, address, size):
        self.seen.update(dict.fromkeys(range(address // WORD * WORD, address + size, WORD)))
        return super().read(address, size)


class Copy:
    """A frozen copy of the target, to be damaged."""

    def __init__(self, pid):
        self.pid = pid
        while not sleeps(pid):  # until then it needs its stack
            time.sleep(0.0001)
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
        self.pages = list(pages(pid))
        self.changed = set()

    def put(self, address, data):
        with contextlib.suppress(OSError):  # a page that nobody can have, like the kernel's own
            os.pwrite(self.memory, data, address)
            self.changed.update(range(address // WORD * WORD, address + len(data), WORD))

    def put_nonsense(self, dice, address):
        try:
            old = int.from_bytes(os.pread(self.memory, WORD, address), "little")
        except OSError:
            return
        new = dice.choice(
            [
                0,
                dice.getrandbits(64),
                old ^ 1 << dice.randrange(64),
                old + dice.choice([-16, -8, 8, 16, 4096]),
                dice.choice(self.pages) + dice.randrange(0, PAGE, WORD),
                dice.randrange(1 << 40),
            ]
        )
        self.put(address, (new & (1 << 64) - 1).to_bytes(WORD, "little"))


def sleeps(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] == b"S"


def pages(pid):
    """The addresses of the pages where Python has what is its own: its data, and what it made."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb", buffering=0) as present:
        for line in maps:
            fields = line.split()
            start, end = (int(part, 16) for part in fields[0].split("-"))
            constant = "python" in fields[-1] and fields[1] == "r--p"
            if not constant and fields[1] != "rw-p":
                continue
            words = memoryview(os.pread(present.fileno(), (end - start) // PAGE * WORD, start // PAGE * WORD)).cast("Q")
            for number, word in enumerate(words):
                if constant or word & PRESENT:
                    yield start + number * PAGE


def chosen(dice, rate, count):
    """So many of the numbers below ``count``, each with the same chance."""
    at = -1
    while True:
        at += 1 + int(math.log(1 - dice.random()) / math.log(1 - rate))
        if at >= count:
            return
        yield at


def words(rate):
    """A share of all words."""

    def damage(dice, copy, standing):
        for number in chosen(dice, rate, len(copy.pages) * (PAGE // WORD)):
            page, at = divmod(number, PAGE // WORD)
            copy.put_nonsense(dice, copy.pages[page] + at * WORD)

    return damage


def whole_pages(rate):
    """A share of the pages, to their last byte."""

    def damage(dice, copy, standing):
        for number in chosen(dice, rate, len(copy.pages)):
            copy.put(copy.pages[number], dice.randbytes(PAGE))

    return damage


def heads(dice, copy, standing):
    """One to five of the words that lead to threads, modules and tasks."""
    for address in dice.sample(standing.heads, min(len(standing.heads), dice.randint(1, 5))):
        copy.put_nonsense(dice, address)


DAMAGES = {
    "words-0.0003": words(0.0003),
    "words-0.003": words(0.003),
    "words-0.03": words(0.03),
    "pages-0.01": whole_pages(0.01),
    "pages-0.1": whole_pages(0.1),
    "heads": heads,
}


class Standing:
    """The target, which of its words tell what, and how it freezes itself."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, STANDING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": REPOSITORY},
        )
        self.said = json.loads(self.process.stdout.readline())
        self.layout = calibrate(LiveMemory(os.open("/proc/self/mem", os.O_RDONLY)))
        self.layout.slide = self.said["hints"]["int"] - id(int)
        self.memory = os.open(f"/proc/{self.said['pid']}/mem", os.O_RDONLY)
        self.type_words = self._type_words()
        self.heads = self._head_words()

    def _type_words(self):
        memory = RecordingMemory(self.memory)
        info = Objects(memory, self.layout).type_of(self.said["hints"]["error"])
        assert info.full_name == "LookupError"
        return list(memory.seen)

    def _head_words(self):
        memory = RecordingMemory(self.memory)
        target = Target(memory, self.layout, Limits(), Redactor())
        thread = self.layout.thread
        interpreter = memory.word(thread.runtime + self.layout.slide + thread.runtime_interpreter)
        stacks = Stacks(target, Frames(target, "/"), interpreter)
        assert len(list(stacks.states())) == 5
        assert stacks.module_dict("asyncio.tasks")
        assert stacks.module_dict("threading")
        return list(memory.seen)

    def _ask(self, word):
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    @contextlib.contextmanager
    def frozen(self):
        copy = Copy(self._ask("freeze"))
        try:
            yield copy
        finally:
            os.close(copy.memory)
            self._ask("release")

    def end(self):
        self.process.communicate(b"\n")
        assert self.process.returncode == 0, "it goes on as if nothing had happened"


def request(standing, copy, folder, **changes):
    document = {
        "version": 1, "arguments": ["--fault-thread", str(standing.said["tid"]), "--kv", "error:standing"],
        "output": folder, "pid": standing.said["pid"], "mode": "frozen", "memory": copy.memory, "release": None,
        "copy": None, "started": time.monotonic(), "reason": "error", "hints": standing.said["hints"],
        "limits": {"string": 100}, "redact": ["pin"], "reveal": [], "notes": [],
    }
    return json.dumps({**document, **changes}).encode()


def damaged_hints(dice, standing, copy):
    """The request's hints, one of which is something else, and the process that is to help."""
    hints = dict(standing.said["hints"])
    name = dice.choice(["int", "error"])
    others = [0, -1, None, "x", [], 1.5, 1 << 70, dice.getrandbits(64), dice.choice(copy.pages) + 8, hints[name] + 8]
    hints[name] = dice.choice(others)
    return name, hints, dice.choice([standing.said["pid"], os.getpid()])


def damaged_request(dice, line):
    """A request of which some bytes are something else, in half of all cases digits alone.

    Not in the folder, which is to be found.
    """
    raw = bytearray(line)
    folder = range(line.index(b'"output"'), line.index(b'"pid"'))
    places = sorted({*range(len(raw))} - {*folder})
    others = [dice.randrange(11, 256), *b'0123456789"{}[],:-en']
    if dice.random() < 0.5:
        places, others = [at for at in places if raw[at] in b"0123456789"], b"123456789"
    for at in dice.sample(places, dice.randint(1, 6)):
        raw[at] = dice.choice(others)
    return bytes(raw)


def damage(kind, dice, standing, copy, folder):
    """Do it; returns the request and whether the words were hit that say what the exception is."""
    if kind == "hints":
        name, hints, pid = damaged_hints(dice, standing, copy)
        return request(standing, copy, folder, hints=hints, pid=pid), name == "error"
    if kind == "request":
        line = damaged_request(dice, request(standing, copy, folder))
        return line, b'"error": %d' % standing.said["hints"]["error"] not in line
    DAMAGES[kind](dice, copy, standing)
    return request(standing, copy, folder), not copy.changed.isdisjoint(standing.type_words)


def read(kind, seed, standing, folder):
    with standing.frozen() as copy:
        line, hit = damage(kind, random.Random(seed), standing, copy, folder)
        tracer = subprocess.Popen(
            [sys.executable, "-I", "-S", TRACER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[copy.memory],
        )
        tracer.stdin.write(line + b"\n{}\n")
        tracer.stdin.close()
        said, complaint = tracer.stdout.read().decode(), tracer.stderr.read().decode()
        _, status, usage = os.wait4(tracer.pid, 0)
        tracer.returncode = os.waitstatus_to_exitcode(status)
    return {"seed": seed, "hit": hit, "peak": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime, **outcome(tracer.returncode, said, complaint)}


def outcome(status, said, complaint):
    if status == 0 and not complaint:
        with open(said.rstrip("\n"), "rb") as file:
            raw = file.read()
        return {"document": json.loads(gzip.decompress(raw) if said.endswith(".gz\n") else raw)}
    if status == 1 and complaint.count("\n") == 1 and "please report" not in complaint:
        return {"refused": complaint.rstrip("\n")}
    return {"fault": f"status {status}: {said}{complaint}"}


def main(kind, first, last, folder):
    standing = Standing()
    for seed in range(int(first), int(last)):
        print(json.dumps(read(kind, seed, standing, folder)), flush=True)
    standing.end()


main(*sys.argv[1:])
