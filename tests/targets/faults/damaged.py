"""Reads a process whose memory makes no sense in places; run by the interpreter to be tested.

Usage: damaged.py KIND FIRST LAST
Prints a JSON line for each seed: what was damaged, what came of it.
"""

import asyncio  # before calibration, which otherwise stands in for it
import json
import os
import random
import subprocess
import sys
import time
import traceback

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.append(REPOSITORY)

from bcd.errors import MemoryFault, ReadError
from bcd.ptrace import main
from bcd.ptrace.calibrate import calibrate
from bcd.ptrace.document import Document
from bcd.ptrace.memory import PAGE, LiveMemory, Memory
from bcd.ptrace.objects import Objects
from bcd.ptrace.redact import Redactor
from bcd.ptrace.request import Request, from_line
from bcd.ptrace.stacks import Frames, Stacks
from bcd.ptrace.target import Target

WORD = 8
STANDING = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "reading", "standing.py")


class FakeMemory(Memory):
    """The pages of a process that is gone; ``change`` damages one when it is read first."""

    def __init__(self, pages, change=lambda number, page: None):
        super().__init__(-1)
        self.all = pages
        self.change = change

    def _pread(self, address, size):
        numbers = range(address // PAGE, (address + size - 1) // PAGE + 1)
        if len(numbers) > len(self.all) or not all(number in self.all for number in numbers):
            raise MemoryFault(f"{size} bytes at {address:#x}")
        data = b"".join(self.page(number) for number in numbers)
        return data[address % PAGE : address % PAGE + size]

    def page(self, number):
        page = bytearray(self.all[number])
        self.change(number, page)
        return bytes(page)


class RecordingMemory(FakeMemory):
    def __init__(self, pages):
        super().__init__(pages)
        self.seen = {}

    def word(self, address):
        self.seen[address // WORD] = None
        return super().word(address)

    def read(self, address, size):
        self.seen.update(dict.fromkeys(range(address // WORD, (address + size - 1) // WORD + 1)))
        return super().read(address, size)


def nonsense(dice, old, pages):
    new = dice.choice(
        [
            0,
            dice.getrandbits(64),
            old ^ 1 << dice.randrange(64),
            old + dice.choice([-16, -8, 8, 16, 4096]),
            dice.choice(pages) * PAGE + dice.randrange(0, PAGE, WORD),
            dice.randrange(1 << 40),
        ]
    )
    return new & (1 << 64) - 1


def words(rate):
    """A share of all words."""

    def of(seed, standing):
        def change(number, page):
            dice = random.Random(seed << 64 | number)
            for at in range(0, PAGE, WORD):
                if dice.random() < rate:
                    old = int.from_bytes(page[at : at + WORD], "little")
                    page[at : at + WORD] = nonsense(dice, old, standing.known).to_bytes(WORD, "little")

        return change

    return of


def whole_pages(rate):
    """A share of the pages, to their last byte."""

    def of(seed, standing):
        def change(number, page):
            dice = random.Random(seed << 64 | number)
            if dice.random() < rate:
                page[:] = dice.randbytes(PAGE)

        return change

    return of


def heads(seed, standing):
    """One to five of the words that lead to threads, modules and tasks."""
    dice = random.Random(seed)
    hit = {}
    for word in dice.sample(standing.heads, min(len(standing.heads), dice.randint(1, 5))):
        number, at = divmod(word * WORD, PAGE)
        old = int.from_bytes(standing.pages[number][at : at + WORD], "little")
        hit.setdefault(number, {})[at] = nonsense(dice, old, standing.known).to_bytes(WORD, "little")

    def change(number, page):
        for at, word in hit.get(number, {}).items():
            page[at : at + WORD] = word

    return change


KINDS = {
    "words-0.0003": words(0.0003),
    "words-0.003": words(0.003),
    "words-0.03": words(0.03),
    "pages-0.01": whole_pages(0.01),
    "pages-0.1": whole_pages(0.1),
    "heads": heads,
}


class Standing:
    """What was copied of the target, where its exception is, and the layout of both."""

    def __init__(self):
        process = subprocess.Popen([sys.executable, STANDING], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with process:
            self.said = json.loads(process.stdout.readline())
            self.pages = copied_pages(process.pid)
            process.communicate(b"\n")
        self.known = sorted(self.pages)
        self.own = LiveMemory(os.open("/proc/self/mem", os.O_RDONLY))
        self.layout = calibrate(self.own)
        self.layout.slide = self.said["hints"]["int"] - id(int)
        self.type_words = self._type_words()
        self.heads = self._head_words()

    def _type_words(self):
        memory = RecordingMemory(self.pages)
        info = Objects(memory, self.layout).type_of(self.said["hints"]["error"])
        assert info.full_name == "LookupError"
        return list(memory.seen)

    def _head_words(self):
        memory = RecordingMemory(self.pages)
        request = self.request()
        target = Target(memory, self.layout, request.limits, Redactor())
        thread = self.layout.thread
        interpreter = memory.word(thread.runtime + self.layout.slide + thread.runtime_interpreter)
        stacks = Stacks(target, Frames(target, "/"), interpreter)
        assert len(list(stacks.states())) == 5
        assert stacks.module_dict("asyncio.tasks")
        assert stacks.module_dict("threading")
        return list(memory.seen)

    def request(self, hints=None):
        request = Request()
        request.pid, request.hints = os.getpid(), self.said["hints"] if hints is None else hints
        request.mode = "frozen"
        request.faulted_threads = {self.said["tid"]}
        return request

    def document(self, memory, request):
        """A snapshot of such memory, and the seconds that reading it took."""
        began = time.monotonic()
        self.layout.slide = main._slide(request, self.own, memory, self.layout)
        target = Target(memory, self.layout, request.limits, Redactor(request.redact, request.reveal))
        building = Document(target, request, f"{REPOSITORY}/bcd/", "0")
        building.read_urgent()
        building.read_tasks()
        took = time.monotonic() - began
        return json.loads(building.finish(None)[1]), took


def copied_pages(pid):
    pages = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            fields = line.split()
            start, end = (int(part, 16) for part in fields[0].split("-"))
            at = start
            while at < end:  # a guard page in the midst may not be read
                try:
                    data = os.pread(memory.fileno(), min(end - at, 1 << 24), at)
                except (OSError, OverflowError):
                    data = b""
                for offset in range(0, len(data), PAGE):
                    pages[(at + offset) // PAGE] = data[offset : offset + PAGE]
                at += len(data) or PAGE
    return pages


def is_hit(standing, memory):
    """Whether the words that say what the exception is were damaged."""
    for word in standing.type_words:
        number, at = divmod(word * WORD, PAGE)
        if memory.page(number)[at : at + WORD] != standing.pages[number][at : at + WORD]:
            return True
    return False


def damaged_hints(dice, standing):
    """The request's hints, one of which is something else."""
    hints = dict(standing.said["hints"])
    name = dice.choice(["int", "error"])
    others = [0, -1, None, "x", [], 1.5, 1 << 70, dice.getrandbits(64), dice.choice(standing.known) * PAGE + 8, hints[name] + 8]
    hints[name] = dice.choice(others)
    return name, hints


def read_hints(standing, seed):
    name, hints = damaged_hints(random.Random(seed), standing)
    return standing.document(FakeMemory(standing.pages), standing.request(hints)), name == "error"


def read_request(standing, seed):
    """A request of which some bytes are something else; it may be refused, by a ReadError alone."""
    dice = random.Random(seed)
    line = json.dumps(
        {
            "version": 1, "arguments": ["--fault-thread", str(standing.said["tid"]), "--kv", "error:standing"],
            "output": "/nowhere", "pid": os.getpid(), "mode": "frozen", "memory": 3, "release": None, "copy": None,
            "started": 1.0, "reason": "error", "hints": standing.said["hints"], "limits": {"string": 100},
            "redact": ["pin"], "reveal": [], "notes": [],
        }
    )
    raw = bytearray(line.encode())
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(raw))
        raw[at] = dice.choice([dice.randrange(256), *b'0123456789"{}[],:-en'])
    request = from_line(bytes(raw))
    if request.pid != os.getpid():
        request.pid = 1 << 22
    return standing.document(FakeMemory(standing.pages), request), request.hints.get("error") != standing.said["hints"]["error"]


def read_memory(kind, standing, seed):
    memory = FakeMemory(standing.pages, KINDS[kind](seed, standing))
    return standing.document(memory, standing.request()), is_hit(standing, memory)


def read(kind, standing, seed):
    if kind == "hints":
        return read_hints(standing, seed)
    if kind == "request":
        return read_request(standing, seed)
    return read_memory(kind, standing, seed)


def run(kind, seeds):
    standing = Standing()
    for seed in seeds:
        line = {"seed": seed}
        try:
            (line["document"], line["took"]), line["hit"] = read(kind, standing, seed)
        except ReadError as refusal:
            line["refused"] = str(refusal)
        except Exception:
            line["fault"] = traceback.format_exc()
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    run(sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3])))
