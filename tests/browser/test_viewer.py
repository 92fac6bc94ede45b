"""The viewer in a real browser, over a real server and a real folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import Watched
from tests.viewer.conftest import TOKEN
from tests.viewer.served import serving, written
from tests.viewer.snapshots import documents, fingerprint_of, shop

expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    Visit = Callable[..., Page]

pytestmark = pytest.mark.server

PHONE = {"viewport": {"width": 390, "height": 844}}
RATE = fingerprint_of("shop.payment.NoExchangeRate")
TYPES = ".groups .type .name"


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    written(folder, documents(shop(datetime.now(UTC))))
    return folder


@pytest.fixture(name="url", scope="module")
def _url(folder: Path) -> Iterator[str]:
    with serving("--folder", str(folder)) as served:
        yield served.url.rstrip("/")


@pytest.fixture(name="visit")
def _visit(browser: Browser, url: str) -> Iterator[Visit]:
    """Opens a page of the viewer; afterwards none complained, or asked anybody else."""
    watched: list[Watched] = []

    def visit(path: str = "/", start: str = url, **context: Any) -> Page:
        opened = Watched(browser.new_context(**context).new_page())
        opened.page.set_default_timeout(15_000)
        watched.append(opened)
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(start + path)
        return opened.page

    yield visit
    for each in watched:
        origin = "{0.scheme}://{0.netloc}/".format(urlsplit(each.page.url))
        each.page.context.close()
        assert each.complaints == []
        assert [url for url in each.requests if not url.startswith((origin, "data:"))] == []


def parameters(page: Page) -> dict[str, list[str]]:
    """Those of the URL that the page has now."""
    return parse_qs(urlsplit(page.url).query)


def background(page: Page) -> str:
    """The colour of the paper."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


# --- what one does ---


def test_from_the_groups_to_a_snapshot_and_back(visit: Visit) -> None:
    """A click on a line opens its group, one more its newest snapshot; links lead back."""
    page = visit()
    page.locator(".groups .row").first.click(position={"x": 300, "y": 60})
    expect(page.locator("h1")).to_contain_text("NoExchangeRate")
    page.get_by_role("link", name="Open the latest snapshot").click()
    expect(page.locator(".l.cur").first).to_be_visible()
    page.get_by_role("link", name="This kind of error").click()
    expect(page.get_by_role("heading", name="In common")).to_be_visible()
    page.get_by_role("link", name="← All errors").click()
    expect(page.locator(TYPES).first).to_have_text("NoExchangeRate")


def test_the_first_screen_says_what_happens_now(visit: Visit) -> None:
    """Type, message, number, time and bars of the newest group are seen without scrolling."""
    page = visit()
    for words in (".type", ".said-by", ".many", ".seen", ".spark"):
        box = page.locator(f".groups .row:first-child {words}").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 400


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_filters(visit: Visit, *, scripts: bool) -> None:
    """What is filled in is in the URL and named below; its cross takes it away."""
    page = visit(java_script_enabled=scripts)
    page.get_by_label("Service").fill("shop")
    page.get_by_label("Attribute").fill("shop.currency=CHF")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator(TYPES)).to_have_text(["NoExchangeRate"])
    assert parameters(page) == {"service": ["shop"], "attribute": ["shop.currency=CHF"]}
    page.get_by_role("link", name="Remove the filter shop.currency=CHF").click()
    expect(page.locator(TYPES)).to_have_count(4)
    assert parameters(page) == {"service": ["shop"]}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_search_keeps_the_filters(visit: Visit, *, scripts: bool) -> None:
    """Enter in the field above searches within what is shown."""
    page = visit("/?state=all&last=week", java_script_enabled=scripts)
    page.get_by_label("Search type and message").fill("DISCOUNT")
    page.keyboard.press("Enter")
    expect(page.locator(TYPES)).to_have_text(["KeyError"])
    assert parameters(page) == {"state": ["all"], "last": ["week"], "text": ["DISCOUNT"]}


def test_times(visit: Visit) -> None:
    """One click shows the last hour; from and to take a time of one's own."""
    page = visit()
    page.get_by_role("link", name="1 hour").click()
    expect(page.get_by_role("link", name="1 hour")).to_have_attribute("aria-current", "true")
    expect(page.locator(TYPES)).to_have_text(["NoExchangeRate", "TimeoutError"])
    page.locator(".between summary").click()
    page.get_by_label("From (UTC)").fill("2020-01-01T00:00")
    page.get_by_label("To", exact=True).fill("2020-01-02T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No open error fits.")).to_be_visible()
    assert parameters(page) == {"since": ["2020-01-01T00:00"], "until": ["2020-01-02T00:00"]}
    page.get_by_role("link", name="Any time").click()
    expect(page.locator(TYPES)).to_have_count(6)


def test_a_group_is_narrowed(visit: Visit) -> None:
    """A value that several snapshots have leads to those that have it."""
    page = visit(f"/groups/{RATE}")
    page.locator(".shares a", has_text="LI").click()
    expect(page.locator(".chip")).to_have_text(re.compile("shop.country=LI"))
    few = page.locator(".snapshots .row").count()
    assert 0 < few < 42


def test_the_page_as_a_file(visit: Visit, tmp_path: Path) -> None:
    """A snapshot's page can be kept; the file has the id of the snapshot for a name."""
    page = visit(f"/groups/{RATE}")
    page.get_by_role("link", name="Open the latest snapshot").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download this page").click()
    kept = tmp_path / "kept.html"
    download.value.save_as(kept)
    assert re.fullmatch(r"\w{26}\.html", download.value.suggested_filename)
    assert "no rate for" in kept.read_text()


# --- keys ---


def test_keys(visit: Visit) -> None:
    """`j` and `k` go through the lines, Enter opens one, `u` leads back, `/` searches."""
    page = visit()
    for key in "jjk":
        page.keyboard.press(key)
    focused = "document.activeElement.textContent"
    assert page.evaluate(focused) == "shop.payment.NoExchangeRate"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("NoExchangeRate")
    page.keyboard.press("u")
    expect(page.locator(TYPES).first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("jkut?/")
    expect(page.get_by_label("Search type and message")).to_have_value("jkut?/")


def test_help_lists_the_keys(visit: Visit) -> None:
    """`?` shows the keys, Escape hides them."""
    page = visit()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_whole_page_by_the_tab_key(visit: Visit) -> None:
    """Each link, field and button can be reached, in the order in which they are read."""
    page = visit()
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(str(page.evaluate("document.activeElement.textContent.trim()")))
    places = [seen.index(each) for each in ("bcd", "Open", "1 hour", "Filter", "KeyError")]
    assert places == sorted(places)


# --- light and dark, widths ---


def test_light_and_dark(visit: Visit) -> None:
    """The system's choice holds until another is made, which stays on the next page."""
    light = background(visit(color_scheme="light"))
    page = visit(color_scheme="dark")
    dark = background(page)
    assert light != dark
    page.get_by_role("button", name="Light", exact=True).click()
    assert background(page) == light
    page.locator(".groups .row a").first.click()
    expect(page.locator("h1")).to_be_visible()
    assert background(page) == light
    page.get_by_role("link", name="Open the latest snapshot").click()
    expect(page.locator(".l.cur").first).to_be_visible()
    assert background(page) == light


def test_without_scripts_there_are_no_buttons_that_need_them(visit: Visit) -> None:
    """Where no script runs everything but the keys and the choice of colours is there."""
    page = visit(java_script_enabled=False)
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    page.locator(".groups .row a").first.click()
    expect(page.get_by_role("heading", name="By release")).to_be_visible()


@pytest.mark.parametrize(
    "path", ["/?state=all&service=shop&attribute=http.route", f"/groups/{RATE}"]
)
@pytest.mark.parametrize("width", [320, 390, 768, 1000])
def test_narrow_screens_need_no_scrolling_sideways(visit: Visit, width: int, path: str) -> None:
    """On a phone all lines fold, with the filters unfolded too."""
    page = visit(path, viewport={"width": width, "height": 844}, has_touch=True)
    for summary in page.locator("summary:visible").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_phone_sees_errors_first(visit: Visit) -> None:
    """The fields of the filters are folded there, and hide no error."""
    page = visit(**PHONE)
    expect(page.get_by_label("Service")).to_be_hidden()
    box = page.locator(".groups .row").first.bounding_box()
    assert box is not None
    assert box["y"] < 400
    page.get_by_text("Filters", exact=True).click()
    expect(page.get_by_label("Service")).to_be_visible()


# --- signing in ---


def test_signing_in(browser: Browser, visit: Visit, folder: Path) -> None:
    """A page that was asked for follows the token; without it there is only the form."""
    del browser
    with serving("--folder", str(folder), BCD_TOKEN=TOKEN) as served:
        page = visit("/login", start=served.url.rstrip("/"))
        page.goto(f"{served.url}login")
        expect(page.locator("input:visible")).to_have_count(1)
        page.get_by_label("Token of this viewer").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(TYPES).first).to_be_visible()
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


# --- barriers ---


@pytest.mark.parametrize(
    "context",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE],
    ids=["light", "dark", "phone"],
)
@pytest.mark.parametrize(
    "path", ["/?state=all&service=shop&last=week", f"/groups/{RATE}", "/?text=nothing+fits"]
)
def test_no_barriers(visit: Visit, axe: str, context: dict[str, Any], path: str) -> None:
    """axe-core finds nothing serious, with all that can be unfolded unfolded."""
    page = visit(path, **context)
    for summary in page.locator("summary:visible").all():
        summary.click()
    page.evaluate(axe)
    found = page.evaluate("axe.run().then((found) => found.violations)")
    bad = [
        (each["id"], [(node["html"][:200], node["failureSummary"]) for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert bad == []
