"""How long does a picture of a process take, and how long does it hold that process?

bcd's is taken by the process itself (freeze and tracer, waited for); py-spy's from outside. The
time held is the longest gap that a spinning thread of the process notices. It is measured in
rounds of their own, because on a machine of two processors that thread is in the way.
"""

from __future__ import annotations

import gzip
import json
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

if TYPE_CHECKING:
    from collections.abc import Callable

    Picture = Callable[[], float]
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


SIZES = (
    Size("small: 5 threads of 10 frames, 20 tasks", 5, 10, 20, 0, 15, 40, 3),
    Size("big: 100 threads of 30 frames, 2,000 tasks, 1 GB", 100, 30, 2000, 1000, 5, 700, 25),
)
EXCEPTION_GOAL = 16  # KiB
NOTHING = "nothing (the noise)"


def py_spy() -> str | None:
    """The path of py-spy, if it is installed."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def measure(size: Size) -> None:
    """Measure one process and print its tables."""
    settings = {name: getattr(size, name) for name in ("threads", "frames", "tasks", "heap")}
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    with (
        tempfile.TemporaryDirectory() as folder,
        Worker("tests.bench.crowd", *arguments, folder=folder) as crowd,
    ):
        ways = pictures(crowd)
        for way in ways.values():
            way()
        found = in_turn(crowd, ways, size.rounds)
        traces = [crowd.ask(ask="trace") for _ in range(3)]
        snapshot = describe(Path(traces[-1]["path"]))
        peak = tracers_peak(crowd)
    show(size, found, traces)
    show_sizes(snapshot, peak)


def pictures(crowd: Worker) -> dict[str, Picture]:
    """The ways to take a picture; each returns its wall time in ms."""
    ways: dict[str, Picture] = {
        NOTHING: wait,
        "bcd": lambda: float(crowd.ask(ask="trace")["wall"]),
    }
    program = py_spy()
    if program is None:
        print("\npy-spy is not installed and is skipped")
    elif not runs([program, "dump", "--pid", str(crowd.pid)]):
        print("\npy-spy may not look at a process here and is skipped")
    else:
        command = [program, "dump", "--locals", "--json", "--pid", str(crowd.pid)]
        ways["py-spy"] = lambda: timed(command)
    return ways


def wait() -> float:
    """Take no picture."""
    time.sleep(0.05)
    return 0.0


def runs(command: list[str]) -> bool:
    """Whether a command ends well."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def timed(command: list[str]) -> float:
    """Milliseconds that a command takes."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1000


def in_turn(crowd: Worker, ways: dict[str, Picture], rounds: int) -> dict[str, Found]:
    """Take pictures in turn: one for the wall time, one while the process spins."""
    found: dict[str, Found] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name, way in ways.items():
            found[name]["wall"].append(way())
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
    """Print the times."""
    rows = []
    for name, times in found.items():
        wall, held = (statistics.median(times[which]) for which in ("wall", "held"))
        goals = ["", ""]
        if name == "bcd":
            goals = [verdict(wall, size.wall), verdict(held, size.held)]
        least = [f"{min(times[which]):.1f}" for which in ("wall", "held")]
        rows.append([name, f"{wall:.1f}", least[0], goals[0], f"{held:.1f}", least[1], goals[1]])
    head = ["ms, medians", "wall", "(least)", "goal", "held", "(least)", "goal"]
    print_table(f"A picture of a process, {size.title}", head, rows)
    if "py-spy" in found:
        ratios = (
            statistics.median(found["bcd"][which]) / statistics.median(found["py-spy"][which])
            for which in ("wall", "held")
        )
        print("  bcd/py-spy: wall {:.2f}, held {:.2f}".format(*ratios))
    print(f"  held by bcd's own account: {min(trace['held'] for trace in traces):.1f} ms")


def show_sizes(snapshot: dict[str, Any], peak: float) -> None:
    """Print what a snapshot weighs."""
    tracer = snapshot["tracer"]
    print(
        f"  snapshot: {snapshot['threads']} threads, {snapshot['tasks']} tasks,"
        f" {snapshot['text']:.0f} KiB, as a file {snapshot['file']:.0f} KiB;"
        f" exception of 10 frames {snapshot['exception']:.1f} KiB"
        f" ({verdict(snapshot['exception'], EXCEPTION_GOAL)});"
        f" read in {tracer['read_ms']:.0f} of {tracer['total_ms']:.0f} ms;"
        f" tracer's memory {peak:.0f} MB at the most"
    )
    for sentence in snapshot["truncated"]:
        print(f"  truncated: {sentence}")


if __name__ == "__main__":
    for one in SIZES:
        measure(one)
