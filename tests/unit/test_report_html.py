"""The page: what stands where, and that no text of a snapshot becomes anything but text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.errors import ConfigError
from bcd.report.html import page
from bcd.report.page.errors import errors, steps
from bcd.report.page.facts import charts
from bcd.report.page.frames import short_place, stack
from bcd.report.page.sources import Sources
from bcd.report.page.texts import shown
from bcd.report.page.waits import task_nodes, thread_groups
from bcd.snapshot import from_dict
from bcd.snapshot.model import (
    ExceptionChain,
    ExceptionRecord,
    Frame,
    Process,
    Snapshot,
    SourceLines,
    Task,
    Thread,
    Variable,
)
from tests.html_document import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.report.page.waits import TaskNode

NO_SOURCES = Sources({})
SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"


@pytest.fixture(name="sample")
def _sample() -> Snapshot:
    return sample()


def sample() -> Snapshot:
    """The snapshot of a failed checkout."""
    return from_dict(json.loads(SAMPLE.read_bytes()))


def frame(
    function: str = "f", line: int = 1, file: str = "/app/a.py", *, app: bool = True
) -> Frame:
    """Make a frame without columns."""
    return Frame(
        function=function,
        file=file,
        line=line,
        end_line=line,
        column=None,
        end_column=None,
        in_app=app,
    )


def record(kind: str, *frames: Frame, **links: object) -> ExceptionRecord:
    """Make an exception that stands alone."""
    made = ExceptionRecord(
        type=kind,
        message=f"of {kind}",
        cause=None,
        context=None,
        suppress_context=False,
        frames=frames,
    )
    return replace(made, **links)  # type: ignore[arg-type]


# --- one file, which may do nothing but show itself ---


def test_the_page_stands_alone(sample: Snapshot) -> None:
    """Nothing in it refers to anything outside of it."""
    document = Document(page(sample))
    for tag, own in document.elements:
        for name in ("src", "href", "action", "data", "srcset"):
            value = own.get(name) or "#"
            assert value.startswith("#") or (tag, value) == ("link", "data:,")
        assert tag not in {"iframe", "object", "embed", "base", "img"}
    assert "url(" not in document.raw["style"]
    assert "@import" not in document.raw["style"]


def test_the_policy_allows_its_own_style_and_script_alone(sample: Snapshot) -> None:
    """The content security policy has the hashes of what is there, and no way around them."""
    document = Document(page(sample))
    [policy] = [
        own["content"] or ""
        for _, own in document.elements
        if own.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for kind in ("style", "script"):
        digest = hashlib.sha256(document.raw[kind].encode()).digest()
        assert rules[f"{kind}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy
    handlers = [name for _, own in document.elements for name in own if name.startswith("on")]
    assert (handlers, [own for _, own in document.elements if "style" in own]) == ([], [])


def test_each_link_leads_somewhere(sample: Snapshot) -> None:
    """What the headline, the chain and the contents refer to is there."""
    document = Document(page(sample))
    links = {own["href"] for tag, own in document.elements if tag == "a" and "href" in own}
    assert len(links) > 10
    assert {str(link)[1:] for link in links} <= document.ids()


def test_without_jinja2_the_error_names_the_command(
    sample: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing package is a clear error that says how to get it."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "bcd.report.page.render", raising=False)
    with pytest.raises(ConfigError, match=re.escape("-m pip install 'jinja2>=3.1'")):
        page(sample)


# --- hostile values ---

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style></pre></title>--><!--",
    '" onclick="alert(1)" x=\'',
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnirts\u2066\u200f",
    "\x00\x1b[2J\x07\r\n\t\x7f\x9b",
    "\ud800 lone, \U000e0041 tag, \ufeff mark",
    "a" * 10_000,
    "&amp;&lt;&#60;",
]


def everywhere(text: str) -> Snapshot:
    """A snapshot in which each text that a program can choose is this one."""
    own = Variable(name=text, type=f"m.{text}", value=text, truncated=True)
    hostile = replace(frame(text, 7, text), locals=(own,), column=2, end_column=5)
    library = replace(hostile, in_app=False)
    frames = (library, hostile)
    error = replace(record(text, *frames), message=text, notes=(text,))
    thread = Thread(
        tid=1, name=text, daemon=None, faulted=True, gil=True, frames=frames, waiting_for=text
    )
    task = Task(id=text, name=text, state=text, waiting_for=text, frames=frames)
    return replace(
        sample(),
        id=text,
        attributes={text: text, "http.route": text},
        classifiers=(text,),
        exception=ExceptionChain(
            root=0, list=(replace(error, cause=1), replace(error, children=(0, 2)), error)
        ),
        threads=(thread,),
        tasks=(task,),
        deadlocks=(text,),
        sources={text: SourceLines(lines={6: text, 7: f"  {text}"})},
        truncated=(text,),
        notes=(text,),
        process=Process(
            pid=1, host=text, command_line=(text,), environment={text: text}, files={text: 3}
        ),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    """No value adds an element or an attribute; a page of harmless values has the same ones."""
    hostile, plain = Document(page(everywhere(text))), Document(page(everywhere("plain")))
    folded = {"details", "summary", "i", "mark", "p", "br", "span"}  # of long and odd texts
    assert set(hostile.shape()) - folded <= set(plain.shape())
    assert hostile.shape().count("script") == hostile.shape().count("style") == 1
    assert hostile.raw == plain.raw
    for _, own in hostile.elements:
        assert set(own) <= {
            "aria-expanded", "aria-hidden", "aria-label", "aria-labelledby", "aria-pressed",
            "autocomplete", "charset", "class", "content", "data-n", "datetime", "for", "height",
            "hidden", "href", "http-equiv", "id", "lang", "name", "open", "placeholder",
            "preserveaspectratio", "rel", "role", "spellcheck", "title", "type", "viewbox",
            "width", "x",
        }  # fmt: skip


@given(st.text(st.characters(codec=None), max_size=60))
def test_any_text_is_shown_as_repr_would(text: str) -> None:
    """What is not plainly visible is an escape, all else is itself; nothing is lost."""
    document = Document(f"<p>{shown(text)}</p>")
    expected = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    assert document.text == expected
    assert set(document.shape()) <= {"p", "i"}


@given(st.text(st.characters(codec=None), min_size=1, max_size=30))
def test_any_text_in_any_place_leaves_the_page_whole(text: str) -> None:
    """The page is encodable, free of control characters and well-formed, whatever is in it."""
    html = page(everywhere(text))
    html.encode("utf-8")
    assert all(char.isprintable() or char == "\n" for char in html)
    Document(html)


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\x1b"])
def test_marks_of_direction_are_seen(mark: str) -> None:
    """A mark that would turn the text around is written as its escape."""
    html = page(everywhere(f"a{mark}b"))
    assert mark not in html
    escape = mark.encode("unicode_escape").decode()
    assert f'a<i class="esc">{escape}</i>b' in html


def test_a_long_line_is_folded_but_whole() -> None:
    """Of 10,000 characters the first are shown, the others are there to be unfolded."""
    made = shown("x" * 10_000)
    assert made.count("x") == 10_000
    assert "<summary>9,300 more characters</summary>" in made


# --- the error ---


def test_the_headline_comes_first(sample: Snapshot) -> None:
    """Type, message, note and place stand before the traceback, and the causes between."""
    text = Document(page(sample)).text
    order = [
        "CheckoutFailed",
        "order 1042 could not be paid",
        "cart 881, 2 lines",
        "Checkout.place",
        "because of",
        "no rate for NOK",
        "while handling",
        "'NOK'",
        "most recent call last",
    ]
    places = [text.index(words, text.index("Error in")) for words in order]
    assert places == sorted(places)


def test_causes_from_the_newest_to_the_first(sample: Snapshot) -> None:
    """Each step names what came before; the last one is marked as where it began."""
    assert sample.exception is not None
    found = steps(sample.exception)
    assert [(step.why, step.head.name, step.first) for step in found] == [
        ("because of", "GatewayError", False),
        ("while handling", "KeyError", True),
    ]


def test_members_of_a_group_say_why() -> None:
    """A group is explained by its members, the first five of many, and by its cause."""
    group = record("Group", children=tuple(range(2, 10)), cause=1)
    members = [record(f"M{index}") for index in range(2, 10)]
    found = steps(ExceptionChain(root=0, list=(group, record("Cause"), *members)))
    assert [(step.why, step.head.name) for step in found] == [
        *(("among them", f"M{index}") for index in range(2, 7)),
        ("because of", "Cause"),
    ]


def test_tracebacks_in_the_order_of_python(sample: Snapshot) -> None:
    """The oldest comes first, with Python's words between them."""
    text = Document(page(sample)).text
    cause = "The above exception was the direct cause of the following exception:"
    context = "During handling of the above exception, another exception occurred:"
    assert text.index(context) < text.index(cause)


def test_groups_show_each_member_once() -> None:
    """Members of a group stand below it; one that is met again is only named."""
    group = record("ExceptionGroup", children=(1, 2))
    chain = ExceptionChain(root=0, list=(group, record("A", context=2), record("B")))
    [error] = errors(chain, NO_SOURCES)
    first, second = error.children
    assert [(each.head.name, each.instead) for each in first] == [("B", ""), ("A", "")]
    assert [(each.head.name, each.instead) for each in second] == [("B", "shown before")]


def test_circles_and_depth_end() -> None:
    """Exceptions that cause each other, and groups without end, are shown and end."""
    circle = ExceptionChain(root=0, list=(record("A", cause=1), record("B", cause=0)))
    assert [each.head.name for each in errors(circle, NO_SOURCES)] == ["B", "A"]
    deep = tuple(record(f"G{index}", children=(index + 1,)) for index in range(40))
    [error] = errors(ExceptionChain(root=0, list=(*deep, record("Last"))), NO_SOURCES)
    while error.children:
        error = error.children[0][0]
    assert error.instead == "groups deeper than 10 are not shown"


# --- frames ---


def test_frames_of_the_application_are_open_those_of_libraries_folded() -> None:
    """A run of library frames is one line that names the packages; the innermost is never in it."""
    library = "/v/lib/python3.12/site-packages"
    frames = [
        frame("run", 1, f"{library}/uvicorn/server.py", app=False),
        frame("call", 2, "/usr/lib/python3.12/asyncio/runners.py", app=False),
        frame("mine", 3),
        frame("send", 4, f"{library}/httpx/client.py", app=False),
    ]
    found = stack(frames, NO_SOURCES)
    assert [(run.library, run.packages, len(run.calls)) for run in found.runs] == [
        (True, "uvicorn, asyncio", 2),
        (False, "", 1),
        (False, "", 1),
    ]
    assert [call.open for run in found.runs for call in run.calls] == [False, False, True, True]
    assert found.telling is frames[2]


def test_recursion_is_folded() -> None:
    """Of 400 equal frames three are shown, as Python does it."""
    found = stack([frame()] * 400, NO_SOURCES)
    assert [(run.repeated, len(run.calls)) for run in found.runs] == [(False, 3), (True, 397)]


def test_source_with_the_failing_part_marked(sample: Snapshot) -> None:
    """The line stands between its neighbours, its indentation kept, the columns marked."""
    html = page(sample)
    assert (
        '<div class="l cur" data-n="73">        amount = total / <mark class="in">self.rates</mark>'
        '<mark class="at">[order.customer.währung]</mark>[&#34;rate&#34;]</div>'
    ) in html
    assert '<div class="l" data-n="72">    try:</div>' in html


def test_variables_of_the_failing_line_come_first(sample: Snapshot) -> None:
    """The names in the line are shown before all others, each kind in its order."""
    assert sample.exception is not None
    found = stack(sample.exception.list[2].frames, Sources(sample.sources))
    variables = found.runs[-1].calls[-1].variables
    names = [(str(each.name), each.used) for each in variables]
    assert names == sorted(names, key=lambda pair: not pair[1])
    assert [name for name, used in names if used] == ["self", "order", "total"]


def test_many_variables_are_folded() -> None:
    """Twelve are shown, the others are one click away."""
    variables = tuple(Variable(name=f"v{n}", type="int", value=str(n)) for n in range(60))
    [run] = stack([replace(frame(), locals=variables)], NO_SOURCES).runs
    [call] = run.calls
    assert (len(call.variables), len(call.more)) == (12, 48)


def test_a_changed_file_says_so() -> None:
    """Lines that may be other ones than those that ran are not shown, and it says why."""
    source = {"/app/a.py": SourceLines(changed=True)}
    error = ExceptionChain(root=0, list=(record("E", frame()),))
    html = page(replace(sample(), exception=error, sources=source))
    assert "The file has changed since the process started" in html


def test_place_without_a_line() -> None:
    """A frame whose instruction belongs to no line has a question mark."""
    assert short_place(replace(frame(), line=None)) == "a.py:?"


# --- threads, tasks, process ---


def test_threads_alike_are_one_group_and_name_the_holder() -> None:
    """Equal stacks are one entry; who holds the lock is linked."""
    waiting = [
        Thread(
            tid=tid,
            name=f"w{tid}",
            daemon=True,
            faulted=False,
            gil=False,
            frames=(frame("wait"),),
            waiting_for="a lock, held by owner",
            held_by=9,
        )
        for tid in (1, 2, 3)
    ]
    owner = replace(waiting[0], tid=9, name="owner", waiting_for=None, held_by=None)
    groups = thread_groups([*waiting, owner], NO_SOURCES)
    assert [(group.count, group.holder, group.holder_anchor) for group in groups] == [
        (3, "owner", "t9-0"),
        (1, "", ""),
    ]
    assert groups[0].anchors == ["t1-0", "t2-0", "t3-0"]


def test_threads_and_tasks_show_what_they_are_handling(sample: Snapshot) -> None:
    """The error that a thread or a task is handling is named in its line and shown below it."""
    chain = ExceptionChain(root=0, list=(record("Mine", frame("raised"), cause=1), record("First")))
    threads = (replace(sample.threads[0], handling=chain), *sample.threads[1:])
    tasks = (replace(sample.tasks[0], handling=chain), *sample.tasks[1:])
    html = page(replace(sample, threads=threads, tasks=tasks))
    document = Document(html)
    assert html.count('<span class="waits held">handling ') == 2
    assert document.text.count("the error that it is handling") == 2
    assert f"h{threads[0].tid}-0-0" in document.ids()


def test_tasks_are_a_tree_below_what_waits_for_them(sample: Snapshot) -> None:
    """A task stands below the one that awaits it, with what it waits for."""
    names = {node.names: [child.names for child in node.children] for node in nodes_of(sample)}
    assert names["Task-120"] == ["Task-121 reserve"]


def nodes_of(snapshot: Snapshot) -> Iterator[TaskNode]:
    """The roots of the tree of tasks."""
    yield from task_nodes(snapshot.tasks, Sources(snapshot.sources))


def test_deadlocks_are_announced_at_the_top(sample: Snapshot) -> None:
    """A circle of waiting is named in the headline and drawn link by link."""
    stuck = replace(sample, deadlocks=("A waits for B; B waits for A",))
    document = Document(page(stuck))
    assert "1 deadlock: who waits for whom" in document.text
    assert "A waits for B; B" not in document.text.partition("Copy")[2].partition("bcd 0.1.0")[0]


def test_without_an_error_the_threads_are_the_headline(sample: Snapshot) -> None:
    """A snapshot from outside says where the process stood."""
    document = Document(page(replace(sample, exception=None)))
    assert "no error" in document.text
    assert "MainThread stood in" in document.text
    assert "error" not in document.ids()


def test_bars_against_their_limits() -> None:
    """Descriptors near their limit say so, and what a bar consists of adds up."""
    process = Process(
        pid=1,
        memory={"rss": 100 << 20, "uss": 60 << 20},
        cpu={"user_s": 3.0, "system_s": 1.0},
        uptime_s=8.0,
        files={"socket": 90, "file": 5},
        limits={"open_files": 100},
        thread_states={"sleeping": 3, "running": 1},
    )
    found = {chart.title: chart for chart in charts(process)}
    assert list(found) == ["Memory", "CPU", "Descriptors", "Threads"]
    assert found["Descriptors"].words == "95 open of at most 100"
    assert (found["Descriptors"].near, found["Memory"].near) == (True, False)
    assert found["CPU"].words == "4.0 s in 8 s, 50.0% of one core"
    assert [part.width for part in found["Descriptors"].parts] == [90.0, 5.0]
    assert [part.words for part in found["Memory"].parts] == ["60 MiB its own", "40 MiB shared"]


def test_a_process_of_which_nothing_is_known() -> None:
    """There are no bars then, and no error."""
    assert charts(Process(pid=1)) == []
    bare = replace(sample(), process=Process(pid=1), exception=None, threads=(), tasks=())
    Document(page(bare))


def test_what_was_cut_and_noted_is_told(sample: Snapshot) -> None:
    """Limits that were reached, and what could not be read, stand in the page."""
    text = Document(page(sample)).text
    assert "Something is missing: 1 limit was reached" in text
    for sentence in (*sample.truncated, *sample.notes):
        assert sentence in text
