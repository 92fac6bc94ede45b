"""Memory that makes no sense in places: whatever is read of it, there is a snapshot in time."""

from __future__ import annotations

import asyncio  # noqa: F401 - before calibration, which otherwise stands in for it
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from bcd.errors import MemoryFault
from bcd.ptrace.calibrate import calibrate
from bcd.ptrace.document import Document
from bcd.ptrace.memory import PAGE, LiveMemory, Memory
from bcd.ptrace.objects import Objects
from bcd.ptrace.redact import Redactor
from bcd.ptrace.request import Request
from bcd.ptrace.target import Target
from bcd.snapshot import load_schema
from bcd.snapshot.limits import DEFAULTS

if TYPE_CHECKING:
    from bcd.ptrace.layout import Layout

REPOSITORY = Path(__file__).parents[2]
TARGET = REPOSITORY / "tests" / "targets" / "reading" / "standing.py"
CLOSED = jsonschema.Draft202012Validator(load_schema(closed=True))
WORD = 8
SEEDS = range(100)
RATES = (0.0003, 0.003, 0.03)
DEADLINE_S = 1.0

# The reading checks its time at each value; what it does between two of them comes on top.
LONGEST_S = 4.0


class FakeMemory(Memory):
    """The pages of a process that is gone, some of their words changed.

    Args:
        pages: Page number → content.
        seed: Decides which words are changed, and to what.
        rate: The share of the words that are.
    """

    def __init__(self, pages: dict[int, bytes], seed: int = 0, rate: float = 0.0) -> None:
        super().__init__(-1)
        self.pages = pages
        self.seed = seed
        self.rate = rate
        self.known = sorted(pages)

    def changes(self, number: int) -> dict[int, bytes]:
        """Offset → new word of those that are changed in a page, always the same ones."""
        dice = random.Random(self.seed << 64 | number)  # noqa: S311 - must be repeatable
        offsets = [at for at in range(0, PAGE, WORD) if dice.random() < self.rate]
        return {at: self._nonsense(dice, number, at) for at in offsets}

    def _nonsense(self, dice: random.Random, number: int, at: int) -> bytes:
        old = int.from_bytes(self.pages[number][at : at + WORD], "little")
        new = dice.choice(
            [
                0,
                dice.getrandbits(64),
                old ^ 1 << dice.randrange(64),
                old + dice.choice([-16, -8, 8, 16, 4096]),
                dice.choice(self.known) * PAGE + dice.randrange(0, PAGE, WORD),
                dice.randrange(1 << 40),
            ]
        )
        return (new & (1 << 64) - 1).to_bytes(WORD, "little")

    def _pread(self, address: int, size: int) -> bytes:
        numbers = range(address // PAGE, (address + size - 1) // PAGE + 1)
        if len(numbers) > len(self.pages) or not all(n in self.pages for n in numbers):
            raise MemoryFault(f"{size} bytes at {address:#x}")
        data = b"".join(self._page(number) for number in numbers)
        return data[address % PAGE : address % PAGE + size]

    def _page(self, number: int) -> bytes:
        page = bytearray(self.pages[number])
        for at, word in self.changes(number).items():
            page[at : at + WORD] = word
        return bytes(page)


class RecordingMemory(FakeMemory):
    """Remembers which words were read."""

    def __init__(self, pages: dict[int, bytes]) -> None:
        super().__init__(pages)
        self.read_words: set[int] = set()

    def word(self, address: int) -> int:
        """One word, remembered."""
        self.read_words.add(address // WORD)
        return super().word(address)

    def read(self, address: int, size: int) -> bytes:
        """Some bytes, their words remembered."""
        self.read_words.update(range(address // WORD, (address + size - 1) // WORD + 1))
        return super().read(address, size)


class Standing:
    """What was copied of the target: its pages, where its exception is, its layout."""

    def __init__(self, pages: dict[int, bytes], said: dict[str, Any], layout: Layout) -> None:
        self.pages = pages
        self.said = said
        self.layout = layout

    def own_words(self) -> set[int]:
        """The words that say of which type the exception is."""
        memory = RecordingMemory(self.pages)
        info = Objects(memory, self.layout).type_of(self.said["hints"]["error"])
        assert info.full_name == "LookupError"
        return memory.read_words

    def document(self, memory: Memory) -> tuple[dict[str, Any], float]:
        """A snapshot of such memory, and the seconds that reading it took."""
        request = Request()
        request.pid, request.hints = os.getpid(), self.said["hints"]
        request.mode = "frozen"
        request.faulted_threads = {self.said["tid"]}
        request.limits.values["deadline_ms"] = int(DEADLINE_S * 1000)
        target = Target(memory, self.layout, request.limits, Redactor())
        began = time.monotonic()
        building = Document(target, request, f"{REPOSITORY}/bcd/", "0")
        building.read_urgent()
        building.read_tasks()
        took = time.monotonic() - began
        document: dict[str, Any] = json.loads(building.finish(None)[1])
        CLOSED.validate(document)
        return document, took


def copied_pages(pid: int) -> dict[int, bytes]:
    """All readable memory of a process, by page number."""
    pages: dict[int, bytes] = {}
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split()
            if not fields[1].startswith("r") or fields[-1] in (
                "[vvar]",
                "[vvar_vclock]",
                "[vsyscall]",
            ):
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            data = os.pread(memory.fileno(), end - start, start)
            for at in range(0, len(data), PAGE):
                pages[(start + at) // PAGE] = data[at : at + PAGE]
    return pages


@pytest.fixture(scope="module")
def standing() -> Standing:
    """A process with an exception, threads and tasks, copied while it stood still."""
    process = subprocess.Popen(
        [sys.executable, TARGET],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    with process:
        said = json.loads(process.stdout.readline())
        pages = copied_pages(process.pid)
        process.communicate(b"\n")
    descriptor = os.open("/proc/self/mem", os.O_RDONLY)
    layout = calibrate(LiveMemory(descriptor))
    os.close(descriptor)
    layout.slide = said["hints"]["int"] - id(int)
    return Standing(pages, said, layout)


class TestCorruption:
    def test_sound_memory_is_read_wholly(self, standing: Standing) -> None:
        """Without a change everything is there: what is lost below is lost by changes alone."""
        document, _ = standing.document(FakeMemory(standing.pages))
        assert [e["type"] for e in document["exception"]["list"]] == ["LookupError", "KeyError"]
        assert len(document["exception"]["list"][0]["frames"]) == 22
        assert len(document["threads"]) == 5
        assert len(document["tasks"]) == 21
        assert document["truncated"] == []
        assert all("process" in note for note in document["notes"])

    @pytest.mark.parametrize("rate", RATES)
    def test_there_is_always_a_snapshot(self, standing: Standing, rate: float) -> None:
        """Nothing raises or hangs, the document is valid, and the exception is kept.

        Only a change of the words that say what the exception is may cost it.
        """
        own = standing.own_words()
        kept = 0
        for seed in SEEDS:
            memory = FakeMemory(standing.pages, seed, rate)
            document, took = standing.document(memory)
            assert took < LONGEST_S, seed
            hit = any(word * WORD % PAGE in memory.changes(word * WORD // PAGE) for word in own)
            if not hit:
                assert document["exception"]["list"][0]["type"] == "LookupError", seed
                kept += 1
        assert kept > (0 if rate > 0.01 else len(SEEDS) // 3), "most exceptions stay whole"

    def test_most_threads_survive_few_changes(self, standing: Standing) -> None:
        """One damaged thread or frame does not cost the others."""
        counts = []
        for seed in SEEDS:
            document, _ = standing.document(FakeMemory(standing.pages, seed, RATES[0]))
            counts.append(sum(bool(thread["frames"]) for thread in document["threads"]))
        assert sum(counts) > 4 * len(SEEDS)


class TestKilled:
    def test_at_any_moment_leaves_nothing_half_written(self, tmp_path: Path) -> None:
        """A tracer that is killed leaves no file that is listed, or a whole one."""
        folder, whole = tmp_path / "kept", 0
        program = REPOSITORY / "bcd" / "ptrace" / "__main__.py"
        with subprocess.Popen(
            [sys.executable, TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            by_hand = ["--faulted", str(said["pid"]), "--output", folder]
            argv = [sys.executable, "-I", "-S", program, *by_hand]
            began = time.monotonic()
            subprocess.run(argv, check=True, capture_output=True)
            usual = time.monotonic() - began
            dice = random.Random(1)  # noqa: S311 - likewise
            for _ in range(60):
                tracer = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                with tracer:
                    try:
                        tracer.wait(dice.uniform(0.3, 1.2) * usual)
                    except subprocess.TimeoutExpired:
                        tracer.kill()
                    else:
                        whole += 1
            process.communicate(b"\n")
        listed = list(folder.glob("*.bcd.json*"))
        kept = min(whole + 1, DEFAULTS["alike"])
        assert len(listed) >= kept, "the one before, and each that ran to its end"
        for path in listed:
            CLOSED.validate(json.loads(path.read_bytes()))
        hidden = set(folder.iterdir()) - set(listed)
        assert all(path.name.startswith(".") and path.name.endswith(".tmp") for path in hidden)
        assert whole < 60, "some have to be killed"
