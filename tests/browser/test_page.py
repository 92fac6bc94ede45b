"""The page in a real browser: folding, searching, keys, light and dark, a phone, barriers."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bcd.snapshot import from_dict, to_dict
from bcd.snapshot.model import Variable
from tests.hostile import PAYLOADS, changed

expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from bcd.snapshot.model import Snapshot

    Show = Callable[..., Page]

PHONE = {"viewport": {"width": 390, "height": 844}}
TWO_FRAMES = """new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))"""
UNFOLD = """document.querySelectorAll("details").forEach((each) => {
    each.open = true;
    each.style.contentVisibility = "visible"; // axe-core takes skipped lines to lie on others
})"""
SEEN = "(each) => each.checkVisibility()"


def seen(page: Page, selector: str) -> int:
    """How many elements can be seen."""
    elements = page.locator(selector).all()
    return sum(bool(each.evaluate(SEEN)) for each in elements)


def with_value(snapshot: Snapshot, value: str) -> Snapshot:
    """The snapshot with one variable in the frame that failed."""
    assert snapshot.exception is not None
    records = list(snapshot.exception.list)
    frames = list(records[0].frames)
    own = Variable(name="it", type="dict", value=value)
    frames[-1] = replace(frames[-1], locals=(own,))
    records[0] = replace(records[0], frames=tuple(frames))
    return replace(snapshot, exception=replace(snapshot.exception, list=tuple(records)))


def focused(page: Page) -> str:
    """The function whose frame has the focus."""
    return str(page.evaluate("document.activeElement.querySelector('.fn')?.textContent ?? ''"))


# --- what is seen first ---


def test_the_first_screen_says_what_and_where_and_why(show: Show, sample: Snapshot) -> None:
    """Type, message, place, the chain and the line that failed fit on one screen."""
    page = show(sample)
    for words in (".head .type-name", ".message", ".where a", ".why li.first", ".l.cur"):
        box = page.locator(words).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 720


def test_a_link_of_the_chain_leads_to_its_frame(show: Show, sample: Snapshot) -> None:
    """The place in the headline opens its frame and brings it into view."""
    page = show(sample)
    page.locator(".where a").click()
    assert focused(page) == "Checkout.place"
    page.evaluate(TWO_FRAMES)
    frame = page.locator("details.frame:target")
    box = frame.bounding_box()
    assert frame.get_attribute("open") is not None
    assert box is not None
    assert 40 < box["y"] < 200


def test_a_link_to_a_folded_frame_unfolds_it(show: Show, sample: Snapshot) -> None:
    """A frame within folded ones can be linked to."""
    page = show(sample)
    page.evaluate("location.hash = 'e0-0'")
    expect(page.locator(".lib .frame").first).to_be_visible()


# --- folding ---


def test_library_frames_are_folded_until_asked_for(show: Show, sample: Snapshot) -> None:
    """One button shows the frames of libraries, and hides them again."""
    page = show(sample)
    library = "#error .frame:not(.app)"
    assert seen(page, library) == 0
    button = page.get_by_role("button", name="All frames")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert seen(page, library) == page.locator(library).count() > 5
    button.click()
    assert seen(page, library) == 0


def test_a_frame_folds(show: Show, sample: Snapshot) -> None:
    """A click on a frame's line hides its source and variables."""
    page = show(sample)
    frame = page.locator(".frame.app").first
    assert frame.locator(".src").evaluate(SEEN)
    frame.locator("> summary").click()
    assert not frame.locator(".src").evaluate(SEEN)


def test_a_thread_unfolds_and_names_whom_it_waits_for(show: Show, sample: Snapshot) -> None:
    """A thread shows its stack, and a link to the one that holds what it waits for."""
    first, second, *others = sample.threads
    second = replace(second, waiting_for="a lock", held_by=first.tid)
    page = show(replace(sample, threads=(first, second, *others)))
    thread = page.locator(f"#t{second.tid}-0")
    thread.locator("> summary").click()
    thread.get_by_role("link", name="MainThread").click()
    assert page.locator(f"#t{first.tid}-0").get_attribute("open") is not None


# --- variables as a tree ---

VALUES = [
    ("{'a': 1, 'b, c': [1, 2]}", ["'a': 1", "'b, c': [1, 2]"]),
    ("[(1, 2), 'x, y', {3: 4}]", ["(1, 2)", "'x, y'", "{3: 4}"]),
    ("Order(number=1, lines=[Line(sku='a=b')])", ["number = 1", "lines = [Line(sku='a=b')]"]),
    ("<m.Cart id=881 note='two words' line=<m.Line n=1>>",
     ["id = 881", "note = 'two words'", "line = <m.Line n=1>"]),
    ("{'open': ['cut, off…", ["'open': ['cut, off…"]),
    (r"['it\'s, here', b'x, \'y', 2]", [r"'it\'s, here'", r"b'x, \'y'", "2"]),
    ("<m.A x=it's, y=<m.B>>", ["x = it's,", "y = <m.B>"]),
    ("{'</script><b>': '<i>'}", ["'</script><b>': '<i>'"]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "parts"), VALUES)
def test_a_value_is_taken_apart(show: Show, sample: Snapshot, value: str, parts: list[str]) -> None:
    """The parts of a value are listed, whatever brackets and quotes it holds."""
    page = show(with_value(sample, value))
    page.locator("#error .v button.twist").last.click()
    assert page.locator(".parts").first.locator("> li").all_inner_texts() == parts


def test_a_tree_opens_level_by_level(show: Show, sample: Snapshot) -> None:
    """Each part that has parts can be opened, and the whole closed again."""
    page = show(with_value(sample, "{'a': {'b': {'c': 'deep'}}}"))
    button = page.locator("#error .v button.twist").last
    button.click()
    page.locator(".parts summary").first.click()
    page.locator(".parts .parts summary").first.click()
    assert page.locator(".parts .parts .parts > li").inner_text() == "'c': 'deep'"
    button.click()
    assert page.locator(".parts").count() == 0


# --- search ---


def test_search_finds_what_is_folded(show: Show, sample: Snapshot) -> None:
    """What stands in a folded frame is found, unfolded and brought into view."""
    page = show(sample)
    page.keyboard.press("/")
    page.keyboard.type("h11_impl")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text(re.compile("^1 of"))
    hit = page.locator("#error .lib .file", has_text="h11_impl").first
    assert hit.evaluate(SEEN)
    box = hit.bounding_box()
    assert box is not None
    assert 0 < box["y"] < 720


def test_search_goes_through_all_and_round(show: Show, sample: Snapshot) -> None:
    """Enter goes on, Shift with it back; a text across marks is found, in either case."""
    page = show(sample)
    page.locator("#query").fill("SELF.RATES[order")
    expect(page.locator("#count")).to_have_text(re.compile("found$"))
    total = int(page.locator("#count").inner_text().split()[0])
    assert total > 1
    for expected in (1, 2):
        page.keyboard.press("Enter")
        assert page.locator("#count").inner_text() == f"{expected} of {total}"
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    assert page.locator("#count").inner_text() == f"{total} of {total}"
    page.keyboard.press("Escape")
    assert page.locator("#count").inner_text() == ""


@pytest.mark.parametrize(
    "words", ["price-refresh", "watch_stock", "suppressed.shop", "shop-7d9f", "limit", "NEWER than"]
)
def test_everything_is_searched(show: Show, sample: Snapshot, words: str) -> None:
    """Threads, tasks, attributes, the process, notes: all of it is found."""
    page = show(sample)
    page.locator("#query").fill(words)
    expect(page.locator("#count")).to_have_text(re.compile("^[1-9][0-9]* found$"))


# --- keys ---


def test_keys_move_between_frames_and_fold_them(show: Show, sample: Snapshot) -> None:
    """`j` and `k` go from frame to frame, `c` folds the one with the focus, `e` unfolds it."""
    page = show(sample)
    page.keyboard.press("j")
    assert focused(page) == "Gateway.charge"
    page.keyboard.press("j")
    assert focused(page) == "Checkout.place"
    page.keyboard.press("k")
    assert focused(page) == "Gateway.charge"
    frame = page.locator(".frame.app").first
    page.keyboard.press("c")
    assert not frame.locator(".src").evaluate(SEEN)
    page.keyboard.press("e")
    assert frame.locator(".src").evaluate(SEEN)
    assert frame.locator(".parts").count() > 0


def test_keys_do_nothing_while_typing(show: Show, sample: Snapshot) -> None:
    """Letters in the search field are letters."""
    page = show(sample)
    page.locator("#query").click()
    page.keyboard.type("jeckat?")
    assert page.locator("#query").input_value() == "jeckat?"
    assert not page.locator("#help").evaluate("(each) => each.open")


def test_help_lists_the_keys(show: Show, sample: Snapshot) -> None:
    """`?` shows the keys, Escape hides them."""
    page = show(sample)
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()


# --- copying, light and dark, widths, paper ---


def test_copy_as_text(show: Show, sample: Snapshot) -> None:
    """What is copied is the report of the terminal."""
    page = show(sample, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as text").click()
    expect(page.locator("#said")).to_have_text("Copied as text.")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("shop.errors.CheckoutFailed: order 1042 could not be paid\n")
    assert "  raise GatewayError" in text


def background(page: Page) -> str:
    """The colour of the paper."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_dark_where_the_system_is_dark(show: Show, sample: Snapshot) -> None:
    """The page follows the system until it is told otherwise; then it keeps that."""
    light = background(show(sample, color_scheme="light"))
    page = show(sample, color_scheme="dark")
    dark = background(page)
    assert light != dark
    page.get_by_role("button", name="Light", exact=True).click()
    assert background(page) == light
    page.keyboard.press("t")
    assert background(page) == dark


@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_screens_need_no_scrolling_sideways(
    show: Show, sample: Snapshot, width: int
) -> None:
    """On a phone all lines fold, a value of 10,000 characters without a space too."""
    page = show(
        with_value(sample, "x" * 10_000), viewport={"width": width, "height": 844}, has_touch=True
    )
    page.get_by_role("button", name="All frames").click()
    for summary in page.locator(".rest > summary, .thread > summary, .task > summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_on_paper_there_are_no_buttons(show: Show, sample: Snapshot) -> None:
    """Printed, the page has neither bar nor contents, and is black on white."""
    page = show(sample, color_scheme="dark")
    page.emulate_media(media="print")
    assert seen(page, ".bar, nav") == 0
    assert background(page) == "rgb(255, 255, 255)"


def test_it_can_be_read_without_scripts(show: Show, sample: Snapshot) -> None:
    """Where no script runs, all is there; the folds are the browser's own."""
    page = show(sample, java_script_enabled=False)
    assert page.locator(".message").inner_text() == "order 1042 could not be paid"
    page.locator(".lib > summary").first.click()
    assert page.locator(".lib .frame").first.is_visible()


# --- big snapshots ---


def crowd(snapshot: Snapshot, count: int) -> Snapshot:
    """The snapshot with many tasks that all wait for something else."""
    [task, *_] = [each for each in snapshot.tasks if len(each.frames) > 2]
    tasks = [
        replace(task, id=hex(number), name=f"Crowd-{number}", waiting_for=f"letter {number}")
        for number in range(1, count + 1)
    ]
    frames = [replace(task.frames[-1], function=f"waiting_{number}") for number in range(count)]
    return replace(
        snapshot,
        tasks=tuple(
            replace(each, frames=(*each.frames, frame))
            for each, frame in zip(tasks, frames, strict=True)
        ),
    )


def test_what_is_folded_is_not_built_until_it_is_unfolded(show: Show, sample: Snapshot) -> None:
    """Of 2,000 tasks the browser builds the lines, and the frames of those that are opened."""
    page = show(crowd(sample, 2000))
    tasks = page.locator("#tasks details.task")
    assert tasks.count() == 2000
    assert page.locator("#tasks .frame").count() == 0
    tasks.nth(1999).locator("> summary").click()
    assert page.locator("#tasks .frame").count() == len(crowd(sample, 1).tasks[0].frames)
    assert page.evaluate("document.querySelectorAll('*').length") < 40_000


def test_search_finds_what_was_not_built(show: Show, sample: Snapshot) -> None:
    """A text in one folded task of 2,000 is found, and that task alone is built."""
    page = show(crowd(sample, 2000))
    page.locator("#query").fill("waiting_1999")
    page.locator("#query").press("Enter")
    page.locator("#query").press("Enter")
    assert page.locator("#count").inner_text() == "2 of 2"
    assert page.locator("#tasks .task[open] .frame .fn", has_text="waiting_1999").evaluate(SEEN)
    assert page.locator("#tasks .task:has(.frame)").count() == 1


# --- hostile values ---


@pytest.mark.parametrize(
    "text",
    ["</script><script>document.title = 'owned'</script>", "<img src='https://example.org/x'>",
     "</details></section></main><h1>forged</h1>", "</pre><style>*{display:none}</style>"],
)  # fmt: skip
def test_hostile_values_do_nothing(show: Show, sample: Snapshot, text: str) -> None:
    """Text that looks like HTML is text, also once it is taken apart by the page's script."""
    error = sample.exception
    assert error is not None
    records = (replace(error.list[0], message=text, notes=(text,)), *error.list[1:])
    hostile = replace(sample, exception=replace(error, list=records), attributes={text: text})
    page = show(with_value(hostile, f"{{'a': {text!r}, {text!r}: [1]}}"))
    for button in page.locator("#error .twist:visible").all():
        button.click()
    assert page.locator(".message").inner_text() == text
    assert "owned" not in page.title().partition("CheckoutFailed")[0]
    assert page.locator("h1").count() == 1
    assert page.locator("main img, main script, main style").count() == 0


def test_a_document_of_nothing_but_payloads_does_nothing(show: Show, sample: Snapshot) -> None:
    """With every text of a snapshot hostile the page opens, unfolds, searches, and that is all."""
    turns = itertools.cycle(PAYLOADS)
    document = changed(to_dict(sample), lambda _: next(turns), lambda number: number)
    page = show(from_dict(document))
    page.evaluate(UNFOLD)
    expect(page.locator("noscript")).to_have_count(0)
    page.evaluate(UNFOLD)
    for button in page.locator(".twist:visible").all()[:20]:
        button.click()
    page.locator("#query").fill("alert(1)")
    expect(page.locator("#count")).to_have_text(re.compile("^[1-9][0-9]+[+]? found$"))
    assert page.locator("main :is(img, script, style, svg:not(.charts svg), base)").count() == 0
    assert page.locator("[onerror], [onload], [onmouseover], [onfocus], [autofocus]").count() == 0


# --- barriers ---


@pytest.mark.parametrize(
    "context",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE],
    ids=["light", "dark", "phone"],
)
def test_no_barriers(show: Show, sample: Snapshot, axe: str, context: dict[str, Any]) -> None:
    """axe-core finds nothing serious, with all that can be unfolded unfolded."""
    page = show(replace(sample, deadlocks=("A waits for B; B waits for A",)), **context)
    page.evaluate(UNFOLD)
    expect(page.locator("noscript")).to_have_count(0)
    page.evaluate(UNFOLD)
    page.locator("#error .twist").first.click()
    page.evaluate(axe)
    found = page.evaluate("axe.run().then((found) => found.violations)")
    bad = [
        (
            each["id"],
            [(node["html"][:200], node["any"][0]["message"]) for node in each["nodes"][:3]],
        )
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert bad == []
