"""Documents with hostile values in every field: whatever shows them stays what it is.

Each test takes the document of a real snapshot and puts generated texts and numbers into it.
"""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcd.errors import SnapshotCorrupt
from bcd.report.html import page
from bcd.report.text import Detail, View, plain
from bcd.send.backtrace import submission_of
from bcd.send.encoding import json_bytes
from bcd.send.otlp import request_of
from bcd.send.sentry.event import event_of
from bcd.snapshot import decode, encode, from_dict
from tests.hostile import PAYLOADS, changed
from tests.html_document import Document

if TYPE_CHECKING:
    from bcd.snapshot.model import Snapshot

SAMPLE = json.loads((Path(__file__).parents[1] / "samples" / "checkout.bcd.json").read_bytes())
EXAMPLES = int(os.environ.get("BCD_TEST_HOSTILE", "12"))
EVERYTHING = View(variables=Detail.FULL, threads=Detail.FULL, tasks=Detail.FULL)
FOLDED_LATER = {"details", "summary", "i", "br", "button"}
"""Elements that a text may add: long ones are folded, odd characters tinted, lines broken."""

markup = st.sampled_from(PAYLOADS)
marks = st.text(
    st.sampled_from(
        "\u202e\u2066\u200f\u200b\ufeff\u2028\x00\x07\x08\x1b\x7f\x9b\ud800\udfff\ufffe\r\n\t<>&\"'`="
    )
)
values = st.recursive(
    st.sampled_from(["1", "'x'", "None", "…", "b'\\x00'"]),
    lambda inner: st.one_of(
        st.builds("{{'{}': {}, '{}': [{}]}}".format, markup, inner, marks, inner),
        st.builds("<m.A x={} y=({}, {})>".format, inner, inner, markup),
        st.builds("Point(x={}, y={}".format, inner, inner),
    ),
    max_leaves=6,
)
deep = st.integers(1, 300).map(lambda depth: "[" * depth + "x" + "]" * (depth // 2))
texts = st.one_of(markup, marks, values, deep, st.text())
numbers = st.one_of(
    st.integers(-3, 60), st.sampled_from([2**31, 2**53 + 1, 2**63, -(2**63), 10**19])
)


def with_texts(supply: list[str], seed: int) -> Snapshot:
    """The sample with hostile texts all over."""
    random = Random(seed)  # noqa: S311 - the same each time
    document: dict[str, Any] = copy.deepcopy(SAMPLE)
    for names in ("attributes", "sources"):
        document[names] |= dict.fromkeys(supply, next(iter(document[names].values())))
    document["process"]["memory"] |= dict.fromkeys(supply, 7)
    document["tracer"]["limits"] |= dict.fromkeys(supply, 7)
    return read(changed(document, lambda _: random.choice(supply), lambda number: number))


def with_numbers(supply: list[int], seed: int) -> Snapshot:
    """The sample with some numbers that are none of its own."""
    random = Random(seed)  # noqa: S311 - likewise

    def number(old: int) -> int:
        return random.choice(supply) if random.random() < 0.2 else old

    return read(changed(SAMPLE, lambda text: text, number))


def read(document: dict[str, Any]) -> Snapshot:
    """The model, once it has gone through bytes as well."""
    snapshot = from_dict(document)
    assert decode(encode(snapshot)) == snapshot
    return snapshot


SANE = Document(page(from_dict(SAMPLE)))

by_hypothesis = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
)


@by_hypothesis
@given(st.lists(texts, min_size=1, max_size=12), st.integers(0, 1_000))
def test_the_page_stays_what_it_is(supply: list[str], seed: int) -> None:
    """No element, attribute or link comes out of a value, and no script that is not the page's."""
    html = page(with_texts(supply, seed))
    html.encode()  # strict: no half of a pair of surrogates
    found = Document(html)
    assert set(found.shape()) - FOLDED_LATER <= set(SANE.shape())
    for tag in ("script", "style", "meta", "base", "link", "title", "body", "main", "pre", "h1"):
        assert found.shape().count(tag) == SANE.shape().count(tag), tag
    assert found.raw == SANE.raw
    assert [own for tag, own in found.elements if tag == "meta"] == [
        own for tag, own in SANE.elements if tag == "meta"
    ]
    assert html.count("<noscript>") == html.count("</noscript>")
    known = {name for _, own in SANE.elements for name in own} | {"title", "open"}
    for _, own in found.elements:
        assert own.keys() <= known
        assert "style" not in own
        assert (own.get("href") or "#").startswith(("#", "data:,"))
    found.ids()


@by_hypothesis
@given(st.lists(texts, min_size=1, max_size=12), st.integers(0, 1_000))
def test_nothing_invisible(supply: list[str], seed: int) -> None:
    """Neither page nor terminal gets a character that turns, hides or controls anything."""
    snapshot = with_texts(supply, seed)
    for text in (page(snapshot), plain(snapshot, EVERYTHING), plain(snapshot)):
        left = {char for char in text if not char.isprintable()} - {"\n"}
        assert left == set()


@by_hypothesis
@given(st.lists(texts, min_size=1, max_size=12), st.integers(0, 1_000))
def test_other_services_get_strict_json(supply: list[str], seed: int) -> None:
    """What is sent is valid JSON in valid UTF-8, also for readers that take no surrogates."""
    snapshot = with_texts(supply, seed)
    for made in (event_of(snapshot), request_of(snapshot), submission_of(snapshot)):
        decoded = json.loads(json_bytes(made).decode())
        json.dumps(decoded, ensure_ascii=False).encode()


@by_hypothesis
@given(st.lists(numbers, min_size=1, max_size=8), st.integers(0, 1_000))
def test_odd_numbers(supply: list[int], seed: int) -> None:
    """Lines, columns, ids and indexes of any size are shown, or refused in words."""
    try:
        snapshot = with_numbers(supply, seed)
    except SnapshotCorrupt:
        return
    Document(page(snapshot)).ids()
    plain(snapshot, EVERYTHING)
    for made in (event_of(snapshot), request_of(snapshot), submission_of(snapshot)):
        json_bytes(made)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "=" * 10_000,
        "<b>\n" * 2_500,
        '"' * 10_000,
        "\u202e\x00" * 5_000,
        "a.b" * 3_333,
    ],
)
def test_long_lines(text: str) -> None:
    """A value, a line of source and a message of 10,000 characters cost what their length tells."""
    document = copy.deepcopy(SAMPLE)
    error = document["exception"]["list"][0]
    frame = error["frames"][-1]
    error["message"] = frame["locals"][0]["value"] = frame["locals"][1]["type"] = text
    document["sources"][frame["file"]][str(frame["line"])] = text
    snapshot = read(document)
    started = time.process_time()
    html = page(snapshot)
    plain(snapshot, EVERYTHING)
    assert time.process_time() - started < 5
    Document(html).ids()
