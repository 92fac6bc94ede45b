"""The report: a traceback as Python prints it, and nothing that could control a terminal."""

from __future__ import annotations

import io
import json
import linecache
import re
import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from bcd.report._marks import marks
from bcd.report._process import duration
from bcd.report.line import cells, cut, fold, printable
from bcd.report.listing import listing_lines
from bcd.report.text import Detail, View, plain, report
from bcd.snapshot import from_dict
from bcd.snapshot.head import Head, Headline
from bcd.snapshot.model import (
    ExceptionChain,
    ExceptionRecord,
    Frame,
    Process,
    Reason,
    Snapshot,
    SourceLines,
    Task,
    Thread,
    TracerInfo,
    Variable,
)

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterator

SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"
QUIET = View(variables=Detail.NONE, threads=Detail.NONE, tasks=Detail.NONE)


@pytest.fixture(name="sample")
def _sample() -> Snapshot:
    return from_dict(json.loads(SAMPLE.read_bytes()))


def frame(function: str = "f", line: int = 1, file: str = "/app/a.py", **changes: Any) -> Frame:
    """Make a frame of the application without columns."""
    made = Frame(
        function=function,
        file=file,
        line=line,
        end_line=line,
        column=None,
        end_column=None,
        in_app=True,
    )
    return replace(made, **changes)


def record(kind: str, message: str, **changes: Any) -> ExceptionRecord:
    """Make an exception that stands alone."""
    made = ExceptionRecord(
        type=kind, message=message, cause=None, context=None, suppress_context=False
    )
    return replace(made, **changes)


def snapshot(*records: ExceptionRecord, **changes: Any) -> Snapshot:
    """Make a snapshot, of the first exception if there is one."""
    made = Snapshot(
        id="01KAQ7T3M8Q9ZV4X1J6C5R2DWN",
        created=datetime(2026, 11, 23, 1, 33, tzinfo=UTC),
        tracer=TracerInfo(
            name="bcd",
            version="0.1.0",
            mode="frozen",
            python="3.11.7",
            blocked_ms=None,
            read_ms=None,
            total_ms=None,
        ),
        reason=Reason(kind="error"),
        process=Process(pid=1),
        exception=ExceptionChain(root=0, list=records) if records else None,
    )
    return replace(made, **changes)


def thread(tid: int, *frames: Frame, **changes: Any) -> Thread:
    """Make a thread that is neither faulted nor holds the GIL."""
    made = Thread(tid=tid, name=f"T{tid}", daemon=False, faulted=False, gil=False, frames=frames)
    return replace(made, **changes)


def task(number: int, *frames: Frame, by: tuple[int, ...] = (), **changes: Any) -> Task:
    """Make a waiting task that the tasks of the numbers ``by`` wait for."""
    made = Task(
        id=hex(number),
        name=f"Task-{number}",
        state="waiting",
        waiting_for=None,
        awaited_by=tuple(map(hex, by)),
        frames=frames,
    )
    return replace(made, **changes)


# --- the error, against Python's own words ---


class Chain:
    """Builds the model of a real exception from the traceback in this process."""

    def __init__(self) -> None:
        self.records: list[ExceptionRecord] = []
        self.sources: dict[str, SourceLines] = {}
        self._index: dict[int, int] = {}

    def add(self, error: BaseException | None) -> int | None:
        """Add an exception and all that it refers to; return its index."""
        if error is None or id(error) in self._index:
            return None if error is None else self._index[id(error)]
        index = self._index[id(error)] = len(self.records)
        self.records.append(record("", ""))
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        children = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        self.records[index] = ExceptionRecord(
            type=f"{module}{kind.__qualname__}",
            message=str(error),
            notes=tuple(getattr(error, "__notes__", ())),
            frames=tuple(self._frames(error.__traceback__)),
            cause=self.add(error.__cause__),
            context=self.add(error.__context__),
            suppress_context=error.__suppress_context__,
            children=tuple(self.add(child) or 0 for child in children),
        )
        return index

    def _frames(self, tb: types.TracebackType | None) -> Iterator[Frame]:
        while tb is not None:
            code = tb.tb_frame.f_code
            positions = list(code.co_positions())[tb.tb_lasti // 2]
            line, end_line, column, end_column = positions
            file = code.co_filename
            lines = {n + 1: text.rstrip("\n") for n, text in enumerate(linecache.getlines(file))}
            self.sources[file] = SourceLines(lines=lines)
            yield Frame(
                function=code.co_name,
                file=file,
                line=line,
                end_line=end_line,
                column=column,
                end_column=end_column,
                in_app=False,
            )
            tb = tb.tb_next


def fail_plainly() -> None:
    """Raise without a chain, with notes and a message of two lines."""
    error = ValueError("first line\nsecond line")
    error.add_note("a note")
    error.add_note("another\nnote")
    raise error


def fail_with_cause() -> None:
    """Raise from another exception, which was raised during a third one."""
    try:
        try:
            int(json.loads("{}")["key"] + "1")
        except KeyError:
            _ = int("x")
    except ValueError as error:
        raise RuntimeError from error


def fail_without_context() -> None:
    """Raise with the context suppressed."""
    try:
        fail_plainly()
    except ValueError:
        raise LookupError("no more") from None


def fail_in_a_group() -> None:
    """Raise a group in a group, one of its members with a cause and a traceback."""
    try:
        fail_with_cause()
    except RuntimeError as error:
        inner = ExceptionGroup("inner", [TypeError("a"), error])
    raise ExceptionGroup("outer", [inner, OSError(2, "no such file"), KeyError("k")])


def fail_with_a_group_as_cause() -> None:
    """Raise from a group that was raised."""
    try:
        fail_in_a_group()
    except ExceptionGroup as group:
        raise RuntimeError("the group failed") from group


def fail_in_a_wide_group() -> None:
    """Raise a group with more members than are shown."""
    raise ExceptionGroup("wide", [ValueError(i) for i in range(18)])


def fail_deep(depth: int = 30) -> None:
    """Raise at the end of a recursion."""
    if depth == 0:
        raise RecursionError("deep enough")
    fail_deep(depth - 1)


def fail_in_a_library() -> None:
    """Raise in a function of the standard library."""
    json.loads("{")


def told(text: str) -> list[str]:
    """Return the lines of a traceback that are no source and no marks."""
    margins = re.compile(r"^(?:(?:  )+[|+] )?")
    return [row for row in text.splitlines() if not margins.sub("", row).startswith("    ")]


@pytest.mark.parametrize(
    "fail",
    [
        fail_plainly,
        fail_with_cause,
        fail_without_context,
        fail_in_a_group,
        fail_with_a_group_as_cause,
        fail_in_a_wide_group,
        fail_deep,
        fail_in_a_library,
    ],
)
def test_an_error_reads_as_python_prints_it(fail: Callable[[], None]) -> None:
    """Files, lines, functions, messages and the words between are those of traceback."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any type
        fail()
    chain = Chain()
    chain.add(caught.value)
    shown = plain(snapshot(*chain.records, sources=chain.sources), QUIET)
    expected = told("".join(traceback.format_exception(caught.value)))
    assert len(expected) > 2
    assert told(shown.split("\n\n", 1)[1].split("\nProcess\n")[0])[: len(expected)] == expected


@pytest.mark.skipif(sys.version_info < (3, 13), reason="earlier versions mark calls otherwise")
@pytest.mark.parametrize("fail", [fail_with_cause, fail_in_a_group])
def test_the_marks_are_those_of_python(fail: Callable[[], None]) -> None:
    """Lines and marks are those of traceback, save under a bare call, where they say nothing."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any type
        fail()
    chain = Chain()
    chain.add(caught.value)
    shown = plain(snapshot(*chain.records, sources=chain.sources), QUIET)
    expected = "".join(traceback.format_exception(caught.value))
    assert "^^^" in expected
    assert re.sub(r"(\n[| ]+\w+\(\))\n[| ]+~+\^\^(?=\n)", r"\1", expected) in shown


def test_exceptions_that_refer_in_a_circle_end() -> None:
    """An exception that is its own cause, context or child is shown once."""
    records = (
        record("A", "a", cause=1),
        record("B", "b", context=0, children=(0, 1, 2)),
        record("C", "c", cause=2),
    )
    for root in range(3):
        chain = ExceptionChain(root=root, list=records)
        shown = plain(snapshot(exception=chain), QUIET)
        assert shown.count("C: c") <= 2


def test_a_deep_nest_of_groups_is_cut() -> None:
    """Groups within groups end at a depth instead of the recursion limit."""
    records = [record("G", f"level {i}", children=(i + 1,)) for i in range(5000)]
    shown = plain(snapshot(*records, record("E", "end")), QUIET)
    assert "level 9\n" in shown
    assert "level 10\n" not in shown
    assert "groups deeper than 10" in shown


def test_a_long_chain_is_shown() -> None:
    """A chain of thousands of causes is no recursion."""
    records = [record("E", f"number {i}", cause=i + 1) for i in range(5000)]
    shown = plain(snapshot(*records, record("E", "the first")), QUIET)
    assert shown.index("the first") < shown.index("number 4999") < shown.index("number 1\n")


# --- the marks under a source line ---


@pytest.mark.parametrize(
    ("source", "begin", "end", "expected"),
    [
        ("x = a + b", 4, 9, "    ~~^~~"),
        ("x = a // b", 4, 10, "    ~~^^~~"),
        ("x = (a) + (b)", 4, 13, "    ~~~~^~~~~"),
        ("x = data['k']", 4, 13, "    ~~~~^^^^^"),
        ("x = a.b.c", 4, 7, "    ^^^"),
        ("y = f(a)(b) + 1", 4, 11, "    ~~~~^^^"),
        ("x = f(a[0])", 4, 11, "    ~^^^^^^"),
        ("x = f(a)", 4, 8, None),
        ("return self.client.post(a, b)", 7, 29, None),
        ("await f(a)", 0, 10, None),
        ("raise ValueError(f'{x}')", 0, 24, None),
        ("x = grüße + b", 4, 15, "    ~~~~~~^~~"),
        ("x = '漢字' + b", 4, 16, "    ~~~~~~~^~~"),
        ("\tx = a + b", 5, 10, "        ~~^~~"),
        ("x = e\u0301 + b", 4, 11, "    ~~^~~"),
        ("x = '\u202e' + b", 4, 13, "    ~~~~~~~~~^~~"),
        ("x = a + b", 40, 50, None),
        ("x = a +", 4, 7, "    ^^^"),
        ("x = '\\d' + b", 4, 12, "    ~~~~~^~~"),
        ("", 0, 3, None),
    ],
)
def test_the_failing_part_is_marked(
    source: str, begin: int, end: int, expected: str | None
) -> None:
    """Operators, brackets and arguments stand out, in columns of the terminal."""
    at = frame(column=begin, end_column=end)
    assert marks(at, {1: source}).get(1) == expected


def test_an_expression_of_several_lines_is_marked_on_each() -> None:
    """Indentation is not marked, the operator is found on its line."""
    lines = {1: "x = (alpha", 2: "     + beta", 3: "     + gamma) * 2"}
    at = frame(end_line=3, column=5, end_column=12)
    assert marks(at, lines) == {1: "     ~~~~~", 2: "     ~~~~~~", 3: "     ^~~~~~~"}


@pytest.mark.parametrize(
    "changes",
    [
        {"column": None, "end_column": 3},
        {"column": 5, "end_column": 3},
        {"column": 0, "end_column": 3, "end_line": None},
        {"column": 0, "end_column": 3, "end_line": 10**9},
        {"column": 0, "end_column": 3, "line": 7, "end_line": 7},
    ],
)
def test_columns_that_make_no_sense_are_not_marked(changes: dict[str, Any]) -> None:
    """Missing, reversed and unknown places give no marks."""
    assert marks(frame(**changes), {1: "x = a + b"}) == {}


def test_an_expression_too_long_to_parse_is_marked_plainly() -> None:
    """A line of megabytes costs no parsing."""
    source = "x = " + "a + " * 100_000 + "a"
    assert marks(frame(column=4, end_column=9), {1: source}) == {1: "    ~~^~~"}
    marked = marks(frame(column=4, end_column=len(source)), {1: source})[1]
    assert set(marked) == {" ", "^"}


# --- frames and variables ---


def test_variables_stand_under_their_frame(sample: Snapshot) -> None:
    """Each frame of the application is followed by all its variables."""
    shown = plain(sample)
    assert sample.exception is not None
    for each in sample.exception.list[0].frames:
        start = shown.index(f"line {each.line}, in {each.function}\n")
        if each.in_app and each.function == "checkout":
            block = shown[start:].split("\n  File", 1)[0]
            assert [f"      {v.name:7} = {printable(v.value)}" for v in each.locals] == [
                row for row in block.splitlines() if " = " in row and row.startswith("      ")
            ]


def test_what_was_shown_is_not_repeated(sample: Snapshot) -> None:
    """The same variables of the same call are referred to, not shown again."""
    shown = plain(sample, View(threads=Detail.NONE))
    assert shown.count("      idempotency_key = ") == 1
    assert "(variables as above, at line 73)" in shown


def test_library_frames_are_quiet_unless_the_error_is_raised_there() -> None:
    """A library frame has one line of variables; the innermost one shows them in full."""
    variables = (
        Variable(name="s", type="str", value="'{'"),
        Variable(name="end", type="int", value="1"),
    )
    outer = frame("outer", in_app=False, locals=variables)
    inner = frame("inner", in_app=False, locals=variables)
    shown = plain(snapshot(record("E", "e", frames=(outer, inner))))
    assert "in outer\n      s = '{', end = 1\n" in shown
    assert "in inner\n      s   = '{'\n      end = 1\n" in shown


@pytest.mark.parametrize(
    ("detail", "count"), [(Detail.NONE, 0), (Detail.FOLDED, 1), (Detail.FULL, 2)]
)
def test_variables_can_be_had_more_or_less(detail: Detail, count: int) -> None:
    """None, the application's, or all of them."""
    variables = (Variable(name="x", type="str", value="v" * 100),)
    frames = (frame("lib", in_app=False, locals=variables), frame("app", locals=variables))
    shown = plain(snapshot(record("E", "e", frames=frames)), View(variables=detail))
    assert shown.count("v" * 100) == count


def test_a_cut_value_shows_that_it_was_cut() -> None:
    """A truncated value ends in dots even where the tracer wrote none."""
    variables = (Variable(name="x", type="int", value="123", truncated=True),)
    shown = plain(snapshot(record("E", "e", frames=(frame(locals=variables),))))
    assert "      x = 123 …\n" in shown


def test_a_long_message_is_cut_in_the_title_alone() -> None:
    """On a terminal the title leaves room for what follows; the error itself has the whole."""
    long = snapshot(record("ValueError", "x" * 10_000))
    title, *rest = [each.plain for each in report(long, View(width=80))]
    assert len(title) == 240
    assert title.endswith("…")
    assert f"ValueError: {'x' * 10_000}" in rest
    assert plain(long).startswith(f"ValueError: {'x' * 10_000}\n")


def test_frames_left_out_are_told() -> None:
    """A gap that a limit made is named with its size."""
    frames = (frame("a"), frame("b", skipped_before=37))
    shown = plain(snapshot(record("E", "e", frames=frames)))
    assert "in a\n  … 37 frames not recorded …\n" in shown


def test_a_changed_file_shows_no_lines() -> None:
    """The lines of a file newer than the process would be wrong, so there are none."""
    sources = {"/app/a.py": SourceLines(lines={1: "wrong"}, changed=True)}
    shown = plain(snapshot(record("E", "e", frames=(frame(),)), sources=sources))
    assert "wrong" not in shown
    assert "(the file has changed since the process started)" in shown


def test_the_failing_line_has_its_neighbours() -> None:
    """The application's innermost frame shows the lines around it, the others one line."""
    lines = {n: f"    line {n}" for n in range(1, 12)}
    frames = (frame("outer", 9), frame("inner", 4), frame("lib", 1, "/lib/b.py", in_app=False))
    sources = {"/app/a.py": SourceLines(lines=lines)}
    shown = plain(snapshot(record("E", "e", frames=frames), sources=sources))
    assert "in outer\n    line 9\n  File" in shown
    around = "    2  line 2\n    3  line 3\n  → 4  line 4\n    5  line 5\n    6  line 6\n"
    assert f"in inner\n{around}  File" in shown


def test_a_statement_of_many_lines_is_cut() -> None:
    """Of a call over hundreds of lines the first few are shown."""
    lines = {n: f"    arg{n}," for n in range(1, 400)}
    at = frame(end_line=300, column=4, end_column=5)
    sources = {"/app/a.py": SourceLines(lines=lines)}
    shown = plain(snapshot(record("E", "e", frames=(at,)), sources=sources))
    assert "… 295 more lines of it …" in shown
    assert "arg100" not in shown


# --- threads and tasks ---


def test_threads_that_stand_at_one_place_are_one_group() -> None:
    """A pool of idle workers is one stack with all its names."""
    idle = [thread(n, frame("wait", 7)) for n in range(10, 16)]
    shown = plain(snapshot(threads=(thread(1, frame("main", 3)), *idle)))
    assert shown.count("in wait") == 1
    assert "T10, T11, T12 and 3 more · tid 10, 11, 12 and 3 more\n" in shown
    assert "Threads (7)" in shown


def test_the_faulted_thread_and_the_gil_are_marked() -> None:
    """They stand first and apart from threads at the same place."""
    threads = (
        thread(1, frame()),
        thread(2, frame(), gil=True),
        thread(3, frame(), faulted=True, daemon=True),
        thread(4, name=None),
    )
    rows = plain(snapshot(threads=threads)).split("Threads (4)\n")[1].splitlines()
    titles = [row for row in rows if not row.startswith(" ")]
    assert titles == [
        "T3 · tid 3 · daemon · faulted",
        "T2 · tid 2 · holds the GIL",
        "T1 · tid 1",
        "(not started by threading) · tid 4",
    ]
    assert rows[-1] == "  (no Python frames)"


def test_threads_say_what_they_wait_for() -> None:
    """Those that wait for things of one kind are one group; those that are held up are not."""
    idle = [thread(n, frame(), waiting_for=f"Event at 0x{n} to be set") for n in range(1, 4)]
    held = thread(4, frame(), waiting_for="Lock at 0x4 held by thread 'T1'", held_by=1)
    away = thread(5, frame(), interpreter=2)
    rows = plain(snapshot(threads=(*idle, held, away))).split("Threads (5)\n")[1].splitlines()
    assert [row for row in rows if "line" not in row] == [
        "T1, T2, T3 · tid 1, 2, 3",
        "  waits for Event at 0x1 to be set",
        "T4 · tid 4",
        "  waits for Lock at 0x4 held by thread 'T1'",
        "T5 · tid 5 · interpreter 2",
    ]


def handled(kind: str, message: str = "m") -> ExceptionChain:
    """Make the chain of an exception that was raised in one place, with a cause."""
    cause = record("OSError", "cause", frames=(frame("reads", 8),))
    error = record(kind, message, frames=(frame("checks", 9),), cause=1)
    return ExceptionChain(root=0, list=(error, cause))


def test_threads_say_what_they_handle() -> None:
    """One line tells the exception; those that handle others of its kind are one group."""
    same = [thread(n, frame(), handling=handled("ValueError", f"{n}\nmore")) for n in (1, 2)]
    other = thread(3, frame(), handling=handled("app.Odd", ""))
    rows = plain(snapshot(threads=(*same, other))).split("Threads (3)\n")[1].splitlines()
    assert [row for row in rows if not row.startswith("  File")] == [
        "T1, T2 · tid 1, 2",
        '  handling ValueError: 1 (raised at "/app/a.py", line 9)',
        "T3 · tid 3",
        '  handling app.Odd (raised at "/app/a.py", line 9)',
    ]


def test_what_is_handled_can_be_had_in_full() -> None:
    """With all of the threads or tasks comes the whole chain, before the stack, indented."""
    task = Task(
        id="0x1",
        name="T",
        state="waiting",
        waiting_for=None,
        frames=(frame("waits", 3),),
        handling=handled("ValueError"),
    )
    view = View(threads=Detail.FULL, tasks=Detail.FULL)
    whole = snapshot(threads=(thread(1, frame("waits", 3), handling=task.handling),), tasks=(task,))
    shown = plain(whole, view)
    for title in ("Threads (1)\n", "Tasks (1)\n"):
        rows = shown.split(title)[1].splitlines()[1:9]
        assert [rows[0], *rows[1:4], rows[-1]] == [
            "  handling ValueError: m",
            "    Traceback (most recent call last):",
            '      File "/app/a.py", line 8, in reads',
            "    OSError: cause",
            "    Traceback (most recent call last):",
        ]


def test_circles_of_waiting_stand_before_all_else() -> None:
    """Each step of a deadlock is a line."""
    shown = plain(snapshot(deadlocks=("a waits for b; b waits for a", "c waits for itself")))
    rows = shown.split("Deadlocks\n")[1].splitlines()
    assert rows[:3] == ["- a waits for b", "  b waits for a", "- c waits for itself"]
    assert "Deadlocks" not in plain(snapshot())


def test_a_folded_stack_keeps_the_frame_that_tells_most() -> None:
    """The innermost frames and the application's innermost one are kept, the rest counted."""
    library = [frame(f"lib{n}", n, "/lib/b.py", in_app=False) for n in range(1, 6)]
    frames = (frame("main", 1), frame("work", 2, skipped_before=4), *library)
    shown = plain(snapshot(threads=(thread(1, *frames),))).split("tid 1\n")[1]
    assert re.findall(r"in (\w+)|… (\d+) frames", shown) == [
        ("", "5"),
        ("work", ""),
        ("", "3"),
        ("lib4", ""),
        ("lib5", ""),
    ]
    full = plain(snapshot(threads=(thread(1, *frames),)), View(threads=Detail.FULL))
    assert re.findall(r"in (\w+)\n", full) == [each.function for each in frames]


def test_many_threads_are_counted() -> None:
    """Beyond some groups only their number is told, unless all are asked for."""
    threads = tuple(thread(n, frame("run", n)) for n in range(1, 102))
    assert "… and 81 more threads; --threads shows all" in plain(snapshot(threads=threads))
    full = plain(snapshot(threads=threads), View(threads=Detail.FULL))
    assert full.count("in run") == 101


def test_tasks_form_a_tree() -> None:
    """Below each task stand those that it waits for, deeper ones further in."""
    tasks = (
        task(3, frame("leaf", 3), by=(2,), waiting_for="a sleep of 1 s"),
        task(1, frame("root", 1)),
        task(2, frame("middle", 2), by=(1,)),
        task(4, frame("other", 4), state="running"),
    )
    rows = plain(snapshot(tasks=tasks)).split("Tasks (4)\n")[1].splitlines()
    assert rows == [
        "Task-4 · running",
        '  File "/app/a.py", line 4, in other',
        "Task-1 · waiting",
        '  File "/app/a.py", line 1, in root',
        "└ Task-2 · waiting",
        '    File "/app/a.py", line 2, in middle',
        "  └ Task-3 · waiting for a sleep of 1 s",
        '      File "/app/a.py", line 3, in leaf',
    ]


@pytest.mark.parametrize(
    ("errors", "said"), [(["boom"], "this task failed"), ([], "this task called trace")]
)
def test_the_faulted_task_comes_first(errors: list[str], said: str) -> None:
    """With those that wait for it, and never in a group with others."""
    tasks = (
        task(4, frame("other", 4), state="running"),
        task(1, frame("root", 1)),
        task(2, frame("leaf", 2), by=(1,)),
        task(3, frame("leaf", 2), by=(1,), faulted=True),
    )
    made = snapshot(*[record("ValueError", message) for message in errors], tasks=tasks)
    rows = plain(made).split("Tasks (4)\n")[1].splitlines()
    assert rows[::2] == [
        "Task-1 · waiting",
        f"└ Task-3 · waiting · {said}",
        "└ Task-2 · waiting",
        "Task-4 · running",
    ]


def test_tasks_that_wait_in_a_circle_are_shown_once() -> None:
    """A deadlock of tasks is shown, and so is a task that waits for itself."""
    tasks = (task(1, by=(2,)), task(2, by=(1,)), task(3, by=(3,)))
    shown = plain(snapshot(tasks=tasks))
    assert "Task-1 · waiting\n└ Task-2 · waiting\n  └ Task-1, shown above\n" in shown
    assert "Task-3 · waiting\n└ Task-3, shown above\n" in shown


def test_equal_tasks_are_one_group() -> None:
    """Hundreds of tasks that wait at one place take one entry."""
    tasks = tuple(task(n, frame("wait"), waiting_for="a lock") for n in range(1, 301))
    shown = plain(snapshot(tasks=tasks))
    assert "Task-1, Task-2, Task-3 and 297 more · waiting for a lock\n" in shown
    assert shown.count("in wait") == 1


def test_many_tasks_are_counted() -> None:
    """Beyond some groups only the number of tasks is told, unless all are asked for."""
    tasks = tuple(task(n, frame("wait", n)) for n in range(1, 101))
    assert "… and 60 more tasks; --tasks shows all" in plain(snapshot(tasks=tasks))
    assert "more tasks" not in plain(snapshot(tasks=tasks), View(tasks=Detail.FULL))


def test_a_deep_chain_of_tasks_ends() -> None:
    """Thousands of tasks that wait for each other are no recursion."""
    tasks = tuple(task(n, by=(n - 1,)) for n in range(1, 3000))
    shown = plain(snapshot(tasks=tasks), View(tasks=Detail.FULL))
    assert "more tasks; --tasks shows all" not in shown
    assert "… 2968 tasks deeper in" in shown


# --- the whole ---


def test_the_sections_stand_in_their_order(sample: Snapshot) -> None:
    """First the error, then what the program told, the process, threads, tasks, notes."""
    shown = plain(sample)
    heads = ["Traceback", "Attributes", "Process", "Threads (3)", "Tasks (6)", "Cut short", "Notes"]
    places = [shown.index(f"\n\n{head}") for head in heads]
    assert places == sorted(places)
    assert shown.startswith("shop.errors.CheckoutFailed: order 1042 could not be paid\n")
    for text in [*sample.truncated, *sample.notes, "http.route", "held for 2.1 ms", "121 MiB"]:
        assert text in shown


def test_what_is_not_there_has_no_section() -> None:
    """A snapshot of an idle process has no empty headings."""
    shown = plain(snapshot(reason=Reason(kind="request")))
    assert "a snapshot that the program asked for\n" in shown
    assert not re.search("Traceback|Attributes|Threads|Tasks|Notes", shown)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_terminal(sample: Snapshot, width: int) -> None:
    """Variables and what is known of the process are folded to the width of the terminal."""
    rows = plain(sample, View(width=width)).splitlines()
    folded = [row for row in rows if row.startswith(("      ", "  command"))]
    assert len(folded) > 20
    assert all(cells(row) <= width for row in folded)


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\x00\x08\r\x7f\u202e\u2066\u200f\u2028\ud800\U000e0041\n\t"


def poison(value: Any) -> Any:
    """Put hostile characters into every string and name of a document, save its times."""
    if isinstance(value, str):
        return value if value.endswith("Z") else HOSTILE + value + HOSTILE
    if isinstance(value, list):
        return [poison(each) for each in value]
    if isinstance(value, dict):
        named = {"attributes", "environment", "sources"}
        return {
            key: {poison(k): poison(v) for k, v in each.items()} if key in named else poison(each)
            for key, each in value.items()
        }
    return value


@pytest.mark.parametrize("width", [None, 60])
@pytest.mark.parametrize("detail", [Detail.FOLDED, Detail.FULL])
@pytest.mark.parametrize("colour", [False, True])
def test_nothing_in_a_snapshot_controls_the_terminal(
    width: int | None,
    detail: Detail,
    colour: bool,  # noqa: FBT001
) -> None:
    """Whatever any string holds, a terminal gets visible characters and colours alone."""
    document = poison(json.loads(SAMPLE.read_bytes()))
    view = View(width=width, variables=detail, threads=detail, tasks=detail)
    out = io.StringIO()
    console = Console(file=out, force_terminal=colour, color_system="truecolor" if colour else None)
    for row in report(from_dict(document), view):
        console.print(row, soft_wrap=True, end="\n")
    text = out.getvalue()
    assert ("\x1b[" in text) == colour
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert {char for char in bare if not char.isprintable()} == {"\n"}
    assert "\\x1b[2J" in bare


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 漢 ✓", "plain ünï 漢 ✓"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31m\x7f\x9b", r"\x1b[31m\x7f\x9b"),
        ("\u202e\u200b\ufeff", r"\u202e\u200b\ufeff"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
        ("\xa0\u3000", r"\xa0\u3000"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    """The escapes are those of repr."""
    assert printable(text) == shown
    assert repr(text)[1:-1] == shown


def test_folding_loses_nothing() -> None:
    """Folded lines fit, break at spaces, and hold the whole text until there are too many."""
    text = "alpha beta gamma 漢字漢字 " * 5
    rows = fold(text, 17, 99)
    assert all(cells(row) <= 17 for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    assert fold(text, 17, 2)[1].endswith("…")
    assert len(fold("x" * 1000, 10, 3)) == 3
    assert fold("x" * 1000, None, 3) == ["x" * 1000]


@pytest.mark.parametrize("width", [5, 6, 7])
def test_cutting_counts_columns(width: int) -> None:
    """A character of two columns is not cut in half."""
    assert cells(cut("漢字漢字", width)) <= width
    assert cut("漢字漢字", 8) == "漢字漢字"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (7994.1, "2 h 13 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_time_spans_in_words(seconds: float, words: str) -> None:
    """The two largest units are enough."""
    assert duration(seconds) == words


NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def head(age: float, message: str = "no rate", **changes: Any) -> Head:
    """Make what a list shows of a snapshot of some age in seconds."""
    made = Head(
        id="01KAQ7T3M8Q9ZV4X1J6C5R2DWN",
        created=NOW - timedelta(seconds=age),
        reason=Reason(kind="error"),
        process=Process(pid=1),
        attributes={"http.route": "/cart/{id}", "http.request.method": "GET"},
        error=Headline(type="shop.Error", message=message),
    )
    return replace(made, **changes)


def test_a_list_for_people() -> None:
    """A terminal shows ages, aligned, and as much of the error as there is room for."""
    heads = [head(0), head(185, "m" * 200), head(9, error=None, reason=Reason(kind="signal"))]
    rows = [row.plain for row in listing_lines(heads, now=NOW, width=80)]
    assert rows[0].split() == ["ID", "WHEN", "ERROR"]
    assert rows[1].endswith("just now       shop.Error: no rate  GET /cart/{id}")
    assert "3 min 5 s ago  shop.Error: mmm" in rows[2]
    assert cells(rows[2]) == 80
    assert rows[3].endswith("(signal, no error)")


def test_a_list_for_programs() -> None:
    """A pipe gets times, no heading, and every message whole on one line."""
    rows = [row.plain for row in listing_lines([head(0, "m" * 200 + "\nx")], now=None, width=None)]
    assert len(rows) == 1
    assert "2026-11-23T02:00:00Z" in rows[0]
    assert "m" * 200 in rows[0]
