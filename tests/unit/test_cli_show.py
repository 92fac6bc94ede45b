"""`bcd show`: how much of a snapshot, and which part of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.store.test_dumps import put
from tests.terminal import SAMPLE, Ran, on_a_terminal, without_styles

if TYPE_CHECKING:
    from pathlib import Path

FILE = str(SAMPLE)
DUMP = "01AAAAAAAAAAAAAAAAAAAAAAA1"
TITLE = "shop.errors.CheckoutFailed: order 1042 could not be paid\n"

pytestmark = pytest.mark.usefixtures("plain_environment")


def changed(folder: Path, **changes: Any) -> str:
    """Keep the sample with other keys and return the path of the file."""
    path = folder / "changed.bcd.json"
    path.write_text(json.dumps(json.loads(SAMPLE.read_bytes()) | changes))
    return str(path)


def test_frames_of_libraries_are_folded(bcd: Ran) -> None:
    """One line says how many frames are folded and of which packages; nothing else is missing."""
    status, out, err = bcd("show", FILE, "--frames", "app")
    assert (status, err) == (0, "")
    assert '  … 8 frames of uvicorn, starlette …\n  File "/srv/shop/app.py"' in out
    assert "site-packages/starlette" not in out.partition("\nThreads")[0]
    assert bcd("show", FILE, "--frames", "all") == bcd("show", FILE)
    every = bcd("show", FILE)[1]
    assert [row for row in out.splitlines() if "/srv/shop/" in row] == [
        row for row in every.splitlines() if "/srv/shop/" in row
    ]


def test_where_a_library_raised_is_not_folded(bcd: Ran, tmp_path: Path) -> None:
    """The innermost frame of a stack is shown, whoever it belongs to; recursion stays folded."""
    document = json.loads(SAMPLE.read_bytes())
    record = document["exception"]["list"][document["exception"]["root"]]
    library = record["frames"][0] | {"skipped_before": 3}
    record["frames"] = [library, library, *[record["frames"][-1]] * 5, library, library]
    out = bcd("show", changed(tmp_path, exception=document["exception"]), "--frames", "app")[1]
    shown = out.rpartition("\nTraceback")[2].partition("\nAttributes")[0].splitlines()
    told = [row for row in shown if "  File" in row or "…" in row or "repeated" in row]
    assert told[0] == "  … 8 frames of uvicorn …"
    assert sum("/srv/shop/" in row for row in told) == 3
    assert "  [Previous line repeated 2 more times]" in told
    assert told[-4] == "  … 4 frames of uvicorn …"
    assert told[-3] == "  … 3 frames not recorded …"
    assert told[-2].startswith('  File "/srv/venv/lib/python3.12/site-packages/uvicorn/')


def test_context(bcd: Ran) -> None:
    """So many lines stand around the one of each frame of the application, as far as recorded."""
    around = bcd("show", FILE, "--context", "1")[1]
    assert "\n    72  try:\n  → 73      amount = " in around
    assert "    71  " not in around
    assert "  → 61  " in around  # not the innermost of its stack
    assert "\n    71      # grüße" in bcd("show", FILE, "--context", "1000")[1]
    assert "→" not in bcd("show", FILE, "--context", "0")[1]


@pytest.mark.parametrize("name", ["price-refresh", "4327", "PRICE"])
def test_one_thread(bcd: Ran, name: str) -> None:
    """A thread is named by its name, a part of it, or its id, and is shown alone and in full."""
    status, out, err = bcd("show", FILE, "--thread", name)
    assert (status, err) == (0, "")
    assert out.startswith(TITLE)
    assert "\nThread, one of 3\nprice-refresh · tid 4327 · daemon\n" in out
    assert "in Thread._bootstrap\n" in out
    assert "      queue = <queue.Queue" in out
    assert "MainThread" not in out
    assert "Task" not in out


@pytest.mark.parametrize(
    "name", ["Task-121 reserve", "reserve", "0x7f3a5d001800", "0X7F3A5D001800"]
)
def test_one_task(bcd: Ran, name: str) -> None:
    """A task is named likewise; who awaits it is said, though that one is not shown."""
    status, out, err = bcd("show", FILE, "--task", name)
    assert (status, err) == (0, "")
    assert "\nTask, one of 6\nTask-121 reserve · waiting for <Future pending>\n" in out
    assert out.endswith("\n  awaited by Task-120\n")
    assert "Stock.refresh" not in out


def test_a_thread_and_a_task(bcd: Ran) -> None:
    """One of each can be asked for, with the options that say how much of frames."""
    options = ["--thread", "MainThread", "--task", "watch_stock", "--frames", "app", "--no-locals"]
    out = bcd("show", FILE, *options)[1]
    assert "Thread, one of 3\nMainThread" in out
    assert "Task, one of 6\nTask-2 watch_stock" in out
    assert "      request" not in out
    assert "frames of" in out


def test_a_thread_of_two_interpreters(bcd: Ran, tmp_path: Path) -> None:
    """A thread that runs code of two interpreters is one thread."""
    first, *_ = json.loads(SAMPLE.read_bytes())["threads"]
    both = changed(tmp_path, threads=[first, first | {"interpreter": 1, "frames": []}])
    out = bcd("show", both, "--thread", "4320")[1]
    assert "MainThread · tid 4320 · interpreter 1" in out
    assert "\nMainThread · tid 4320 · faulted · holds the GIL\n" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "--thread nobody",
            "no thread 'nobody'; there are MainThread (4320), price-refresh",
        ),
        ("--thread e", "'e' fits 3 threads: MainThread (4320), price-refresh (4327), Thr"),
        ("--task nobody", "no task 'nobody'; there are Task-1 (0x"),
        ("--task Task-12", "'Task-12' fits 2 tasks: Task-120 (0x7f3a5d001400), Task-121 reserve"),
        ("--thread= ", "no thread ' '"),
    ],
)
def test_a_thread_or_task_that_is_none(bcd: Ran, arguments: str, words: str) -> None:
    """What there is to choose from is said in one line."""
    option, _, name = arguments.partition("=" if "=" in arguments else " ")
    status, out, err = bcd("show", FILE, option, name)
    assert (status, out) == (1, "")
    assert err.startswith(f"bcd: {words}")
    assert err.count("\n") == 1


def test_a_snapshot_without_any(bcd: Ran, tmp_path: Path) -> None:
    """Where there are no tasks, that is said; of very many threads the first ones are named."""
    thread = json.loads(SAMPLE.read_bytes())["threads"][1]
    many = [thread | {"tid": tid, "name": f"\x1bworker-{tid}"} for tid in range(500)]
    file = changed(tmp_path, tasks=[], threads=many)
    assert bcd("show", file, "--task", "x") == (
        1,
        "",
        "bcd: no task 'x': the snapshot has no tasks\n",
    )
    err = bcd("show", file, "--thread", "worker")[2]
    assert err.startswith(r"bcd: 'worker' fits 500 threads: \x1bworker-0 (0), \x1bworker-1 (1)")
    assert err.endswith(" and 492 more; give its id\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--json --html -", "--json and --html are two ways to show it; leave out one"),
        ("--json --thread x", "--json has all there is; leave out --thread"),
        ("--html - --context 3", "--html has all there is; leave out --context"),
        ("--json --no-locals", "--json has all there is; leave out --locals"),
        ("--thread x --no-threads", "--thread shows nothing but that one; leave out --threads"),
        ("--task x --threads", "--task shows nothing but that one; leave out --threads"),
        ("--context -1", "-1 is not in the range 0<=x<=1000"),
        ("--frames none", "'none' is not one of 'app', 'all'"),
    ],
)
def test_options_that_contradict_each_other(bcd: Ran, arguments: str, words: str) -> None:
    """They are refused in one line that says which to leave out."""
    status, out, err = bcd("show", FILE, *arguments.split())
    assert (status, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_dump_is_shown_as_a_whole(bcd: Ran, tmp_path: Path) -> None:
    """Nothing can be chosen from what another tool found."""
    put(tmp_path, DUMP, "py-spy", b'{"threads": []}')
    for option in ("--thread", "--task"):
        status, out, err = bcd("show", str(tmp_path / f"{DUMP}.dump.json"), option, "x")
        assert (status, out) == (1, "")
        assert err == f"bcd: {DUMP} is a dump of py-spy, which is shown as a whole\n"


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_of_one_thread_is_wider_than_the_terminal(columns: int) -> None:
    """Variables and source are cut to the terminal; places of frames stay whole."""
    shown = on_a_terminal("show", FILE, "--thread", "4320", "--no-pager", columns=columns)
    rows = without_styles(shown).splitlines()
    assert max(len(row) for row in rows if row.startswith("      ")) <= columns
