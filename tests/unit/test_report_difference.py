"""What differs between two snapshots: what is found, and how it is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.report.difference import difference, difference_lines
from bcd.report.difference.aligning import aligned, changes
from bcd.report.difference.document import document_of
from bcd.report.difference.excerpts import excerpts
from bcd.report.difference.model import Change
from bcd.report.line import cells, printable
from bcd.snapshot.codec import decode
from bcd.snapshot.model import Frame, SourceLines, Variable
from tests.terminal import SAMPLE

if TYPE_CHECKING:
    from bcd.report.difference import Difference
    from bcd.report.difference.excerpts import Excerpt
    from bcd.snapshot.model import Snapshot

OLD = decode(SAMPLE.read_bytes())
TEXTS = st.text(st.characters() | st.sampled_from("ab\u202e\x1b中é"), max_size=60)
NUMBERS = st.lists(st.integers(0, 4), max_size=12)


def with_error(snapshot: Snapshot, **of_root: Any) -> Snapshot:
    """Change the exception that was traced."""
    chain = snapshot.exception
    assert chain is not None
    records = list(chain.list)
    records[chain.root] = replace(records[chain.root], **of_root)
    return replace(snapshot, exception=replace(chain, list=tuple(records)))


def frames_of(snapshot: Snapshot) -> tuple[Frame, ...]:
    """The frames of the exception that was traced."""
    assert snapshot.exception is not None
    return snapshot.exception.list[snapshot.exception.root].frames


def with_variable(frame: Frame, name: str, value: str) -> Frame:
    """Give a frame another value of a variable."""
    changed = Variable(name=name, type="int", value=value)
    others = tuple(each for each in frame.locals if each.name != name)
    return replace(frame, locals=(*others, changed))


def whole(excerpt: Excerpt) -> str:
    """The three parts together."""
    return f"{excerpt.same_begin}{excerpt.differs}{excerpt.same_end}"


def shown(found: Difference, width: int | None = None) -> list[str]:
    """The lines as text."""
    return [each.plain for each in difference_lines(found, width=width)]


def test_nothing_differs_from_itself() -> None:
    """A snapshot compared with itself has no difference, and that is said."""
    found = difference(OLD, OLD)
    assert found.nothing
    assert found.one_kind
    assert shown(found)[-1] == "Nothing differs."
    assert document_of(found)["differs"] is False


def test_addresses_do_not_differ() -> None:
    """Where objects lie says nothing; what else differs beside an address does."""
    frames = frames_of(OLD)
    old, new, other = (
        with_error(OLD, frames=(*frames[:-1], with_variable(frames[-1], "x", value)))
        for value in ("<X at 0x7f12a4b0>", "<X at 0x7f99a4b0>", "<Y at 0x7f12a4b0>")
    )
    assert difference(old, new).nothing
    assert not difference(old, other).nothing


def test_variables_frame_by_frame() -> None:
    """A value that differs is found at its frame; one that only one side has, too."""
    frames = frames_of(OLD)
    after = replace(
        with_variable(frames[-1], "attempt", "2"),
        locals=(Variable(name="n", type="int", value="2"),),
    )
    before = replace(frames[-1], locals=(Variable(name="n", type="str", value="2"),))
    found = difference(
        with_error(OLD, frames=(*frames[:-1], before)),
        with_error(OLD, frames=(*frames[:-1], after)),
    )
    pair = found.errors[-1].frames[-1]
    assert pair.variables == (Change(name="n", before="2 (str)", after="2 (int)"),)
    assert not pair.moved
    assert found.errors[-1].parts_at is None
    rows = shown(found)
    at = rows.index('  File "/srv/shop/checkout.py", line 45, in Checkout.place')
    assert rows[at - 1 : at + 3] == [
        "  … 9 frames alike …",
        rows[at],
        "      n  - 2 (str)",
        "         + 2 (int)",
    ]


def test_a_variable_is_shown_once() -> None:
    """What is handed from frame to frame is shown where it comes up first."""
    frames = tuple(frame for frame in frames_of(OLD) if frame.in_app)
    old = with_error(OLD, frames=tuple(with_variable(each, "n", "1") for each in frames))
    new = with_error(OLD, frames=tuple(with_variable(each, "n", "2") for each in frames))
    rows = shown(difference(old, new))
    assert rows.count("      n  - 1") == 1
    assert rows.count("      n differs as above") == len(frames) - 1


def test_variables_of_libraries_are_named() -> None:
    """Their values are shown when they are asked for."""
    frames = frames_of(OLD)
    assert not frames[0].in_app
    old, new = (
        with_error(OLD, frames=(with_variable(frames[0], "scope", value), *frames[1:]))
        for value in "12"
    )
    found = difference(old, new)
    assert "      scope differs" in shown(found)
    full = [each.plain for each in difference_lines(found, width=None, full=True)]
    assert "      scope  - 1" in full


def test_where_two_stacks_part() -> None:
    """The first frame from outside is named that is at another line of code, or in one only."""
    frames = frames_of(OLD)
    elsewhere = replace(frames[-1], line=43)
    found = difference(OLD, with_error(OLD, frames=(*frames[:-1], elsewhere, frames[-1])))
    error = found.errors[-1]
    assert error.parts_at == len(frames) - 1
    rows = shown(found)
    at = rows.index("  they part in Checkout.place")
    assert rows[at + 1 : at + 3] == [
        "    - 45  raise CheckoutFailed(",
        "    + 43  except GatewayError as error:",
    ]
    assert '+ File "/srv/shop/checkout.py", line 45, in Checkout.place' in rows


def test_another_release_in_another_folder() -> None:
    """The same code at another line and path is alike; the same line of other code is not."""
    frames = frames_of(OLD)
    last = frames[-1]
    text = OLD.sources[last.file].lines[45]
    moved = replace(last, file="/srv/shop-2/checkout.py", line=99, end_line=99)
    there = {**OLD.sources, moved.file: SourceLines(lines={99: f"    {text}"})}
    same = replace(with_error(OLD, frames=(*frames[:-1], moved)), sources=there)
    assert difference(OLD, same).errors[-1].frames[-1].alike
    there[moved.file] = SourceLines(lines={99: "raise Other"})
    other = difference(OLD, replace(same, sources=there)).errors[-1]
    assert other.frames[-1].moved
    assert other.parts_at == len(frames) - 1


def test_chains_of_two_lengths() -> None:
    """Exceptions are compared with those of their type; the others stand alone."""
    assert OLD.exception is not None
    root = OLD.exception.list[OLD.exception.root]
    alone = replace(root, cause=None, context=None)
    short = replace(OLD, exception=replace(OLD.exception, root=0, list=(alone,)))
    found = difference(OLD, short)
    types = [
        (pair.before and pair.before.type, pair.after and pair.after.type) for pair in found.errors
    ]
    assert types == [
        ("KeyError", None),
        ("shop.payment.GatewayError", None),
        ("shop.errors.CheckoutFailed", "shop.errors.CheckoutFailed"),
    ]
    assert "- KeyError: 'NOK'" in shown(found)
    assert found.errors[-1].alike


def test_without_an_error() -> None:
    """A snapshot without an error can be compared with one that has some."""
    healthy = replace(
        OLD, exception=None, reason=replace(OLD.reason, kind="dump", fingerprint=None)
    )
    found = difference(OLD, healthy)
    assert not found.one_kind
    assert [pair.after for pair in found.errors] == [None] * 3
    assert "- shop.errors.CheckoutFailed: order 1042 could not be paid" in shown(found)
    assert difference(healthy, healthy).nothing


def test_members_of_groups() -> None:
    """The exceptions below a group are compared too."""
    assert OLD.exception is not None
    member = replace(OLD.exception.list[0], cause=None, context=None, children=())
    group = replace(member, type="ExceptionGroup", message="two", children=(1, 2))
    chains = [
        replace(OLD.exception, root=0, list=(group, member, replace(member, message=text)))
        for text in ("a", "b")
    ]
    found = difference(*(replace(OLD, exception=chain) for chain in chains))
    assert [pair.alike for pair in found.errors] == [True, True, False]


def test_process_facts() -> None:
    """Texts and counts differ as soon as they do, sizes and times from a tenth on."""
    process = OLD.process
    assert process.memory is not None
    assert process.uptime_s is not None
    rss = process.memory["rss"]
    changed = replace(
        process,
        pid=1,
        python="3.13.0",
        threads=9,
        memory={"rss": rss * 3},
        uptime_s=process.uptime_s * 1.05,
        command_line=None,
        executable=None,
        environment={"TZ": "CET", "LANG": "C.UTF-8"},
    )
    found = difference(OLD, replace(OLD, process=changed)).process
    assert {each.name: each.after for each in found} == {
        "python": "3.13.0",
        "command": None,
        "threads": "9",
        "memory": f"{rss * 3 / (1 << 20):,.0f} MiB",
        "TZ": "CET",
    }
    almost = replace(process, memory={"rss": int(rss * 1.05)})
    assert difference(OLD, replace(OLD, process=almost)).nothing


def test_threads_and_tasks_by_their_stacks() -> None:
    """Those of one place are counted; names alone are no difference, nor are the failed ones."""
    named = replace(OLD, threads=tuple(replace(each, name="x", tid=1) for each in OLD.threads))
    assert {each.name for each in difference(OLD, named).reason} == {"thread"}
    assert difference(OLD, named).threads == ()
    refresh, pool = OLD.threads[1:]
    more = replace(pool, name="ThreadPoolExecutor-0_1", tid=5)
    found = difference(OLD, replace(OLD, threads=(OLD.threads[0], pool, more)))
    assert [(group.before, group.after) for group in found.threads] == [
        (("price-refresh",), ()),
        (("ThreadPoolExecutor-0_0",), ("ThreadPoolExecutor-0_0", "ThreadPoolExecutor-0_1")),
    ]
    assert found.threads[0].place is not None
    assert found.threads[0].place.file == "/srv/shop/prices.py"
    rows = shown(found)
    assert "+ 2: ThreadPoolExecutor-0_0, ThreadPoolExecutor-0_1" in rows
    assert "- price-refresh" in rows
    assert refresh.name == "price-refresh"
    fewer = difference(replace(OLD, tasks=()), OLD)
    assert fewer.tasks
    assert all(group.before == () for group in fewer.tasks)
    assert "  waits for a sleep of 30 s" in shown(fewer)


def test_the_document() -> None:
    """It is of JSON's types, and has what was found."""
    changed = replace(OLD, attributes={**OLD.attributes, "http.route": "/pay"})
    document = json.loads(json.dumps(document_of(difference(OLD, changed))))
    assert document["differs"] is True
    assert document["before"]["id"] == OLD.id
    change = {"name": "http.route", "before": "/checkout", "after": "/pay"}
    assert document["attributes"] == [change]


def test_hostile_text_is_escaped() -> None:
    """Nothing of a snapshot controls the terminal, and no line is wider than it."""
    hostile = "\x1b[2J\u202e</script>\r" + "中" * 10_000
    frames = frames_of(OLD)
    changed = with_error(
        OLD, message=hostile, frames=(*frames[:-1], with_variable(frames[-1], hostile, hostile))
    )
    changed = replace(
        changed,
        attributes={hostile: hostile},
        tasks=tuple(replace(task, name=hostile, frames=()) for task in OLD.tasks),
    )
    for found in (difference(OLD, changed), difference(changed, OLD)):
        rows = shown(found, width=80)
        assert all(row.isprintable() for row in rows)
        places = [row for row in rows if "File" in row or "they part in" in row]
        assert max(cells(row) for row in rows if row not in places) <= 80


@given(
    st.lists(st.integers(0, 4), max_size=12),
    st.lists(st.integers(0, 4), max_size=12),
    st.booleans(),
)
def test_nothing_is_left_out(before: list[int], after: list[int], in_place_of: bool) -> None:  # noqa: FBT001
    """All of both sequences is there once, in its order; without it, only equals are beside."""
    pairs = list(aligned(before, after, in_place_of=in_place_of))
    assert [index for index, _ in pairs if index is not None] == list(range(len(before)))
    assert [index for _, index in pairs if index is not None] == list(range(len(after)))
    for index, other in pairs:
        if index is not None and other is not None and not in_place_of:
            assert before[index] == after[other]


def test_very_long_sequences_are_not_searched() -> None:
    """What would take minutes is put side by side."""
    assert len(list(aligned([0] * 100_000, [1, 0] * 50_000))) == 100_000


@given(st.dictionaries(TEXTS, TEXTS), st.dictionaries(TEXTS, TEXTS))
def test_changes_of_mappings(before: dict[str, str], after: dict[str, str]) -> None:
    """Applying what differs to one gives the other."""
    made = dict(before)
    for each in changes(before, after):
        assert each.before == before.get(each.name)
        if each.after is None:
            del made[each.name]
        else:
            made[each.name] = each.after
    assert made == after


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.integers(24, 90))
def test_excerpts(begin: str, one: str, two: str, end: str, room: int) -> None:
    """Both fit, and where the texts differ the first difference can be seen."""
    before, after = begin + one + end, begin + two + end
    texts = [whole(each) for each in excerpts(before, after, room)]
    for text in texts:
        assert text.isprintable()
        assert cells(text) <= room
    if printable(before) != printable(after):
        assert texts[0] != texts[1]
    assert [whole(each) for each in excerpts(before, after, None)] == [
        printable(before),
        printable(after),
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_values_are_cut_to_the_width(width: int) -> None:
    """Of long values, that part is shown which differs."""
    frames = frames_of(OLD)
    old, new = (
        with_error(OLD, frames=(*frames[:-1], with_variable(frames[-1], "n", f"{'x' * 900}{tail}")))
        for tail in "12"
    )
    rows = shown(difference(old, new), width)
    assert "      n  - …xxxxxxxxxxxxxxxx1" in rows
    assert "         + …xxxxxxxxxxxxxxxx2" in rows
