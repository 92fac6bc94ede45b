"""How long does a picture of a process take, and how long does it hold that process?

bcd's is taken by the process itself (freeze and tracer, waited for); those of py-spy and pystack
from outside. The time held is the longest gap that a spinning thread of the process notices. It
is measured in rounds of their own, because on a machine of two processors that thread is in the
way. On the other versions of Python only the small process is looked at.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.tables import print_table, verdict
from tests.bench.worker import Worker
from tests.pythons import SUPPORTED, find

if TYPE_CHECKING:
    from collections.abc import Callable

    Picture = Callable[[], "Cost"]
    Found = dict[str, list[float]]


class Size(NamedTuple):
    """A process to take pictures of, how often, and the goals."""

    title: str
    threads: int
    frames: int
    tasks: int
    heap: int
    rounds: int
    wall: float  # ms
    held: float  # ms


class Cost(NamedTuple):
    """What one picture costs: ms of wall and processor time, and MB where that is known."""

    wall: float
    cpu: float
    memory: float = 0.0


SMALL = Size("small: 5 threads of 10 frames, 20 tasks", 5, 10, 20, 0, 15, 40, 3)
BIG = Size("big: 100 threads of 30 frames, 2,000 tasks, 1 GB", 100, 30, 2000, 1000, 5, 700, 25)
THIS = "{}.{}".format(*sys.version_info)
EXCEPTION_GOAL = 16  # KiB
NOTHING = "nothing (the noise)"


def measure(size: Size, python: str = sys.executable) -> None:
    """Measure one process and print its tables."""
    settings = {name: getattr(size, name) for name in ("threads", "frames", "tasks", "heap")}
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    with (
        tempfile.TemporaryDirectory() as folder,
        Worker("tests.bench.crowd", *arguments, folder=folder, python=python) as crowd,
    ):
        ways = pictures(crowd)
        for way in ways.values():
            way()
        found = in_turn(crowd, ways, size.rounds)
        traces = [crowd.ask(ask="trace") for _ in range(3)]
        snapshot = describe(Path(traces[-1]["path"]))
        found["bcd"]["memory"] = [tracers_peak(crowd)]
    show(size, found, traces)
    show_sizes(snapshot)


def pictures(crowd: Worker) -> dict[str, Picture]:
    """The ways to take a picture, of those that can be taken here."""
    ways: dict[str, Picture] = {NOTHING: wait, "bcd": lambda: traced(crowd)}
    for name, arguments in (
        ("py-spy", ["dump", "--locals", "--json", "--pid", str(crowd.pid)]),
        (
            "py-spy --nonblocking",
            ["dump", "--nonblocking", "--locals", "--json", "--pid", str(crowd.pid)],
        ),
        ("pystack", ["remote", "--locals", str(crowd.pid)]),
    ):
        program = installed(name.split()[0])
        if program is None or not runs([program, *arguments]):
            print(f"\n{name} is not installed, or cannot look at this process, and is skipped")
        else:
            ways[name] = lambda command=[program, *arguments]: timed(command)  # type: ignore[misc]
    return ways


def installed(name: str) -> str | None:
    """The path of a program, if it is installed."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def wait() -> Cost:
    """Take no picture."""
    time.sleep(0.05)
    return Cost(0.0, 0.0)


def runs(command: list[str]) -> bool:
    """Whether a command ends well."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def traced(crowd: Worker) -> Cost:
    """What it costs the process to take its own picture."""
    before = crowd.ask(ask="spent")
    wall = float(crowd.ask(ask="trace")["wall"])
    return Cost(wall, crowd.ask(ask="spent") - before)


def timed(command: list[str]) -> Cost:
    """What a command costs; one that fails now and then costs what it costs."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        wall = (time.perf_counter() - start) * 1000
        process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(wall, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024)


def in_turn(crowd: Worker, ways: dict[str, Picture], rounds: int) -> dict[str, Found]:
    """Take pictures in turn: one for the costs, one while the process spins."""
    found: dict[str, Found] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name, way in ways.items():
            for what, value in way()._asdict().items():
                found[name][what].append(value)
            crowd.ask(ask="spin")
            way()
            found[name]["held"].append(crowd.ask(ask="rest"))
    return found


def tracers_peak(crowd: Worker) -> float:
    """MB that the tracer of one trace needed at the most; looked up while it runs."""
    peaks = [0]
    thread = threading.Thread(target=crowd.ask, kwargs={"ask": "trace"})
    thread.start()
    while thread.is_alive():
        peaks += [high_water(child) for child in children(crowd.pid)]
        time.sleep(0.001)
    return max(peaks) / 1024


def children(pid: int) -> list[str]:
    """The tracers among the children of a process."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += path.read_text(encoding="ascii").split()
        except OSError:  # that thread has ended
            continue
    return [child for child in found if is_tracer(child)]


def is_tracer(pid: str) -> bool:
    """Whether a process runs bcd's tracer; until it does it shares the memory of its parent."""
    try:
        return b"ptrace" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def high_water(pid: str) -> int:
    """KiB that a process had in memory at the most, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def describe(path: Path) -> dict[str, Any]:
    """The sizes of a snapshot in KiB, and what it says of itself."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    document = json.loads(text)
    exception = json.dumps(document["exception"], separators=(",", ":"))
    return {
        "file": len(data) / 1024,
        "text": len(text) / 1024,
        "exception": len(exception) / 1024,
        "tracer": document["tracer"],
        "truncated": document["truncated"],
        "threads": len(document["threads"]),
        "tasks": len(document["tasks"]),
    }


def show(size: Size, found: dict[str, Found], traces: list[dict[str, Any]]) -> None:
    """Print the costs, and how many times those of bcd they are."""
    middle = {
        name: {what: statistics.median(values) for what, values in costs.items()}
        for name, costs in found.items()
    }
    ours = middle["bcd"]
    rows = []
    for name, costs in middle.items():
        goals = ["", ""]
        if name == "bcd":
            goals = [verdict(costs["wall"], size.wall), verdict(costs["held"], size.held)]
        times = [
            f"{costs[what] / ours[what]:.1f}" if costs[what] else "" for what in ("wall", "held")
        ]
        row = [name, f"{costs['wall']:.1f}", f"{min(found[name]['wall']):.1f}", times[0], goals[0]]
        row += [f"{costs['held']:.1f}", f"{min(found[name]['held']):.1f}", times[1], goals[1]]
        rows.append([*row, f"{costs['cpu']:.0f}", f"{costs['memory']:.0f}"])
    head = ["ms, medians", "wall", "(least)", "times", "goal", "held", "(least)", "times", "goal"]
    print_table(f"A picture of a process, {size.title}", [*head, "cpu", "MB"], rows)
    print(f"  held by bcd's own account: {min(trace['held'] for trace in traces):.1f} ms")


def show_sizes(snapshot: dict[str, Any]) -> None:
    """Print what a snapshot weighs."""
    tracer = snapshot["tracer"]
    print(
        f"  snapshot: {snapshot['threads']} threads, {snapshot['tasks']} tasks,"
        f" {snapshot['text']:.0f} KiB, as a file {snapshot['file']:.0f} KiB;"
        f" exception of 10 frames {snapshot['exception']:.1f} KiB"
        f" ({verdict(snapshot['exception'], EXCEPTION_GOAL)});"
        f" read in {tracer['read_ms']:.0f} of {tracer['total_ms']:.0f} ms"
    )
    for sentence in snapshot["truncated"]:
        print(f"  truncated: {sentence}")


def others() -> None:
    """Measure the small process under the other versions of Python that are here."""
    for version in SUPPORTED:
        if version == THIS:
            continue
        python = find(version)
        if python is None or not runs([python, "-c", "import tests.bench.crowd"]):
            print(f"\nPython {version} is not here and is skipped")
        else:
            measure(SMALL._replace(title=f"Python {version}, {SMALL.title}", rounds=7), python)


if __name__ == "__main__":
    measure(SMALL)
    measure(BIG)
    others()
